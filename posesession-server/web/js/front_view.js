// @ts-check
// Keypoints in metres in, the axes and the window in which they are seen from the front out.

/**
 * @typedef {import("./skeleton_parts.js").Part} Part
 * @typedef {import("./skeleton_canvas.js").Poses} Poses
 */

const UPPER = /nose|head|eye|ear|neck|shoulder/;
const LOWER = /hip|pelvis|knee|ankle|heel|foot/;
/** The least that is shown, so that somebody who crouches is not as tall as somebody who stands; metres. */
const LEAST_SPAN_M = 2;
/** Around what has been seen. */
const MARGIN = 1.15;

/**
 * Looks at bodies that have no place in a picture. The window grows with what has been seen in it and never shrinks: a body
 * that jumps moves, and not its surroundings.
 */
export class FrontView {
  /** Channel of the axis that points down or up; the other of y and z is the depth. */
  vertical = /** @type {"y" | "z"} */ ("y");
  /** 1: larger is lower, as in pictures. */
  down = 1;
  #isTurned = false;
  #left = Infinity;
  #right = -Infinity;
  #top = Infinity;
  #bottom = -Infinity;

  /**
   * @param {Poses} poses
   * @param {Part[]} parts
   */
  see(poses, parts) {
    for (let person = 0; person < poses.person_ids.length; person += 1) {
      for (const part of parts) {
        const start = person * poses.values_per_person + part.start;
        if (!this.#isTurned) this.#turn(poses.values, start, part);
        for (let keypoint = 0; keypoint < part.keypoints.length; keypoint += 1) {
          const at = start + keypoint * part.channels;
          const x = poses.values[at + part.x];
          const y = this.down * poses.values[at + part[this.vertical]];
          // Comparisons with NaN are false: what is missing is not seen.
          if (x < this.#left) this.#left = x;
          if (x > this.#right) this.#right = x;
          if (y < this.#top) this.#top = y;
          if (y > this.#bottom) this.#bottom = y;
        }
      }
    }
  }

  /** The window's sides, metres. */
  get span() {
    return MARGIN * Math.max(LEAST_SPAN_M, this.#right - this.#left, this.#bottom - this.#top);
  }

  /** What is in the window's centre, metres. */
  get centre() {
    const isEmpty = this.#left > this.#right;
    return { x: isEmpty ? 0 : (this.#left + this.#right) / 2, y: isEmpty ? 0 : (this.#top + this.#bottom) / 2 };
  }

  /**
   * Finds out where up is: where the head is.
   * @param {Float32Array} values
   * @param {number} start
   * @param {Part} part
   */
  #turn(values, start, part) {
    const mean = (/** @type {RegExp} */ names, /** @type {number} */ channel) => {
      let sum = 0;
      let count = 0;
      part.keypoints.forEach((name, keypoint) => {
        const value = values[start + keypoint * part.channels + channel];
        if (!names.test(name) || Number.isNaN(value)) return;
        sum += value;
        count += 1;
      });
      return sum / count;
    };
    const heightAlong = (/** @type {number} */ channel) => (channel < 0 ? 0 : mean(LOWER, channel) - mean(UPPER, channel));
    const alongY = heightAlong(part.y);
    const alongZ = heightAlong(part.z);
    if (Number.isNaN(alongY)) return;
    this.vertical = Math.abs(alongZ) > 2 * Math.abs(alongY) ? "z" : "y";
    this.down = (this.vertical === "z" ? alongZ : alongY) < 0 ? -1 : 1;
    this.#isTurned = true;
  }
}
