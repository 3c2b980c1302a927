// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { judge } from "../js/pages/realtime_quality.js";

const SESSION = { duration: 10, frame_count: 300 };
const REPORT = {
  stored: 300, late: 0, duplicate: 0, conflict: 0, paused: 0, refused: {}, missing: 0, missing_in_pauses: 0, reordered: 0,
  clock_jumps: 0, frame_rate: 30, jitter_ms: 2, largest_gap: 0.05, video_stored_bytes: 0,
};

/** @param {object} change */
const judged = (change) => judge({ session: SESSION, report: { ...REPORT, ...change } });

test("an even, whole recording is good, and its figures are there", () => {
  const { verdict, summary, findings, figures } = judged({});
  assert.equal(verdict, "good");
  assert.deepEqual(findings, []);
  assert.equal(summary, "0:10.0 long, 300 frames, 30 a second.");
  assert.deepEqual(figures, [
    ["Duration", "0:10.0"], ["Frames stored", "300"], ["Frames/s", "30.0"], ["Jitter", "2.0 ms"], ["Largest gap", "0.05 s"], ["Missing", "0"],
  ]);
});

test("what needs attention is said with what to do", () => {
  const cases = /** @type {[object, RegExp][]} */ ([
    [{ frame_rate: 9 }, /Only 9 frames a second.*Lite model/],
    [{ largest_gap: 1.24 }, /For 1.2 s no frame came/],
    [{ jitter_ms: 40 }, /unevenly/],
    [{ clock_jumps: 2 }, /jumped 2 times/],
    [{ missing: 30, late: 3, refused: { non_finite: 2 } }, /10 % of the frames are missing: 30 never came, 3 came too late, 2 had impossible values/],
  ]);
  for (const [change, expected] of cases) {
    const { verdict, findings } = judged(change);
    assert.equal(verdict, "attention");
    assert.match(findings.join("\n"), expected);
  }
});

test("nobody who has chosen the lightest model is told to", () => {
  const { findings } = judge({ session: { ...SESSION, metadata: { model: "pose_landmarker_lite" } }, report: { ...REPORT, frame_rate: 9 } });
  assert.match(findings.join("\n"), /Only 9 frames a second.*Close other programs and tabs\.$/);
});

test("frames that were not to be recorded are not missing", () => {
  const { verdict, figures } = judged({ missing_in_pauses: 90, paused: 50, duplicate: 4 });
  assert.equal(verdict, "good");
  assert.deepEqual(figures.filter(([term]) => term === "Missing" || term === "Sent while paused"), [["Missing", "0"], ["Sent while paused", "50"]]);
});

test("what only the page knows counts, too", () => {
  const { findings } = judge({ session: SESSION, report: REPORT, seen: { poses: 100, withoutPerson: 40 }, video: "broken", hidden_seconds: 12.3 });
  assert.match(findings.join("\n"), /out of view for 12 s[^]*In 40 % of the frames nobody[^]*No video was stored/);
  const ended = judge({ session: SESSION, report: { ...REPORT, video_stored_bytes: 5_000_000 }, video: "broken" });
  assert.match(ended.findings.join("\n"), /video ends before/);
  assert.deepEqual(ended.figures.at(-1), ["Video", "5.0 MB"]);
});

test("an empty recording, and one whose report never came", () => {
  assert.match(judge({ session: { duration: 0, frame_count: 0 }, report: null }).findings[0], /Nothing was recorded/);
  assert.equal(judge({ session: SESSION, report: null }).verdict, "good");
  assert.equal(judge({ session: SESSION, report: null, cut_off: true }).verdict, "attention");
});
