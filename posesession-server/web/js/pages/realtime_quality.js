// @ts-check
// A finished recording's report in; a judgement in a coach's words and the figures behind it out.

import { formatBytes, formatTime } from "../format.js";

/**
 * @typedef {object} Recorded what is known of a finished recording
 * @property {{ duration: number, frame_count: number, metadata?: Record<string, unknown> }} session
 * @property {Record<string, any> | null} report the server's; null when this page was not there at the end
 * @property {{ poses: number, withoutPerson: number }} [seen] by this page
 * @property {"none" | "sent" | "broken"} [video]
 * @property {number} [hidden_seconds] how long the page was not in view while its camera was recorded
 * @property {boolean} [cut_off] whether the server ended it while this page could not reach it
 *
 * @typedef {object} Judgement
 * @property {"good" | "attention"} verdict
 * @property {string} summary
 * @property {string[]} findings what to look at, each with what to do
 * @property {[string, string][]} figures
 */

const FEW_FRAMES_PER_SECOND = 15;
const LONG_GAP_S = 0.5;
/** Of the frames' interval: with more, movement seems to stutter. */
const UNEVEN = 0.8;
const MUCH_MISSING = 0.01;
const OFTEN_NOBODY = 0.2;

/** @type {Record<string, string>} */
const REFUSALS = {
  late: "came too late",
  conflict: "came twice with different content",
  non_finite: "had impossible values",
  keypoint_mismatch: "had other keypoints",
  too_large: "were too large",
  too_many_persons: "had too many persons",
};

/** Why frames were never sent. @type {Record<string, string>} */
const DROPS = {
  overflow: "had no room while the connection was lost",
  discarded: "were discarded after a cut-off",
};

/**
 * @param {Recorded} recorded
 * @returns {Judgement}
 */
export function judge(recorded) {
  const findings = [...findPace(recorded), ...findMissing(recorded), ...findPeople(recorded), ...findVideo(recorded)];
  return { verdict: findings.length === 0 ? "good" : "attention", summary: summaryOf(recorded), findings, figures: figuresOf(recorded) };
}

/** @param {Recorded} recorded */
function summaryOf({ session, report }) {
  const count = session.frame_count;
  if (count === 0) return "No frames.";
  const rate = report?.frame_rate ?? (session.duration > 0 ? count / session.duration : NaN);
  const pace = Number.isFinite(rate) && rate > 0 ? `, ${rate.toFixed(0)} a second` : "";
  return `${formatTime(session.duration)} long, ${plural(count, "frame")}${pace}.`;
}

/**
 * @param {Recorded} recorded
 * @returns {string[]}
 */
function findPace({ session, report }) {
  if (session.frame_count === 0) return ["Nothing was recorded: no pose came. See that the live skeleton moves before you record."];
  if (!report) return [];
  const { frame_rate: rate, largest_gap: gap, jitter_ms: jitter, clock_jumps: jumps } = report;
  const found = [];
  if (rate > 0 && rate < FEW_FRAMES_PER_SECOND) {
    const lighter = String(session.metadata?.model ?? "").endsWith("_lite") ? "" : ", or choose the Lite model";
    found.push(`Only ${rate.toFixed(0)} frames a second: quick movements look jerky. Close other programs and tabs${lighter}.`);
  }
  if (gap > Math.max(LONG_GAP_S, 5 / rate)) found.push(`For ${gap.toFixed(1)} s no frame came. Look at that moment in the replay before you rely on it.`);
  if (rate > 0 && jitter > (UNEVEN * 1000) / rate) found.push("The frames came unevenly, so movement may stutter. Close other programs and tabs.");
  if (jumps > 0) found.push(`The sender's clock jumped ${times(jumps)}: times before and after do not fit together.`);
  return found;
}

/**
 * @param {Recorded} recorded
 * @returns {string[]}
 */
function findMissing({ report, hidden_seconds: hidden = 0, cut_off: cutOff = false }) {
  const found = hidden >= 1 ? [`This page was out of view for ${hidden.toFixed(0)} s, and browsers slow such pages: poses are missing there. Keep it in view while it records.`] : [];
  if (cutOff) found.push("The server ended the recording while this page could not reach it: what came after is missing.");
  if (!report) return found;
  const causes = causesOf(report);
  const lost = causes.reduce((sum, [, count]) => sum + count, 0);
  const share = lost / (lost + (report.stored ?? 0));
  if (share > MUCH_MISSING) {
    const why = causes.map(([cause, count]) => `${count.toLocaleString()} ${cause}`).join(", ");
    found.push(`${percent(share)} of the frames are missing: ${why}. A slow or broken connection is the usual cause.`);
  }
  return found;
}

/**
 * @param {Recorded} recorded
 * @returns {string[]}
 */
function findPeople({ seen }) {
  if (!seen || seen.poses === 0) return [];
  const share = seen.withoutPerson / seen.poses;
  return share > OFTEN_NOBODY ? [`In ${percent(share)} of the frames nobody was seen. Step back until the whole body is in the picture, in good light.`] : [];
}

/**
 * @param {Recorded} recorded
 * @returns {string[]}
 */
function findVideo({ report, video = "none" }) {
  if (video === "none" || !report) return [];
  if (!report.video_stored_bytes) return ["No video was stored; the poses are complete without it."];
  return video === "broken" ? ["The video ends before the recording does. The poses go on to the end."] : [];
}

/**
 * @param {Recorded} recorded
 * @returns {[string, string][]}
 */
function figuresOf({ session, report, video = "none" }) {
  /** @type {[string, string][]} */
  const always = [
    ["Duration", formatTime(session.duration)],
    ["Frames stored", (known(report?.stored) ? report?.stored + (report?.stored_before ?? 0) : session.frame_count).toLocaleString()],
  ];
  if (!report) return always;
  if (known(report.sent)) always.splice(1, 0, ["Frames sent", (report.sent + (report.stored_before ?? 0)).toLocaleString()]);
  always.push(
    ["Frames/s", known(report.frame_rate) ? report.frame_rate.toFixed(1) : "–"],
    ["Jitter", known(report.jitter_ms) ? `${report.jitter_ms.toFixed(1)} ms` : "–"],
    ["Largest gap", known(report.largest_gap) ? `${report.largest_gap.toFixed(2)} s` : "–"],
    ["Missing", causesOf(report).reduce((sum, [, count]) => sum + count, 0).toLocaleString()],
  );
  /** @type {[string, number | undefined][]} */
  const seldom = [
    ...causesOf(report).map(([cause, count]) => /** @type {[string, number]} */ ([`… ${cause}`, count])),
    ["Not sent while paused", report.missing_in_pauses],
    ["Sent while paused", report.paused],
    ["Sent twice", report.duplicate],
    ["Put in order", report.reordered],
    ["Clock jumps", report.clock_jumps],
    ["Stored before a restart", report.stored_before],
    ["Connected again", report.reconnects],
  ];
  const happened = seldom.flatMap(([term, value]) => (value ? [/** @type {[string, string]} */ ([term, value.toLocaleString()])] : []));
  if (known(report.time_to_durable_p99_ms)) happened.push(["Stored for good within (99 %)", `${report.time_to_durable_p99_ms.toFixed(0)} ms`]);
  const size = report.video_stored_bytes ? formatBytes(report.video_stored_bytes) : "none";
  return [...always, ...happened, ...(video !== "none" || report.video_stored_bytes ? [/** @type {[string, string]} */ (["Video", size])] : [])];
}

/**
 * Why frames are missing, and how many for each cause.
 * @param {Record<string, any>} report
 * @returns {[string, number][]}
 */
function causesOf({ missing = 0, late = 0, conflict = 0, refused = {}, dropped = {} }) {
  /** @type {[string, number][]} */
  const causes = [
    ["never came", missing],
    [REFUSALS.late, late],
    [REFUSALS.conflict, conflict],
    ...Object.entries(/** @type {Record<string, number>} */ (refused)).map(([code, count]) => /** @type {[string, number]} */ ([REFUSALS[code] ?? `were refused (${code})`, count])),
    ...Object.entries(/** @type {Record<string, number>} */ (dropped)).map(([cause, count]) => /** @type {[string, number]} */ ([DROPS[cause] ?? `were dropped (${cause})`, count])),
  ];
  return causes.filter(([, count]) => count > 0);
}

/** @param {unknown} value */
function known(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** @param {number} share */
function percent(share) {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/**
 * @param {number} count
 * @param {string} noun
 */
function plural(count, noun) {
  return `${count.toLocaleString()} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {number} count */
function times(count) {
  return count === 1 ? "once" : `${count} times`;
}
