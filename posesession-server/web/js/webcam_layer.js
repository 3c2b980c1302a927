// @ts-check
// The wish to see the webcam in; its live picture, or the named reason why there is none, out.

import { closeCamera, openCamera } from "./capture.js";
import { PosesessionError } from "./errors.js";

/** @typedef {"off" | "opening" | "live" | "failed"} WebcamState */

/** Keeps a video element showing the webcam while it is wanted. */
export class WebcamLayer {
  #video;
  #onChange;
  /** @type {WebcamState} */
  #state = "off";
  /** @type {PosesessionError | null} */
  #error = null;
  /** Aborted when what was wished for last is not any more: an opening that takes long may be overtaken. */
  #wish = new AbortController();

  /**
   * @param {HTMLVideoElement} video
   * @param {() => void} onChange of state or error
   */
  constructor(video, onChange) {
    this.#video = video;
    this.#onChange = onChange;
  }

  get state() {
    return this.#state;
  }

  /** Why it has failed, with the codes of `openCamera` and `camera_ended`. */
  get error() {
    return this.#error;
  }

  async open() {
    if (this.#state === "opening" || this.#state === "live") return;
    this.#wish = new AbortController();
    const { signal } = this.#wish;
    this.#become("opening");
    try {
      const stream = await openCamera(this.#video, { signal });
      stream.getVideoTracks()[0]?.addEventListener("ended", () => {
        if (!signal.aborted) this.#fail(new PosesessionError("camera_ended", "the camera was disconnected, or the browser took it away"));
      });
      this.#become("live");
    } catch (error) {
      if (!signal.aborted) this.#fail(/** @type {PosesessionError} */ (error));
    }
  }

  close() {
    this.#wish.abort();
    closeCamera(this.#video);
    if (this.#state !== "off") this.#become("off");
  }

  /** @param {PosesessionError} error */
  #fail(error) {
    closeCamera(this.#video);
    this.#become("failed", error);
  }

  /**
   * @param {WebcamState} state
   * @param {PosesessionError | null} [error]
   */
  #become(state, error = null) {
    this.#state = state;
    this.#error = error;
    this.#onChange();
  }
}
