// @ts-check
// Pictures in, poses out: the page's end of the worker in which the pose model runs.

import { PosesessionError } from "./errors.js";

/**
 * @typedef {import("./pose_worker.js").Detected} Detected
 * @typedef {import("./pose_worker.js").Answer} Answer
 * @typedef {import("./delegate.js").Delegate} Delegate
 *
 * @typedef {object} ModelOptions
 * @property {string} model `lite` or `full`
 * @property {number} max_persons
 * @property {boolean} world also give positions in metres
 */

/** A loaded model. */
export class PoseModel {
  #worker;
  #inFlight = 0;
  #closed = false;
  /** Copies are posted in the order of their pictures. */
  #posted = Promise.resolve();
  #lookingSince = Infinity;
  /** @type {(pose: Detected) => void} the listener closes the picture */
  onpose = ({ image }) => image.close();
  /** @type {(error: PosesessionError) => void} the model has ended */
  onfail = () => {};

  /**
   * @param {Worker} worker
   * @param {Delegate} delegate
   */
  constructor(worker, delegate) {
    this.#worker = worker;
    this.delegate = delegate;
    worker.onmessage = ({ data }) => this.#receive(data);
    worker.onerror = ({ message }) => this.#fail(message);
  }

  /**
   * Rejects with `model_failed` when the model or its library does not load.
   * @param {Delegate} delegate
   * @param {ModelOptions} options
   * @returns {Promise<PoseModel>}
   */
  static async load(delegate, options) {
    const worker = new Worker(new URL("./pose_worker.js", import.meta.url), { type: "module", name: "pose" });
    try {
      await new Promise((resolve, reject) => {
        worker.onerror = ({ message }) => reject(failure("does not load", message || "the worker does not start", delegate));
        worker.onmessage = ({ data }) => (data.type === "ready" ? resolve(undefined) : reject(failure("does not load", data.message, delegate)));
        worker.postMessage({ type: "load", delegate, ...options });
      });
    } catch (error) {
      worker.terminate();
      throw error;
    }
    return new PoseModel(worker, delegate);
  }

  /** Pictures that are being looked at or wait for it. */
  get inFlight() {
    return this.#inFlight;
  }

  /** Since when a pose is waited for, as pictures' time, seconds; infinite when none is. */
  get lookingSince() {
    return this.#lookingSince;
  }

  /**
   * Looks at a picture, of which a copy comes back with its pose. The caller closes the picture when this is done.
   * @param {ImageBitmapSource} picture
   * @param {number} timestamp seconds, rising
   */
  async look(picture, timestamp) {
    this.#inFlight += 1;
    this.#lookingSince = Math.min(this.#lookingSince, timestamp);
    // A copy in RGB: a model on the CPU takes more than twice as long with the camera's own planes.
    const copy = createImageBitmap(picture);
    this.#posted = this.#posted.then(async () => {
      try {
        const image = await copy;
        if (this.#closed) image.close();
        else this.#worker.postMessage({ type: "detect", image, timestamp }, [image]);
      } catch {
        // The picture was closed with its source.
        this.#inFlight -= 1;
      }
    });
    await this.#posted;
  }

  close() {
    this.#closed = true;
    this.#worker.terminate();
  }

  /** @param {Answer} answer */
  #receive(answer) {
    if (this.#closed) return;
    if (answer.type === "failed") {
      this.#fail(answer.message);
    } else if (answer.type === "pose") {
      this.#inFlight -= 1;
      this.#lookingSince = this.#inFlight > 0 ? answer.timestamp : Infinity;
      this.onpose(answer);
    }
  }

  /** @param {string} why */
  #fail(why) {
    if (this.#closed) return;
    this.close();
    this.onfail(failure("has stopped", why, this.delegate));
  }
}

/**
 * @param {string} what
 * @param {string} why
 * @param {Delegate} delegate
 */
function failure(what, why, delegate) {
  const advice = delegate === "GPU" ? "choose the CPU for it" : "reload the page, or choose another model";
  return new PosesessionError("model_failed", `the pose model ${what}: ${why}; ${advice}`);
}
