// @ts-check
// A real recording in, poses of it at any moment and for any skeleton out: the walk, there and back for as long as wanted.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";

import { KEYPOINTS } from "../../../posesession-server/web/js/mediapipe_skeleton.js";
import { ROOT, walkersVideo } from "./prerequisites.mjs";

/** @typedef {import("../../../posesession-server/web/js/json_frame.js").Skeleton} Skeleton */

/** Of the pictures in which the walk was seen, pixels. */
export const PICTURE = { width: 1768, height: 994 };
const RECORDED_FPS = 30;
const CHANNELS = ["x", "y", "z", "visibility"];
const TORSO_M = 0.5;
const SMALL_IMAGE_WIDTH_PX = 480;

/** Each frame with a person: x, y, z, confidence of each keypoint. */
const recorded = readFileSync(path.join(ROOT, "testdata", "recordings", "walk_mediapipe_33.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line))
  .filter(({ pose_data: { landmarks } }) => landmarks.length > 0)
  .map(({ frame_number, pose_data: { landmarks } }) => ({
    frameNumber: /** @type {number} */ (frame_number),
    values: Float32Array.from(landmarks.flatMap((/** @type {Record<string, number>} */ keypoint) => CHANNELS.map((name) => keypoint[name]))),
  }));

/**
 * Where in the recording a moment is, with the way back after the way there.
 * @param {number} seconds
 */
function place(seconds) {
  const last = recorded.length - 1;
  const at = (seconds * RECORDED_FPS) % (2 * last);
  return at <= last ? at : 2 * last - at;
}

/**
 * Makes the function that tells the values of all persons at a moment, as `skeleton` lays them out. Later persons walk
 * beside the first one, each in a step of their own.
 * @param {Skeleton} skeleton
 * @param {number} persons
 * @returns {(seconds: number) => Float32Array}
 */
export function walk(skeleton, persons) {
  const slots = skeleton.components.flatMap(({ keypoints, channels }) =>
    keypoints.flatMap((name) => channels.map((channel) => ({ keypoint: KEYPOINTS.indexOf(name), ...channel }))),
  );
  return (seconds) => {
    const values = new Float32Array(persons * slots.length);
    for (let person = 0; person < persons; person += 1) {
      const pose = poseAt(seconds + 0.6 * person);
      const aside = 0.18 * person;
      const body = bodyOf(pose);
      slots.forEach(({ keypoint, name, unit }, slot) => {
        values[person * slots.length + slot] = keypoint < 0 ? NaN : valueOf(pose, keypoint, name, unit, aside, body);
      });
    }
    return values;
  };
}

/** @param {number} seconds */
function poseAt(seconds) {
  const at = place(seconds);
  const before = recorded[Math.floor(at)].values;
  const after = recorded[Math.min(Math.floor(at) + 1, recorded.length - 1)].values;
  const part = at - Math.floor(at);
  return part === 0 ? before : before.map((value, index) => value + part * (after[index] - value));
}

/**
 * The middle of the hips and how many metres a pixel is.
 * @param {Float32Array} pose
 */
function bodyOf(pose) {
  const middle = (/** @type {string} */ joint, /** @type {number} */ channel) =>
    (pose[4 * KEYPOINTS.indexOf(`left_${joint}`) + channel] + pose[4 * KEYPOINTS.indexOf(`right_${joint}`) + channel]) / 2;
  const [x, y] = [middle("hip", 0), middle("hip", 1)];
  const torsoPx = Math.hypot((middle("shoulder", 0) - x) * PICTURE.width, (middle("shoulder", 1) - y) * PICTURE.height);
  return { x, y, metresPerPixel: TORSO_M / torsoPx };
}

/**
 * @param {Float32Array} pose
 * @param {number} keypoint
 * @param {string} channel
 * @param {string} unit
 * @param {number} aside
 * @param {{ x: number, y: number, metresPerPixel: number }} body
 */
function valueOf(pose, keypoint, channel, unit, aside, body) {
  const [x, y, z, confidence] = pose.subarray(4 * keypoint, 4 * keypoint + 4);
  if (channel === "confidence") return confidence;
  // MediaPipe's z is about as large as x: a part of the picture's width.
  const size = channel === "y" ? PICTURE.height : PICTURE.width;
  const origin = unit !== "metres" || channel === "z" ? 0 : channel === "y" ? body.y : body.x;
  const value = (channel === "x" ? x : channel === "y" ? y : z) - origin;
  if (unit === "metres") return value * size * body.metresPerPixel;
  const there = channel === "x" ? value + aside : value;
  return unit === "pixels" ? there * size : there;
}

/**
 * Makes the function that tells the picture (a JPEG) in which the first person was seen at a moment.
 * @returns {(seconds: number) => Uint8Array}
 */
export function walkPictures() {
  const last = recorded[recorded.length - 1].frameNumber;
  const jpegs = execFileSync(
    "ffmpeg",
    [
      "-v", "error", "-i", walkersVideo(), "-frames:v", String(last + 1), "-vf", `scale=${SMALL_IMAGE_WIDTH_PX}:-2`,
      "-f", "image2pipe", "-c:v", "mjpeg", "-q:v", "6", "-",
    ],
    { maxBuffer: 1 << 28 },
  );
  const pictures = splitJpegs(jpegs);
  if (pictures.length <= last) throw new Error(`ffmpeg made ${pictures.length} pictures of the video, needed ${last + 1}`);
  return (seconds) => pictures[recorded[Math.round(place(seconds))].frameNumber];
}

/** @param {Buffer} bytes */
function splitJpegs(bytes) {
  const START = Buffer.from([0xff, 0xd8, 0xff]);
  const pictures = [];
  for (let at = 0; at < bytes.length; ) {
    const next = bytes.indexOf(START, at + START.length);
    const end = next < 0 ? bytes.length : next;
    pictures.push(new Uint8Array(bytes.subarray(at, end)));
    at = end;
  }
  return pictures;
}
