// @ts-check
// A replay's frames in, the image of each with its pose out; what is not fetched in time is skipped.

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./replay_stage.js").ReplayStage} ReplayStage
 */

/** Shows one image after the other; the latest frame is always the next. */
export class RecordedImages {
  #stage;
  #address;
  /** @type {DecodedFrame | null} */
  #next = null;
  /** @type {ImageBitmap | null} */
  #shown = null;
  #isBusy = false;
  #stopped = new AbortController();
  #shownTimestamp = NaN;

  /**
   * @param {ReplayStage} stage
   * @param {(frameNumber: number) => string} address of a frame's image
   */
  constructor(stage, address) {
    this.#stage = stage;
    this.#address = address;
  }

  /** Session time of the image that is shown, seconds; NaN before the first. */
  get shownTimestamp() {
    return this.#shownTimestamp;
  }

  /** @param {DecodedFrame} frame */
  setFrame(frame) {
    this.#next = frame;
    if (!this.#isBusy) void this.#run();
  }

  stop() {
    this.#stopped.abort();
    this.#show(null);
  }

  async #run() {
    this.#isBusy = true;
    while (this.#next && !this.#stopped.signal.aborted) {
      const frame = this.#next;
      this.#next = null;
      const image = await this.#fetch(frame);
      if (this.#stopped.signal.aborted) {
        image?.close();
        break;
      }
      this.#show(image);
      this.#shownTimestamp = frame.timestamp;
      this.#stage.setFrame(frame);
    }
    this.#isBusy = false;
  }

  /**
   * @param {DecodedFrame} frame
   * @returns {Promise<ImageBitmap | null>} null: it has none that can be shown
   */
  async #fetch({ frame_number: frameNumber }) {
    try {
      const answer = await fetch(this.#address(frameNumber ?? 0), { signal: this.#stopped.signal });
      return answer.ok ? await createImageBitmap(await answer.blob()) : null;
    } catch {
      return null;
    }
  }

  /** @param {ImageBitmap | null} image */
  #show(image) {
    this.#stage.setPicture(image);
    this.#shown?.close();
    this.#shown = image;
  }
}
