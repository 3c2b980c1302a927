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
  /** Counts what was wished for: an opening that takes long may be overtaken. */
  #wish = 0;

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
    const wish = (this.#wish += 1);
    this.#become("opening");
    try {
      const stream = await openCamera(this.#video);
      if (wish !== this.#wish) {
        for (const track of stream.getTracks()) track.stop();
        return;
      }
      stream.getVideoTracks()[0]?.addEventListener("ended", () => {
        if (wish === this.#wish) this.#fail(new PosesessionError("camera_ended", "the camera was disconnected, or the browser took it away"));
      });
      this.#become("live");
    } catch (error) {
      if (wish === this.#wish) this.#fail(/** @type {PosesessionError} */ (error));
    }
  }

  close() {
    this.#wish += 1;
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
