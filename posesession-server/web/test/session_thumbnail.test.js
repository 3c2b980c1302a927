// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { readThumbnail, thumbnailOf } from "../js/session_thumbnail.js";
import { frameFromJson } from "../js/json_frame.js";
import { SessionApi } from "../js/session_api.js";

/**
 * @param {string} unit
 * @returns {import("../js/json_frame.js").Skeleton}
 */
function skeletonIn(unit) {
  const channels = [{ name: "x", unit }, { name: "y", unit }, { name: "confidence", unit: "ratio" }];
  return { name: "three", components: [{ name: "pose", keypoints: ["a", "b", "c"], edges: [[0, 1], [1, 2]], mirrored: [], channels }] };
}

/** @param {(number | null)[][]} pose */
function frameOf(pose, unit = "image") {
  return frameFromJson({ timestamp: 0, pose_data: { persons: pose.length > 0 ? [{ id: 0, pose }] : [] } }, skeletonIn(unit));
}

const WIDE = { image_width: 1600, image_height: 800 };

test("the body fills its picture and keeps its proportions", () => {
  const frame = frameOf([[0.5, 0.2, 1], [0.55, 0.5, 1], [0.6, 0.8, 1]]);
  const thumbnail = thumbnailOf([frame], { skeleton: skeletonIn("image"), metadata: WIDE });
  assert.ok(thumbnail);
  const [ax, ay, , bx, by, , cx, cy] = thumbnail.frame.values;
  assert.ok(Math.abs(bx - 0.5) < 1e-6 && Math.abs(by - 0.5) < 1e-6, "the body stands in the middle");
  assert.ok(ay > 0 && ay < 0.1 && cy > 0.9 && cy < 1, "it reaches from the top to the bottom");
  const drawnWidth = (cx - ax) * thumbnail.aspect;
  assert.ok(Math.abs(drawnWidth / (cy - ay) - (0.1 * 2) / 0.6) < 1e-5, "it is neither stretched nor squeezed");
});

test("pixels and parts of the picture give the same drawing", () => {
  const image = thumbnailOf([frameOf([[0.5, 0.2, 1], [0.55, 0.5, 1], [0.6, 0.8, 1]])], { skeleton: skeletonIn("image"), metadata: WIDE });
  const pixels = thumbnailOf([frameOf([[800, 160, 1], [880, 400, 1], [960, 640, 1]], "pixels")], { skeleton: skeletonIn("pixels"), metadata: WIDE });
  assert.ok(image && pixels);
  image.frame.values.forEach((value, index) => assert.ok(Math.abs(value - pixels.frame.values[index]) < 1e-5));
  assert.deepEqual(pixels.skeleton, image.skeleton);
});

test("keypoints that are hardly believed do not make the body small", () => {
  const frame = frameOf([[0.4, 0.4, 0.9], [0.6, 0.6, 0.9], [0.5, 3, 0.1]]);
  const values = thumbnailOf([frame], { skeleton: skeletonIn("image"), metadata: {} })?.frame.values ?? [];
  assert.ok(values[1] > 0 && values[1] < 0.2 && values[4] > 0.8 && values[4] < 1);
});

test("the frame that shows most is taken; where nobody is seen, none", () => {
  const frames = [frameOf([]), frameOf([[0.1, 0.1, 0.2], [0.2, 0.2, 0.2], [null, null, null]]), frameOf([[0.4, 0.4, 0.9], [0.6, 0.6, 0.9], [0.5, 0.5, 0.9]])];
  const session = { skeleton: skeletonIn("image"), metadata: {} };
  assert.equal(Math.round((thumbnailOf(frames, session)?.frame.values[2] ?? 0) * 10), 9);
  assert.equal(thumbnailOf([frames[0]], session), null);
  assert.equal(thumbnailOf([], session), null);
  const inMetres = thumbnailOf([frames[2]], { skeleton: skeletonIn("metres"), metadata: {} });
  assert.deepEqual(inMetres?.frame, frames[2], "the canvas fits metres itself");
});

test("people are looked for in the middle first, then around it, and not in what is empty", async () => {
  /** @type {string[]} */
  const asked = [];
  const api = new SessionApi({
    fetch: async (url) => {
      asked.push(String(url));
      return Response.json({ frames: [], next: null });
    },
  });
  const session = /** @type {any} */ ({ id: "s", skeleton: skeletonIn("image"), metadata: {}, frame_count: 100 });
  assert.equal(await readThumbnail(api, session), null);
  assert.deepEqual(asked.map((url) => new URL(url, "http://localhost").searchParams.get("from")), ["50", "25", "75", "5"]);
  assert.equal(await readThumbnail(api, { ...session, frame_count: 0 }), null);
  assert.equal(await readThumbnail(api, { ...session, skeleton: null }), null);
  assert.equal(asked.length, 4);
  await readThumbnail(api, session, { latest: true });
  assert.match(asked[4], /from=99&/);
});
