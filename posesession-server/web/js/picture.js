// @ts-check
// A playing video in, its pictures with the time when each was taken out.

/**
 * @typedef {object} Picture
 * @property {VideoFrame | ImageBitmap} image
 * @property {number} timestamp when it was taken, seconds of the page's clock (`performance.now()`)
 */

/** A picture that is further from the frame that was announced has a clock of its own. */
const MOST_AHEAD_MS = 200;
const SAME_TIME_US = 2;

/**
 * Says when a picture was taken, in milliseconds of the page's clock.
 *
 * A page that is busy is told of a frame when the video already shows the next one: the picture's own time tells how far
 * it is ahead of the frame that was announced.
 * @param {Pick<VideoFrameCallbackMetadata, "captureTime" | "mediaTime">} metadata of the frame that was announced
 * @param {number} now when it was announced, ms; stands in where the browser does not say when it was taken
 * @param {number | null} [ownTime] of the picture, microseconds of the video
 */
export function takenAt({ captureTime, mediaTime }, now, ownTime = null) {
  const announced = captureTime ?? now;
  if (ownTime === null) return announced;
  const ahead = ownTime / 1000 - mediaTime * 1000;
  return Math.abs(ahead) < MOST_AHEAD_MS ? announced + ahead : announced;
}

/** Takes the pictures of one video, each once. */
export class PictureSource {
  #video;
  /** @type {number | null} */
  #lastOwnTime = null;
  #lastTimestamp = -Infinity;

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.#video = video;
  }

  /**
   * Takes the picture that the video shows; whoever gets it closes it.
   *
   * Where the browser has `VideoFrame`, nothing is copied, and the picture keeps the camera's time stamp, which a
   * recorder of video heeds.
   * @param {number} now
   * @param {VideoFrameCallbackMetadata} metadata
   * @returns {Promise<Picture | null>} null: that picture was taken before, or the video shows none at this moment
   */
  async take(now, metadata) {
    try {
      if (typeof VideoFrame === "undefined") {
        const timestamp = this.#rising(takenAt(metadata, now));
        return { image: await createImageBitmap(this.#video), timestamp };
      }
      const image = new VideoFrame(this.#video);
      const announced = Math.abs(image.timestamp - metadata.mediaTime * 1e6) < SAME_TIME_US;
      if (announced && image.timestamp === this.#lastOwnTime) {
        image.close();
        return null;
      }
      this.#lastOwnTime = image.timestamp;
      return { image, timestamp: this.#rising(takenAt(metadata, now, image.timestamp)) };
    } catch {
      // The video's source is being changed.
      return null;
    }
  }

  /**
   * The model demands rising times; a camera may stamp two pictures alike.
   * @param {number} takenMs
   */
  #rising(takenMs) {
    this.#lastTimestamp = Math.max(takenMs / 1000, this.#lastTimestamp + 0.001);
    return this.#lastTimestamp;
  }
}
