// @ts-check
// Where a video is and where it should be in; what brings it there out.

/**
 * @typedef {object} Course
 * @property {number | null} rate at which the video is to play, null: it stands
 * @property {number | null} seek where it is to go first, seconds of the video; null: it stays
 *
 * @typedef {object} Situation
 * @property {boolean} playing
 * @property {number} rate of the replay, negative: backwards
 * @property {number} wanted seconds of the video; outside it before its start and after its end
 * @property {number} shown seconds of the video
 * @property {number} duration of the video, seconds; NaN: not known
 * @property {number} seekSeconds how long a seek takes here
 */

/** Faster than this browsers drop most pictures, or refuse. */
const FASTEST = 4;
/** Further off than this is caught up with by a seek, in seconds at rate 1. */
const FAR_S = 0.25;
/** Nearer than this a standing video is at its place: its times are whole milliseconds. */
const NEAR_S = 0.0005;
/** How much a rate is changed to catch up: within a second, but never so much that it is seen. */
const MOST_NUDGE = 0.15;
/** Changes of rate smaller than this are not worth one. */
const RATE_STEPS = 100;

/**
 * @param {Situation} situation
 * @returns {Course}
 */
export function pictureCourse({ playing, rate, wanted, shown, duration, seekSeconds }) {
  const last = Number.isNaN(duration) ? Infinity : duration;
  const isWithin = wanted >= 0 && wanted < last;
  const place = Math.max(0, Math.min(wanted, last));
  if (!playing || rate <= 0 || rate > FASTEST || !isWithin) {
    return { rate: null, seek: Math.abs(shown - place) > NEAR_S ? place : null };
  }
  const ahead = shown - wanted;
  if (Math.abs(ahead) > FAR_S * Math.max(1, rate)) return { rate, seek: Math.min(last, wanted + rate * seekSeconds) };
  const nudge = Math.max(-MOST_NUDGE, Math.min(MOST_NUDGE, ahead / rate));
  return { rate: Math.round(rate * (1 - nudge) * RATE_STEPS) / RATE_STEPS, seek: null };
}

/**
 * Finds the frame whose moment is nearest.
 * @template {{ timestamp: number }} T
 * @param {T[]} frames
 * @param {number} timestamp seconds
 * @returns {T | null}
 */
export function nearestFrame(frames, timestamp) {
  /** @type {T | null} */
  let best = null;
  for (const frame of frames) {
    if (!best || Math.abs(frame.timestamp - timestamp) < Math.abs(best.timestamp - timestamp)) best = frame;
  }
  return best;
}
