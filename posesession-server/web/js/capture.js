// @ts-check
// A camera in, poses with the very pictures they were found in out.

import { isSoftwareRenderer, PATIENCE_SECONDS, rememberDelegate, rememberedDelegate, Trial, webglRenderer } from "./delegate.js";
import { Emitter } from "./emitter.js";
import { PosesessionError } from "./errors.js";
import { PictureSource } from "./picture.js";
import { PoseModel } from "./pose_model.js";

/**
 * @typedef {import("./delegate.js").Delegate} Delegate
 * @typedef {import("./picture.js").Picture} Picture
 *
 * @typedef {object} CapturedPose
 * @property {ImageBitmap} image the picture that was looked at; valid until the listeners have returned
 * @property {number} timestamp when it was taken, seconds of the page's clock (`performance.now()`)
 * @property {number} persons
 * @property {Float32Array} values person-major, 33 x (x, y, z, confidence), then with `world` 33 x the same in metres
 * @property {number} inference_ms
 *
 * @typedef {object} CaptureEvents
 * @property {Picture} picture the camera's pictures, those that are looked at before they are; valid until the listeners have
 *   returned. While poses come slowly, these are all: what listeners do with the others would cost poses
 * @property {CapturedPose} pose
 * @property {{ delegate: Delegate, poses_per_second: number }} delegate which of the two finds the poses from now on, and, where
 *   the graphics processor was tried, how many poses a second it would find (else 0)
 * @property {PosesessionError} error the capture has ended
 *
 * @typedef {object} CaptureOptions
 * @property {string} [model] `lite` or `full`
 * @property {"auto" | Delegate} [delegate] `auto`, the default: the graphics processor, unless it fails or is slower than the CPU
 * @property {number} [max_persons]
 * @property {boolean} [world] also give positions in metres
 */

/** Pictures at the worker: one being looked at, one waiting, so that it never idles until the next camera frame. */
const MAX_IN_FLIGHT = 2;
/** Longer than this a pose takes only where there is too little of everything, ms; how much a new one counts. */
const SLOW_MS = 80;
const PACE_WEIGHT = 0.2;

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
 * Throws a `PosesessionError`: `camera_denied`, `no_camera`, `camera_busy`, `insecure_page` or `camera_failed`, with what to do;
 * `cancelled` once `signal` has aborted: a camera that is given after that is stopped, and what plays in `video` is left alone.
 * @param {HTMLVideoElement} video
 * @param {{ device_id?: string, width?: number, height?: number, signal?: AbortSignal }} [options] width and height as wished for, px
 * @returns {Promise<MediaStream>}
 */
export async function openCamera(video, { device_id: deviceId, width = 640, height = 480, signal } = {}) {
  if (!navigator.mediaDevices) {
    throw new PosesessionError("insecure_page", "browsers give the camera only to pages from this machine or over https");
  }
  /** @type {MediaStream | null} */
  let stream = null;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { width, height, frameRate: 30, ...(deviceId ? { deviceId: { exact: deviceId } } : {}) },
    });
    signal?.throwIfAborted();
    video.srcObject = stream;
    await video.play();
    signal?.throwIfAborted();
    return stream;
  } catch (error) {
    for (const track of stream?.getTracks() ?? []) track.stop();
    // Another opening may have put its own camera there meanwhile.
    if (stream && video.srcObject === stream) video.srcObject = null;
    if (signal?.aborted) throw new PosesessionError("cancelled", "the camera is not wanted any more");
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
 *
 * A pose has the time at which its picture was taken, and that picture was given by the event `picture` before.
 * @extends {Emitter<CaptureEvents>}
 */
export class PoseCapture extends Emitter {
  #video;
  #model;
  #options;
  #pictures;
  #skipped = 0;
  #stopped = false;
  #inferenceMs = 0;
  #lastGiven = -Infinity;
  #lastFound = -Infinity;
  /** Who waits for poses that are under way. @type {Set<() => void>} */
  #waiting = new Set();
  /** @type {Trial | null} */
  #trial = null;
  /** What the outcome of a trial is remembered for; null: the delegate was asked for. @type {string | null} */
  #browser;

  /**
   * @param {HTMLVideoElement} video
   * @param {PoseModel} model
   * @param {import("./pose_model.js").ModelOptions} options
   * @param {string | null} browser
   */
  constructor(video, model, options, browser) {
    super();
    this.#video = video;
    this.#model = model;
    this.#options = options;
    this.#browser = browser;
    this.#pictures = new PictureSource(video);
  }

  /**
   * Loads the model and starts to look at the video.
   *
   * With `delegate: "auto"` the graphics processor is measured with the first pictures, whose poses are given as all
   * others are; where it fails or is slow, the CPU takes over. What was found is remembered for this browser.
   * Rejects with `model_failed` when the model or its library does not load.
   * @param {HTMLVideoElement} video
   * @param {CaptureOptions} [options]
   * @returns {Promise<PoseCapture>}
   */
  static async start(video, { model = "lite", delegate = "auto", max_persons = 1, world = false } = {}) {
    const options = { model, max_persons, world };
    if (delegate !== "auto") return new PoseCapture(video, await PoseModel.load(delegate, options), options, null).#run();

    const renderer = webglRenderer();
    const browser = `${navigator.userAgent} ${renderer}`;
    const known = isSoftwareRenderer(renderer) ? "CPU" : rememberedDelegate(model, browser);
    if (known !== "CPU") {
      try {
        const capture = new PoseCapture(video, await PoseModel.load("GPU", options), options, browser);
        if (!known) capture.#trial = new Trial();
        return capture.#run();
      } catch {
        // Whether it is the graphics processor that fails, or the model, the CPU will tell.
      }
    }
    const capture = new PoseCapture(video, await PoseModel.load("CPU", options), options, browser);
    if (!known) rememberDelegate(model, browser, "CPU");
    return capture.#run();
  }

  /** What finds the poses: the graphics processor or the CPU. */
  get delegate() {
    return this.#model.delegate;
  }

  /** Camera frames that were not looked at, because the model was busy. */
  get frames_skipped() {
    return this.#skipped;
  }

  /** Resolves when the poses of all pictures that were taken so far have been given. */
  async caughtUp() {
    const until = this.#lastGiven;
    while (!this.#stopped && this.#model.inFlight > 0 && this.#lastFound < until) {
      await new Promise((resolve) => this.#waiting.add(() => resolve(undefined)));
    }
  }

  /** Ends the capture; the camera stays open. */
  stop() {
    this.#stopped = true;
    this.#model.close();
    this.#wake();
  }

  #run() {
    this.#use(this.#model);
    const onFrame = (/** @type {number} */ now, /** @type {VideoFrameCallbackMetadata} */ metadata) => {
      if (this.#stopped) return;
      this.#video.requestVideoFrameCallback(onFrame);
      void this.#look(now, metadata);
    };
    this.#video.requestVideoFrameCallback(onFrame);
    return this;
  }

  /**
   * @param {number} now
   * @param {VideoFrameCallbackMetadata} metadata
   */
  async #look(now, metadata) {
    const picture = await this.#pictures.take(now, metadata);
    if (!picture) return;
    const { image, timestamp } = picture;
    try {
      if (this.#stopped) return;
      const looks = this.#model.inFlight < MAX_IN_FLIGHT;
      if (looks || this.#inferenceMs < SLOW_MS) this.emit("picture", picture);
      if (!looks) {
        this.#skipped += 1;
        if (this.#trial && timestamp - this.#model.lookingSince > PATIENCE_SECONDS) this.#endTrial("slow");
        return;
      }
      this.#lastGiven = timestamp;
      await this.#model.look(image, timestamp);
    } finally {
      image.close();
    }
  }

  /** @param {PoseModel} model */
  #use(model) {
    this.#model = model;
    this.#wake();
    model.onfail = (error) => {
      if (this.#browser !== null && model.delegate === "GPU") void this.#fallBack(0);
      else this.#fail(error);
    };
    model.onpose = (pose) => {
      this.#inferenceMs += PACE_WEIGHT * (pose.inference_ms - this.#inferenceMs);
      this.emit("pose", pose);
      pose.image.close();
      this.#lastFound = pose.timestamp;
      this.#wake();
      this.#judge(pose.inference_ms);
    };
  }

  /** @param {number} inferenceMs */
  #judge(inferenceMs) {
    const verdict = this.#trial?.push(inferenceMs) ?? "trying";
    if (verdict !== "trying") this.#endTrial(verdict);
  }

  /** @param {"fast" | "slow"} verdict */
  #endTrial(verdict) {
    const posesPerSecond = this.#trial?.poses_per_second ?? 0;
    this.#trial = null;
    if (verdict === "slow") {
      void this.#fallBack(posesPerSecond);
    } else {
      rememberDelegate(this.#options.model, this.#browser ?? "", "GPU");
      this.emit("delegate", { delegate: "GPU", poses_per_second: posesPerSecond });
    }
  }

  /**
   * Changes to the CPU; a graphics processor that is only slow goes on until the CPU is ready.
   * @param {number} posesPerSecond
   */
  async #fallBack(posesPerSecond) {
    const browser = this.#browser ?? "";
    this.#trial = null;
    this.#browser = null;
    // Whatever becomes of it, the CPU is on its way.
    this.#model.onfail = () => {};
    try {
      const model = await PoseModel.load("CPU", this.#options);
      if (this.#stopped) {
        model.close();
        return;
      }
      rememberDelegate(this.#options.model, browser, "CPU");
      this.#model.close();
      this.#use(model);
      this.emit("delegate", { delegate: "CPU", poses_per_second: posesPerSecond });
    } catch (error) {
      this.#fail(error instanceof PosesessionError ? error : new PosesessionError("model_failed", `the pose model does not load: ${error}`));
    }
  }

  #wake() {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** @param {PosesessionError} error */
  #fail(error) {
    if (this.#stopped) return;
    this.stop();
    this.emit("error", error);
  }
}
