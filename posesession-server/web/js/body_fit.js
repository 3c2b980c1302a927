// @ts-check
// Hips and shoulders of a recorded and of a live body in, the placement that lays the one over the other out.

import { possiblePlacement } from "./canvas_mapping.js";

/**
 * @typedef {import("./canvas_mapping.js").Placement} Placement
 *
 * Where keypoints are, as parts of the stage as seen: x, y, and how far they are believed (fully when absent).
 * @typedef {Partial<Record<string, ArrayLike<number>>>} Torso
 */

export const TORSO = ["left_shoulder", "right_shoulder", "left_hip", "right_hip"];

/** Keypoints believed less are guesses of the model, often far off. */
const LEAST_CONFIDENCE = 0.3;
/** Shorter than this, as a part of the stage's height, a distance says nothing about size. */
const LEAST_LENGTH = 0.01;

/**
 * Finds scale and position, without rotation, from the keypoints that both bodies have.
 *
 * The trunk's length tells the size, as it stays when somebody turns; where it isn't known the width of shoulders or hips
 * does; a single keypoint only moves.
 * @param {Torso} recorded where it stands without any placement
 * @param {Torso} live
 * @param {number} [aspect] the stage's width by its height
 * @returns {Placement | null} null: they have no keypoint in common
 */
export function fitBody(recorded, live, aspect = 1) {
  const common = TORSO.filter((name) => isThere(recorded[name]) && isThere(live[name]));
  if (common.length === 0) return null;
  const from = common.map((name) => place(recorded[name], aspect));
  const to = common.map((name) => place(live[name], aspect));
  const lengths = [lengthOf(common, from), lengthOf(common, to)];
  const scale = lengths[0] > LEAST_LENGTH && lengths[1] > LEAST_LENGTH ? possiblePlacement({ scale: lengths[1] / lengths[0] }).scale : 1;
  const [fromX, fromY] = mean(from);
  const [toX, toY] = mean(to);
  const centreX = aspect / 2;
  return possiblePlacement({
    scale,
    x: (toX - centreX - (fromX - centreX) * scale) / aspect,
    y: toY - 0.5 - (fromY - 0.5) * scale,
  });
}

/** @param {ArrayLike<number> | undefined} keypoint */
function isThere(keypoint) {
  return keypoint !== undefined && Number.isFinite(keypoint[0]) && Number.isFinite(keypoint[1]) && !(keypoint[2] < LEAST_CONFIDENCE);
}

/**
 * @param {ArrayLike<number> | undefined} keypoint
 * @param {number} aspect
 * @returns {[number, number]} in stage heights both ways
 */
function place(keypoint, aspect) {
  return [(keypoint?.[0] ?? NaN) * aspect, keypoint?.[1] ?? NaN];
}

/**
 * @param {string[]} names
 * @param {[number, number][]} places
 */
function lengthOf(names, places) {
  const of = (/** @type {string} */ part) => places.filter((_, index) => names[index].endsWith(part));
  const [shoulders, hips] = [of("shoulder"), of("hip")];
  if (shoulders.length > 0 && hips.length > 0) return apart(mean(shoulders), mean(hips));
  return places.length === 2 ? apart(places[0], places[1]) : 0;
}

/**
 * @param {[number, number][]} places
 * @returns {[number, number]}
 */
function mean(places) {
  const sum = (/** @type {0 | 1} */ axis) => places.reduce((total, place) => total + place[axis], 0) / places.length;
  return [sum(0), sum(1)];
}

/**
 * @param {[number, number]} a
 * @param {[number, number]} b
 */
function apart(a, b) {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}
