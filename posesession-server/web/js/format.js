// @ts-check
// Figures as people read them.

/**
 * @param {number} seconds
 * @returns {string} `1:02.3`, `1:00:00.0`; `–` when it is no time
 */
export function formatTime(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const tenths = Math.floor(Math.max(0, seconds) * 10 + 1e-6);
  const hours = Math.floor(tenths / 36_000);
  const minutes = Math.floor(tenths / 600) % 60;
  const rest = `${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/**
 * @param {number} bytes
 * @returns {string} `512 B`, `3.4 kB`, `12 MB`; `–` when it is no size
 */
export function formatBytes(bytes) {
  if (!Number.isFinite(bytes)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/**
 * @param {{ max_error?: Record<string, number> }} session
 * @returns {string} `lossless`, or `±0.00005 in x, ±0.002 in confidence`
 */
export function formatExactness({ max_error }) {
  const bounds = Object.entries(max_error ?? {});
  return bounds.map(([channel, bound]) => `±${Number(bound.toPrecision(3))} in ${channel}`).join(", ") || "lossless";
}

/**
 * @param {string} rfc3339
 * @returns {string} in the reader's own way and time zone
 */
export function formatDate(rfc3339) {
  const date = new Date(rfc3339);
  return Number.isNaN(date.getTime()) ? "–" : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}
