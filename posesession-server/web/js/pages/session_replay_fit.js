// @ts-check
// The live webcam in; where the shoulders and hips of whoever stands before it are on the stage out.

import { containRect, pointInBox } from "../canvas_mapping.js";
import { PoseCapture } from "../capture.js";
import { PosesessionError } from "../errors.js";
import { KEYPOINTS } from "../mediapipe_skeleton.js";
import { SessionApi } from "../session_api.js";

/**
 * @typedef {"left_shoulder" | "right_shoulder" | "left_hip" | "right_hip"} TorsoKeypoint
 * @typedef {Record<TorsoKeypoint, [x: number, y: number]>} Torso parts of the stage, 0 to 1, as seen on it
 */

/** @type {TorsoKeypoint[]} */
const TORSO = ["left_shoulder", "right_shoulder", "left_hip", "right_hip"];
const CHANNELS = 4;
const CONFIDENCE = 3;
const LEAST_CONFIDENCE = 0.5;
/** The middle of so many looks: a single one trembles. */
const LOOKS = 5;
const TIMEOUT_MS = 20_000;

/**
 * Looks at the webcam until the torso was seen a few times.
 *
 * Rejects with a `PosesessionError`: `no_model`, `model_failed`, `nobody_seen` or `cancelled`.
 * @param {import("../pose_replay.js").PoseReplayElement} replay whose webcam is live
 * @param {AbortSignal} signal
 * @returns {Promise<Torso>}
 */
export async function findTorso(replay, signal) {
  const vision = await new SessionApi().vision();
  if (!vision.available) {
    throw new PosesessionError("no_model", `this server has no pose model to find you with; get it with: ${vision.fetch_command}`);
  }
  const video = replay.webcamVideo;
  const capture = await PoseCapture.start(video, { model: vision.models.includes("lite") ? "lite" : vision.models[0] });
  try {
    // Loading the model takes long enough for people to think better of it.
    if (signal.aborted) throw new PosesessionError("cancelled", "cancelled");
    const looks = await look(capture, signal);
    const box = { width: video.clientWidth, height: video.clientHeight };
    const rect = containRect(box, { width: video.videoWidth, height: video.videoHeight });
    const place = (/** @type {TorsoKeypoint} */ name) => {
      const [x, y] = pointInBox(median(looks.map((seen) => seen[name][0])), median(looks.map((seen) => seen[name][1])), rect, replay.mirrored);
      return /** @type {[number, number]} */ ([x / box.width, y / box.height]);
    };
    return /** @type {Torso} */ (Object.fromEntries(TORSO.map((name) => [name, place(name)])));
  } finally {
    capture.stop();
  }
}

/**
 * @param {PoseCapture} capture
 * @param {AbortSignal} signal
 * @returns {Promise<Torso[]>} parts of the webcam's picture
 */
function look(capture, signal) {
  return new Promise((resolve, reject) => {
    /** @type {Torso[]} */
    const looks = [];
    const timer = setTimeout(() => {
      reject(new PosesessionError("nobody_seen", "your shoulders and hips were not seen; step back until the webcam sees them, then try again"));
    }, TIMEOUT_MS);
    const end = (/** @type {() => void} */ settle) => {
      clearTimeout(timer);
      settle();
    };
    signal.addEventListener("abort", () => end(() => reject(new PosesessionError("cancelled", "cancelled"))));
    capture.on("error", (error) => end(() => reject(error)));
    capture.on("pose", ({ persons, values }) => {
      const torso = persons > 0 ? torsoOf(values) : null;
      if (torso) looks.push(torso);
      if (looks.length >= LOOKS) end(() => resolve(looks));
    });
  });
}

/**
 * @param {Float32Array} values of the first person
 * @returns {Torso | null} null: not all of it is seen well
 */
function torsoOf(values) {
  const at = (/** @type {TorsoKeypoint} */ name) => KEYPOINTS.indexOf(name) * CHANNELS;
  if (TORSO.some((name) => !(values[at(name) + CONFIDENCE] >= LEAST_CONFIDENCE))) return null;
  return /** @type {Torso} */ (Object.fromEntries(TORSO.map((name) => [name, [values[at(name)], values[at(name) + 1]]])));
}

/** @param {number[]} values */
function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
