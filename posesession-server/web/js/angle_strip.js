// @ts-check
// The angles of one joint in, their curves on a canvas out: left drawn through, right dashed, each in its side's colour.

import { extentAt, jointOf, runsOf } from "./angle_series.js";

/**
 * @typedef {import("./angle_series.js").AngleSeries} AngleSeries
 *
 * @typedef {object} StripDrawing
 * @property {AngleSeries[]} series
 * @property {number[]} timestamps
 * @property {number} from seconds
 * @property {number} to seconds
 * @property {import("./angle_series.js").Extent} scale what the canvas' height stands for
 * @property {Set<number>} breaks
 * @property {{ left: string, right: string, centre: string, line: string, text: string, surface: string }} colours
 */

const PADDING_PX = 8;
const DASHES = { left: [], right: [5, 3], centre: [] };

/**
 * @param {HTMLCanvasElement} canvas
 * @param {StripDrawing} drawing
 */
export function drawStrip(canvas, { series, timestamps, from, to, scale, breaks, colours }) {
  const context = canvas.getContext("2d");
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!context || width === 0) return;
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  context.scale(devicePixelRatio, devicePixelRatio);
  const x = (/** @type {number} */ timestamp) => ((timestamp - from) / Math.max(1e-6, to - from)) * width;
  const y = (/** @type {number} */ degrees) => height - PADDING_PX - ((degrees - scale.min) / (scale.max - scale.min)) * (height - 2 * PADDING_PX);
  for (const degrees of [scale.min, scale.max]) {
    context.fillStyle = colours.line;
    context.fillRect(0, Math.round(y(degrees)), width, 1);
  }
  context.lineJoin = "round";
  for (const one of series) {
    const { side } = jointOf(one.name);
    context.strokeStyle = context.fillStyle = colours[side];
    for (const run of runsOf(one, breaks)) drawRun(context, one, timestamps, run, x, y, DASHES[side]);
  }
  for (const degrees of [scale.min, scale.max]) drawLabel(context, degrees, y(degrees), degrees === scale.min, colours);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {AngleSeries} series
 * @param {number[]} timestamps
 * @param {[number, number]} run
 * @param {(timestamp: number) => number} x
 * @param {(degrees: number) => number} y
 * @param {number[]} dash
 */
function drawRun(context, series, timestamps, [first, last], x, y, dash) {
  const envelope = new Path2D();
  const middle = new Path2D();
  for (let bucket = first; bucket <= last; bucket += 1) {
    const extent = extentAt(series, bucket);
    if (!extent) continue;
    envelope.lineTo(x(timestamps[bucket]), y(extent.max));
    middle.lineTo(x(timestamps[bucket]), y((extent.min + extent.max) / 2));
  }
  for (let bucket = last; bucket >= first; bucket -= 1) {
    const extent = extentAt(series, bucket);
    if (extent) envelope.lineTo(x(timestamps[bucket]), y(extent.min));
  }
  context.globalAlpha = 0.3;
  context.fill(envelope);
  context.globalAlpha = 1;
  context.lineWidth = 2;
  context.setLineDash(dash);
  // A single moment between two holes is a point.
  context.lineCap = first === last ? "round" : "butt";
  if (first === last) middle.lineTo(x(timestamps[first]) + 0.1, y(/** @type {number} */ (series.min[first])));
  context.stroke(middle);
  context.setLineDash([]);
}

/**
 * Writes a line's angle so that it can be read over curves.
 * @param {CanvasRenderingContext2D} context
 * @param {number} degrees
 * @param {number} y px
 * @param {boolean} above the line
 * @param {StripDrawing["colours"]} colours
 */
function drawLabel(context, degrees, y, above, colours) {
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = above ? "bottom" : "top";
  context.strokeStyle = colours.surface;
  context.lineWidth = 4;
  context.fillStyle = colours.text;
  const at = above ? y - 2 : y + 3;
  context.strokeText(`${degrees}°`, 3, at);
  context.fillText(`${degrees}°`, 3, at);
}
