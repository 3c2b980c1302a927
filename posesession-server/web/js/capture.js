// @ts-check
// A camera in, poses with the very pictures they were found in out.

import { Emitter } from "./emitter.js";
import { PosesessionError } from "./errors.js";

/**
 * @typedef {object} CapturedPose
 * @property {ImageBitmap} image the picture that was looked at; valid until the listeners have returned
 * @property {number} timestamp when it was taken, seconds of the page's clock (`performance.now()`)
 * @property {number} persons
 * @property {Float32Array} values person-major, 33 x (x, y, z, confidence), then with `world` 33 x the same in metres
 * @property {number} inference_ms
 *
 * @typedef {object} CaptureEvents
 * @property {CapturedPose} pose
 * @property {PosesessionError} error the capture has ended
 *
 * @typedef {object} CaptureOptions
 * @property {string} [model] `lite` or `full`
 * @property {"CPU" | "GPU"} [delegate]
 * @property {number} [max_persons]
 * @property {boolean} [world] also give positions in metres
 */

/** Pictures at the worker: one being looked at, one waiting, so that it never idles until the next camera frame. */
const MAX_IN_FLIGHT = 2;

/** @type {Record<string, [code: string, message: string]>} */
const CAMERA_FAILURES = {
  NotAllowedError: ["camera_denied", "the browser was not allowed to use the camera; allow it in the address bar's site settings, then try again"],
  NotFoundError: ["no_camera", "no camera was found; connect one, then try again"],
  NotReadableError: ["camera_busy", "the camera cannot be used; close other programs that use it, then try again"],
  OverconstrainedError: ["no_camera", "the chosen camera is not there any more; choose another one"],
};

/**
 * Opens a camera and plays it in `video`.
 *
 * Throws a `PosesessionError`: `camera_denied`, `no_camera`, `camera_busy`, `insecure_page` or `camera_failed`, with what to do.
 * @param {HTMLVideoElement} video
 * @param {{ device_id?: string, width?: number, height?: number }} [options] width and height as wished for, px
 * @returns {Promise<MediaStream>}
 */
export async function openCamera(video, { device_id: deviceId, width = 640, height = 480 } = {}) {
  if (!navigator.mediaDevices) {
    throw new PosesessionError("insecure_page", "browsers give the camera only to pages from this machine or over https");
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { width, height, frameRate: 30, ...(deviceId ? { deviceId: { exact: deviceId } } : {}) },
    });
    video.srcObject = stream;
    await video.play();
    return stream;
  } catch (error) {
    closeCamera(video);
    const name = error instanceof DOMException ? error.name : "";
    const [code, message] = CAMERA_FAILURES[name] ?? ["camera_failed", `the camera does not start: ${error instanceof Error ? error.message : error}`];
    throw Object.assign(new PosesessionError(code, message), { cause: error });
  }
}

/**
 * Stops the camera that plays in `video`.
 * @param {HTMLVideoElement} video
 */
export function closeCamera(video) {
  if (!(video.srcObject instanceof MediaStream)) return;
  for (const track of video.srcObject.getTracks()) track.stop();
  video.srcObject = null;
}

/** Lists the cameras; their names are empty until one was allowed. */
export async function listCameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind }) => kind === "videoinput");
}

/**
 * Finds poses in a playing video, as fast as the model goes; pictures that come meanwhile are skipped and counted.
 * @extends {Emitter<CaptureEvents>}
 */
export class PoseCapture extends Emitter {
  #video;
  #worker;
  #inFlight = 0;
  #skipped = 0;
  #lastTimestamp = -Infinity;
  #stopped = false;

  /**
   * @param {HTMLVideoElement} video
   * @param {Worker} worker
   */
  constructor(video, worker) {
    super();
    this.#video = video;
    this.#worker = worker;
  }

  /**
   * Loads the model and starts to look at the video.
   *
   * Rejects with `model_failed` when the model or its library does not load.
   * @param {HTMLVideoElement} video
   * @param {CaptureOptions} [options]
   * @returns {Promise<PoseCapture>}
   */
  static async start(video, { model = "lite", delegate = "CPU", max_persons = 1, world = false } = {}) {
    const worker = new Worker(new URL("./pose_worker.js", import.meta.url), { type: "module", name: "pose" });
    try {
      await new Promise((resolve, reject) => {
        const fail = (/** @type {string} */ why) => reject(new PosesessionError("model_failed", `the pose model does not load: ${why}`));
        worker.onerror = ({ message }) => fail(message || "the worker does not start");
        worker.onmessage = ({ data }) => (data.type === "ready" ? resolve(undefined) : fail(data.message));
        worker.postMessage({ type: "load", model, delegate, max_persons, world });
      });
    } catch (error) {
      worker.terminate();
      throw error;
    }
    const capture = new PoseCapture(video, worker);
    capture.#run();
    return capture;
  }

  /** Camera frames that were not looked at, because the model was busy. */
  get frames_skipped() {
    return this.#skipped;
  }

  /** Ends the capture; the camera stays open. */
  stop() {
    this.#stopped = true;
    this.#worker.terminate();
  }

  #run() {
    this.#worker.onmessage = ({ data }) => this.#receive(data);
    this.#worker.onerror = ({ message }) => this.#fail(message);
    const onFrame = (/** @type {number} */ now, /** @type {VideoFrameCallbackMetadata} */ metadata) => {
      if (this.#stopped) return;
      this.#video.requestVideoFrameCallback(onFrame);
      void this.#look(metadata.captureTime ?? now);
    };
    this.#video.requestVideoFrameCallback(onFrame);
  }

  /** @param {number} takenMs */
  async #look(takenMs) {
    if (this.#inFlight >= MAX_IN_FLIGHT) {
      this.#skipped += 1;
      return;
    }
    this.#inFlight += 1;
    // The model demands rising times; a camera may stamp two frames alike.
    const timestamp = Math.max(takenMs / 1000, this.#lastTimestamp + 0.001);
    this.#lastTimestamp = timestamp;
    try {
      const image = await createImageBitmap(this.#video);
      this.#worker.postMessage({ type: "detect", image, timestamp }, [image]);
    } catch {
      // The video has no picture at this moment: its source is being changed.
      this.#inFlight -= 1;
      this.#skipped += 1;
    }
  }

  /** @param {import("./pose_worker.js").Answer} answer */
  #receive(answer) {
    if (this.#stopped) return;
    if (answer.type === "failed") {
      this.#fail(answer.message);
    } else if (answer.type === "pose") {
      this.#inFlight -= 1;
      this.emit("pose", answer);
      answer.image.close();
    }
  }

  /** @param {string} why */
  #fail(why) {
    this.stop();
    this.emit("error", new PosesessionError("model_failed", `the pose model has stopped: ${why}`));
  }
}
