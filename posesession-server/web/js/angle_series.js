// @ts-check
// A server's answer about joint angles in; what a plot has to know of it out.

/**
 * @typedef {import("./session_api.js").Angles} Angles
 * @typedef {import("./session_api.js").AngleSeries} AngleSeries
 *
 * @typedef {{ min: number, max: number }} Extent degrees
 * @typedef {"left" | "right" | "centre"} Side
 */

const LEAST_SPAN = 30;
const SPAN_STEP = 10;

/**
 * @param {string} name `left_knee`
 * @returns {{ joint: string, side: Side }}
 */
export function jointOf(name) {
  for (const side of /** @type {const} */ (["left", "right"])) {
    if (name.startsWith(`${side}_`)) return { joint: name.slice(side.length + 1), side };
  }
  return { joint: name, side: "centre" };
}

/**
 * Finds the bucket that a moment falls into.
 * @param {number[]} timestamps rising
 * @param {number} timestamp seconds
 * @returns {number} -1: before the first
 */
export function bucketAt(timestamps, timestamp) {
  let low = 0;
  let high = timestamps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    // Timestamps are whole microseconds: what differs by less is the same one.
    if (timestamps[middle] <= timestamp + 5e-7) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/**
 * @param {AngleSeries} series
 * @param {number} bucket
 * @returns {Extent | null} null: nobody was seen, or there is no such bucket
 */
export function extentAt(series, bucket) {
  const min = series.min[bucket];
  const max = series.max[bucket];
  return typeof min === "number" && typeof max === "number" ? { min, max } : null;
}

/**
 * @param {AngleSeries} series
 * @returns {Extent | null}
 */
export function extentOf({ min, max }) {
  let least = Infinity;
  let greatest = -Infinity;
  for (const value of min) if (value !== null) least = Math.min(least, value);
  for (const value of max) if (value !== null) greatest = Math.max(greatest, value);
  return least <= greatest ? { min: least, max: greatest } : null;
}

/**
 * Chooses what a plot's height stands for: round figures, and never so little that trembling looks like movement.
 * @param {AngleSeries[]} series
 * @returns {Extent}
 */
export function scaleOf(series) {
  const extents = series.flatMap((one) => extentOf(one) ?? []);
  if (extents.length === 0) return { min: 0, max: 180 };
  let min = Math.floor(Math.min(...extents.map((extent) => extent.min)) / SPAN_STEP) * SPAN_STEP;
  let max = Math.ceil(Math.max(...extents.map((extent) => extent.max)) / SPAN_STEP) * SPAN_STEP;
  while (max - min < LEAST_SPAN) {
    if (max < 180) max += SPAN_STEP;
    if (max - min < LEAST_SPAN && min > 0) min -= SPAN_STEP;
  }
  return { min, max };
}

/**
 * Cuts a series into runs without a hole: where nobody was seen, or frames are missing, no line is drawn.
 * @param {AngleSeries} series
 * @param {Set<number>} breaks buckets after which frames are missing
 * @returns {[first: number, last: number][]}
 */
export function runsOf(series, breaks) {
  /** @type {[number, number][]} */
  const runs = [];
  let first = -1;
  for (let bucket = 0; bucket <= series.min.length; bucket += 1) {
    const seen = extentAt(series, bucket) !== null;
    if (seen && first < 0) first = bucket;
    if (first >= 0 && (!seen || breaks.has(bucket))) {
      const last = seen ? bucket : bucket - 1;
      if (last >= first) runs.push([first, last]);
      first = -1;
    }
  }
  return runs;
}

/**
 * @param {Extent | null} extent
 * @returns {string} `143°`, `140–151°`, `–`
 */
export function formatAngle(extent) {
  if (!extent) return "–";
  const [min, max] = [Math.round(extent.min), Math.round(extent.max)];
  return min === max ? `${min}°` : `${min}–${max}°`;
}

/**
 * Chooses round times for an axis.
 * @param {number} from seconds
 * @param {number} to seconds
 * @param {number} most how many there is room for
 * @returns {number[]}
 */
export function ticksOf(from, to, most) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  const step = steps.find((seconds) => (to - from) / seconds <= most) ?? 7200;
  const ticks = [];
  for (let at = Math.max(0, Math.ceil(from / step - 1e-9)); at * step <= to + 1e-9; at += 1) ticks.push(Math.round(at * step * 10) / 10);
  return ticks;
}
