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
 * @property {{ left: string, right: string, centre: string, line: string, text: string }} colours
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
  drawGrid(context, scale, width, y, colours);
  context.lineJoin = "round";
  for (const one of series) {
    const { side } = jointOf(one.name);
    context.strokeStyle = context.fillStyle = colours[side];
    for (const run of runsOf(one, breaks)) drawRun(context, one, timestamps, run, x, y, DASHES[side]);
  }
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
 * @param {CanvasRenderingContext2D} context
 * @param {import("./angle_series.js").Extent} scale
 * @param {number} width
 * @param {(degrees: number) => number} y
 * @param {StripDrawing["colours"]} colours
 */
function drawGrid(context, scale, width, y, colours) {
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "bottom";
  for (const degrees of [scale.min, scale.max]) {
    const at = Math.round(y(degrees)) + 0.5;
    context.fillStyle = colours.line;
    context.fillRect(0, at, width, 1);
    context.fillStyle = colours.text;
    context.textBaseline = degrees === scale.min ? "bottom" : "top";
    context.fillText(`${degrees}°`, 2, degrees === scale.min ? at - 1 : at + 2);
  }
}
