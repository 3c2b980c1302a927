// @ts-check
// Session time in, where in the recorded video that is out; and back.

/**
 * @typedef {object} VideoMetadata as in a session's `metadata.video`
 * @property {number} [start] session time of the first picture, seconds
 * @property {{ at: number, length: number }[]} [cuts] what of the video has no session time, seconds; the server takes them
 *   out of a WebM, other videos keep them
 */

export class VideoTimes {
  #start;
  #cuts;

  /** @param {VideoMetadata} video */
  constructor({ start = 0, cuts = [] }) {
    this.#start = start;
    this.#cuts = [...cuts].sort((a, b) => a.at - b.at);
  }

  /**
   * @param {number} timestamp session time, seconds
   * @returns {number} seconds of the video; outside it before its start and after its end
   */
  videoTime(timestamp) {
    const passed = this.#cuts.filter(({ at }) => at <= timestamp);
    return passed.reduce((time, { length }) => time + length, timestamp - this.#start);
  }

  /**
   * @param {number} videoTime seconds of the video
   * @returns {number} session time, seconds; within a cut the time at which the session goes on
   */
  timestamp(videoTime) {
    let timestamp = videoTime + this.#start;
    for (const { at, length } of this.#cuts) {
      if (timestamp < at + Math.min(0, length)) break;
      timestamp = Math.max(at, timestamp - length);
    }
    return timestamp;
  }
}
