// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { containRect, opacityOf, pointInBox, sideOf, placedRect, possiblePlacement, scaledAbout } from "../js/canvas_mapping.js";
import { KEYPOINTS, MEDIAPIPE_33_SKELETON } from "../js/mediapipe_skeleton.js";

const VGA = { width: 640, height: 480 };

test("a picture of the box's shape fills it", () => {
  assert.deepEqual(containRect({ width: 320, height: 240 }, VGA), { x: 0, y: 0, width: 320, height: 240 });
});

test("a wide box has bars at the sides, a tall one above and below", () => {
  assert.deepEqual(containRect({ width: 1000, height: 480 }, VGA), { x: 180, y: 0, width: 640, height: 480 });
  assert.deepEqual(containRect({ width: 320, height: 480 }, VGA), { x: 0, y: 120, width: 320, height: 240 });
});

test("a picture without a size fills the box", () => {
  assert.deepEqual(containRect({ width: 300, height: 200 }, { width: 0, height: 0 }), { x: 0, y: 0, width: 300, height: 200 });
});

test("keypoints stand on the picture, not on its bars", () => {
  const rect = containRect({ width: 1000, height: 480 }, VGA);
  assert.deepEqual(pointInBox(0, 0, rect, false), [180, 0]);
  assert.deepEqual(pointInBox(1, 1, rect, false), [820, 480]);
  assert.deepEqual(pointInBox(0.25, 0.5, rect, false), [340, 240]);
});

test("a mirror swaps the sides within the picture", () => {
  const rect = containRect({ width: 1000, height: 480 }, VGA);
  assert.deepEqual(pointInBox(0, 0, rect, true), [820, 0]);
  assert.deepEqual(pointInBox(0.25, 0.5, rect, true), [660, 240]);
});

test("opacity grows with confidence; unknown is opaque, disbelieved is hidden", () => {
  assert.equal(opacityOf(NaN), 1);
  assert.equal(opacityOf(1), 1);
  assert.equal(opacityOf(0.01), 0);
  assert.ok(opacityOf(0.3) < opacityOf(0.6));
});

test("sides come from the keypoint's name or its component's", () => {
  assert.equal(sideOf("left_knee"), "left");
  assert.equal(sideOf("right_knee", "pose"), "right");
  assert.equal(sideOf("nose"), "centre");
  assert.equal(sideOf("wrist", "left_hand"), "left");
});

test("the model's skeleton has its 33 keypoints, paired left and right", () => {
  assert.equal(KEYPOINTS.length, 33);
  assert.equal(KEYPOINTS[11], "left_shoulder");
  assert.equal(KEYPOINTS[32], "right_foot_index");
  const [pose] = MEDIAPIPE_33_SKELETON.components;
  assert.equal(pose.mirrored.length, 16);
  for (const [left, right] of pose.mirrored) assert.equal(KEYPOINTS[left].replace("left", "right"), KEYPOINTS[right]);
  assert.equal(pose.edges.length, 35);
});

test("a placement stays within what can be seen, and what is no number stays as it was", () => {
  assert.deepEqual(possiblePlacement({ scale: 1000, x: -9, y: 0.25 }), { scale: 10, x: -2, y: 0.25 });
  assert.deepEqual(possiblePlacement({ scale: NaN, y: Infinity }, { scale: 2, x: 0.1, y: 0.2 }), { scale: 2, x: 0.1, y: 0.2 });
});

test("scaling leaves what is under the pointer where it is", () => {
  const point = { x: 0.8, y: 0.3 };
  const before = { scale: 1.5, x: 0.1, y: -0.2 };
  const after = scaledAbout(before, 1.7, point);
  const under = (/** @type {typeof before} */ { scale, x, y }) => [(point.x - 0.5 - x) / scale, (point.y - 0.5 - y) / scale];
  under(after).forEach((value, axis) => assert.ok(Math.abs(value - under(before)[axis]) < 1e-12));
});

test("a placed picture is scaled about the stage's centre, then moved", () => {
  const box = { width: 200, height: 100 };
  assert.deepEqual(placedRect({ x: 50, y: 0, width: 100, height: 100 }, box, { scale: 2, x: 0.1, y: -0.1 }), { x: 20, y: -60, width: 200, height: 200 });
});
