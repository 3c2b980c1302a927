// @ts-check
// Markers, pauses and gaps in; what of them a rail of some width can show out.

/**
 * @typedef {object} Marker
 * @property {"user" | "paused" | "gap" | "clock_jump" | "started"} kind
 * @property {number} timestamp seconds within the session
 * @property {string} label
 * @property {number} [duration] seconds; of a pause by the wall clock, of a gap within the session
 * @property {number} [count] frames that are missing
 *
 * @typedef {object} Sign something drawn on the rail
 * @property {Marker["kind"]} kind
 * @property {number} x px from the rail's start
 * @property {number} width px
 *
 * @typedef {{ mark: string, warn: string, paper: string }} TrackColours
 */

const KIND_TEXT = /** @type {Record<string, string>} */ ({
  user: "Mark",
  paused: "Paused",
  gap: "Gap",
  clock_jump: "Clock jump",
  started: "Started",
});
const MIN_GAP_WIDTH = 3;
/** Flags nearer to each other than this would be one red bar: they become ticks. */
const FLAG_PX = 14;

/**
 * Says what a marker is, in a few words.
 * @param {Marker} marker
 */
export function describeMarker({ kind, label, duration, count }) {
  const name = label || KIND_TEXT[kind] || kind;
  if (kind === "paused" && duration) return `${name} for ${formatSpan(duration)}`;
  if (kind === "gap") return [name, duration ? formatSpan(duration) : "", count ? `${count} frames missing` : ""].filter(Boolean).join(", ");
  return name;
}

/** @param {number} seconds */
function formatSpan(seconds) {
  if (seconds >= 60) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

/**
 * Places markers on a rail. Those of a kind that would share a pixel become one: a rail shows as many as it has room for.
 * @param {Marker[]} markers
 * @param {number} duration seconds
 * @param {number} width px
 * @returns {Sign[]}
 */
export function signsOf(markers, duration, width) {
  if (!(duration > 0) || !(width > 0)) return [];
  /** @type {Map<string, Sign>} */
  const signs = new Map();
  for (const { kind, timestamp, duration: length = 0 } of markers) {
    const x = Math.round((Math.min(timestamp, duration) / duration) * width);
    const span = kind === "gap" ? Math.max(MIN_GAP_WIDTH, (length / duration) * width) : 0;
    const key = `${kind} ${x}`;
    const there = signs.get(key);
    if (there) there.width = Math.max(there.width, span);
    else signs.set(key, { kind, x, width: span });
  }
  return [...signs.values()];
}

/**
 * Finds the marker nearest to a moment.
 * @param {Marker[]} markers in order of time
 * @param {number} timestamp seconds
 * @param {number} within seconds; for gaps besides their length
 * @returns {Marker | null}
 */
export function markerNear(markers, timestamp, within) {
  let best = null;
  let distance = within;
  for (const marker of markers) {
    const end = marker.kind === "gap" ? marker.timestamp + (marker.duration ?? 0) : marker.timestamp;
    const away = Math.max(marker.timestamp - timestamp, timestamp - end, 0);
    // What somebody marked comes before what happened at the same place.
    if (away < distance || (away === distance && marker.kind === "user" && best?.kind !== "user")) [best, distance] = [marker, away];
  }
  return best;
}

/**
 * Draws the rail with its gaps, pauses and marks over the whole canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {Sign[]} signs
 * @param {TrackColours} colours
 * @param {number} inset px on both sides of the rail
 */
export function drawTrack(canvas, signs, colours, inset) {
  const context = canvas.getContext("2d");
  if (!context) return;
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = devicePixelRatio;
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  context.scale(scale, scale);
  context.translate(inset, height / 2);
  for (const { kind, x, width: span } of signs) {
    if (kind !== "gap") continue;
    context.fillStyle = colours.paper;
    context.fillRect(x, -4, span, 8);
    context.fillStyle = colours.warn;
    context.fillRect(x, -0.75, span, 1.5);
  }
  const isDense = signs.filter(({ kind }) => kind === "user").length * FLAG_PX > width;
  for (const { kind, x } of signs) {
    if (kind === "user" && isDense) {
      context.fillStyle = colours.mark;
      context.fillRect(x - 0.5, -14, 1, 7);
    } else if (kind === "user") {
      context.fillStyle = colours.mark;
      context.beginPath();
      context.moveTo(x - 5, -17);
      context.lineTo(x + 5, -17);
      context.lineTo(x + 5, -11);
      context.lineTo(x, -6);
      context.lineTo(x - 5, -11);
      context.fill();
    } else if (kind === "paused") {
      context.fillStyle = colours.warn;
      context.fillRect(x - 3, -8, 2, 16);
      context.fillRect(x + 1, -8, 2, 16);
    } else if (kind === "clock_jump") {
      context.fillStyle = colours.warn;
      context.fillRect(x - 0.5, 6, 1.5, 6);
    }
  }
}
