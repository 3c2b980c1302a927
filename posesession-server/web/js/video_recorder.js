// @ts-check
// Pictures with their times in, chunks of one video file with running offsets out.

import { Emitter } from "./emitter.js";
import { PosesessionError } from "./errors.js";
import { pictureTrack } from "./picture_track.js";

/**
 * @typedef {import("./picture.js").Picture} Picture
 *
 * @typedef {object} VideoChunk
 * @property {ArrayBuffer} bytes
 * @property {number} offset of the first byte, bytes
 * @property {number} first_timestamp when the first picture was taken, seconds of the page's clock
 *
 * @typedef {object} VideoEvents
 * @property {VideoChunk} chunk
 * @property {PosesessionError} error the video has ended before its time
 */

const CHUNK_MS = 1000;
const BITS_PER_SECOND = 2_500_000;
/** Seeking decodes from the key frame before: one a second keeps that short. */
const KEY_FRAME_MS = 1000;

/**
 * VP9 first: beside a pose model on two cores it leaves half as many poses again as VP8 and keeps three times the pictures.
 * H.264 in WebM leaves a little more, but not every player reads it.
 */
const MIME_TYPES = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];

/**
 * Names the kind of video that this browser records, null when it records none.
 * @returns {string | null}
 */
export function recordableMime() {
  if (typeof MediaRecorder === "undefined") return null;
  return MIME_TYPES.find((mime) => MediaRecorder.isTypeSupported(mime)) ?? null;
}

/**
 * Records one video of the pictures that it is given; chunks come in order, the last one before `stop` resolves.
 *
 * Time within the video is the pictures' time since the first one. It is never paused: while no pictures are given, the
 * last one stands. What cannot be encoded in time is skipped and counted.
 * @extends {Emitter<VideoEvents>}
 */
export class VideoRecorder extends Emitter {
  #mime;
  /** @type {MediaRecorder | null} */
  #recorder = null;
  /** @type {import("./picture_track.js").PictureTrack | null} */
  #track = null;
  #offset = 0;
  #firstTimestamp = 0;
  #recorded = 0;
  #skipped = 0;
  #ended = false;
  /** @type {Promise<void>} */
  #delivered = Promise.resolve();

  /** @param {string} mime */
  constructor(mime) {
    super();
    this.#mime = mime;
  }

  /** Pictures handed to the encoder. */
  get pictures_recorded() {
    return this.#recorded;
  }

  /** Pictures given that are not in the video, because the encoder was busy. */
  get pictures_skipped() {
    return this.#skipped;
  }

  /**
   * Adds a picture to the video; the first one starts it. The caller closes the picture.
   * @param {Picture} picture
   */
  feed(picture) {
    if (this.#ended) return;
    try {
      this.#track ??= this.#start(picture);
      if (this.#track.show(picture)) this.#recorded += 1;
      else this.#skipped += 1;
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Ends the video and resolves when its last chunk is delivered. */
  async stop() {
    this.#ended = true;
    const recorder = this.#recorder;
    if (recorder && recorder.state !== "inactive") {
      await new Promise((resolve) => {
        recorder.addEventListener("stop", resolve, { once: true });
        recorder.stop();
      });
    }
    this.#track?.track.stop();
    await this.#delivered;
  }

  /** @param {Picture} first */
  #start(first) {
    const track = pictureTrack(first);
    const options = { mimeType: this.#mime, videoBitsPerSecond: BITS_PER_SECOND, videoKeyFrameIntervalDuration: KEY_FRAME_MS };
    const recorder = new MediaRecorder(new MediaStream([track.track]), options);
    recorder.ondataavailable = ({ data }) => {
      this.#delivered = this.#delivered.then(() => this.#deliver(data));
    };
    recorder.onerror = (event) => this.#fail(/** @type {ErrorEvent} */ (event).error);
    recorder.start(CHUNK_MS);
    this.#recorder = recorder;
    this.#firstTimestamp = first.timestamp;
    return track;
  }

  /** @param {unknown} cause */
  #fail(cause) {
    if (this.#ended) return;
    void this.stop();
    const why = cause instanceof Error ? cause.message : String(cause);
    this.emit("error", Object.assign(new PosesessionError("video_failed", `the video cannot be encoded any further: ${why}`), { cause }));
  }

  /** @param {Blob} data */
  async #deliver(data) {
    if (data.size === 0) return;
    const bytes = await data.arrayBuffer();
    const offset = this.#offset;
    this.#offset += bytes.byteLength;
    this.emit("chunk", { bytes, offset, first_timestamp: this.#firstTimestamp });
  }
}
