// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { fitBody } from "../js/body_fit.js";

const RECORDED = { left_shoulder: [0.55, 0.3], right_shoulder: [0.45, 0.3], left_hip: [0.54, 0.6], right_hip: [0.46, 0.6] };

/**
 * Where a placement shows a keypoint.
 * @param {number[]} point
 * @param {{ scale: number, x: number, y: number } | null} placement
 */
function shown([x, y], placement) {
  assert.ok(placement);
  return [0.5 + (x - 0.5) * placement.scale + placement.x, 0.5 + (y - 0.5) * placement.scale + placement.y];
}

/**
 * @param {number[]} actual
 * @param {number[]} expected
 */
function assertNear(actual, expected) {
  actual.forEach((value, index) => assert.ok(Math.abs(value - expected[index]) < 1e-9, `${actual} is not ${expected}`));
}

/**
 * @param {Record<string, number[]>} torso
 * @param {number} scale
 * @param {number} x
 * @param {number} y
 */
function moved(torso, scale, x, y) {
  return Object.fromEntries(Object.entries(torso).map(([name, point]) => [name, [x + scale * point[0], y + scale * point[1]]]));
}

test("a body that is larger and elsewhere is met in size and place", () => {
  const live = moved(RECORDED, 1.5, -0.1, 0.2);
  const placement = fitBody(RECORDED, live);
  assertNear([placement?.scale ?? NaN], [1.5]);
  for (const name of /** @type {const} */ (["left_shoulder", "right_hip"])) assertNear(shown(RECORDED[name], placement), live[name]);
});

test("on a wide stage sizes are compared in pixels, not in parts of width and height", () => {
  const lying = { left_shoulder: [0.3, 0.5], left_hip: [0.4, 0.5] };
  const standing = { left_shoulder: [0.5, 0.3], left_hip: [0.5, 0.5] };
  assertNear([fitBody(standing, lying, 2)?.scale ?? NaN], [1]);
});

test("somebody who has turned sideways is as tall as before", () => {
  const narrow = { left_shoulder: [0.51, 0.3], right_shoulder: [0.49, 0.3], left_hip: [0.505, 0.6], right_hip: [0.495, 0.6] };
  assertNear([fitBody(RECORDED, narrow)?.scale ?? NaN], [1]);
});

test("missing and hardly believed keypoints are left out on both sides", () => {
  const live = moved(RECORDED, 2, 0, 0);
  const some = { ...live, left_hip: [NaN, 0.1], right_shoulder: [0, 0, 0.1] };
  const placement = fitBody(RECORDED, some);
  assertNear([placement?.scale ?? NaN], [2]);
  assertNear(shown(RECORDED.left_shoulder, placement), live.left_shoulder);
});

test("with shoulders alone their width tells the size", () => {
  const { left_shoulder, right_shoulder } = moved(RECORDED, 0.5, 0.25, 0);
  assertNear([fitBody(RECORDED, { left_shoulder, right_shoulder })?.scale ?? NaN], [0.5]);
});

test("a single keypoint moves and does not scale; none gives nothing", () => {
  const placement = fitBody(RECORDED, { left_hip: [0.2, 0.2] });
  assert.equal(placement?.scale, 1);
  assertNear(shown(RECORDED.left_hip, placement), [0.2, 0.2]);
  assert.equal(fitBody(RECORDED, {}), null);
  assert.equal(fitBody({}, RECORDED), null);
  assert.equal(fitBody(RECORDED, { nose: [0.5, 0.1] }), null);
});
