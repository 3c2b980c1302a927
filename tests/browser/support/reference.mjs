// @ts-check
// How close recorded poses are to what Python MediaPipe sees in the same video.

import { readFileSync } from "node:fs";
import path from "node:path";

import { ROOT } from "./prerequisites.mjs";

const reference = JSON.parse(readFileSync(path.join(ROOT, "testdata", "reference", "balance.json"), "utf8"));
/** @type {number[]} */
const TORSO = reference.keypoints;
/** @type {number[][][]} */
const FRAMES = reference.frames.flatMap((/** @type {{ torso: number[][] | null }} */ { torso }) => (torso ? [torso] : []));

/**
 * Finds the reference frame that fits best: the one whose worst torso keypoint is nearest.
 * @param {{ persons: { pose: (number | null)[][] }[] }} poseData
 * @returns {{ distance: number, frame: number }} distance as a part of the picture; infinite when nobody is in the frame
 */
export function nearest({ persons }) {
  let best = { distance: Infinity, frame: -1 };
  const pose = persons[0]?.pose;
  if (!pose) return best;
  FRAMES.forEach((torso, frame) => {
    const distance = Math.max(...TORSO.map((keypoint, index) => apart(pose[keypoint], torso[index])));
    if (distance < best.distance) best = { distance, frame };
  });
  return best;
}

/**
 * @param {(number | null)[]} recorded
 * @param {number[]} expected
 */
function apart([x, y], [expectedX, expectedY]) {
  return x === null || y === null ? Infinity : Math.hypot(x - expectedX, y - expectedY);
}

/**
 * @param {{ pose_data: { persons: { pose: (number | null)[][] }[] } }[]} frames
 * @param {number} tolerance as a part of the picture
 */
export function agreement(frames, tolerance) {
  const found = frames.map(({ pose_data: poseData }) => nearest(poseData));
  const near = found.filter(({ distance }) => distance <= tolerance);
  const distances = found.map(({ distance }) => distance).sort((a, b) => a - b);
  return {
    share: near.length / frames.length,
    median: distances[Math.floor(distances.length / 2)],
    /** How many different reference frames were met: few would mean a camera that stands still. */
    variety: new Set(near.map(({ frame }) => frame)).size,
  };
}
