// @ts-check
// Frames in, a legible skeleton over a picture out.

import { containRect, opacityOf, pointInBox, sideOf } from "./canvas_mapping.js";

/**
 * @typedef {import("./canvas_mapping.js").Rect} Rect
 * @typedef {import("./canvas_mapping.js").Size} Size
 * @typedef {import("./json_frame.js").Skeleton} Skeleton
 * @typedef {import("./json_frame.js").Component} Component
 *
 * @typedef {object} Poses what of a frame is drawn
 * @property {ArrayLike<number>} person_ids
 * @property {number} values_per_person
 * @property {Float32Array} values
 *
 * @typedef {object} DrawOptions
 * @property {Size} size of the picture that the poses were found in; only its aspect counts, unless the skeleton is in pixels
 * @property {boolean} [mirrored] as a mirror shows it
 * @property {CanvasImageSource | null} [picture] drawn under the poses
 *
 * @typedef {object} Part a component that can be drawn
 * @property {number} start index of its first value within a person
 * @property {number} channels
 * @property {number} x channel
 * @property {number} y channel
 * @property {number} confidence channel, -1: none
 * @property {boolean} pixels
 * @property {("left" | "right" | "centre")[]} sides by keypoint
 * @property {[number, number][]} edges
 *
 * @typedef {{ x: number, y: number, opacity: number, side: "left" | "right" | "centre" }} Point
 */

/** Blue and orange, told apart by every kind of colour vision; the right side has square keypoints as well. */
const COLOURS = { left: "#3fc6ff", right: "#ffab1f", centre: "#ffffff" };
const OUTLINE = "#0b0f14";

/** Draws poses on a canvas that is laid over a picture shown with `object-fit: contain`. */
export class SkeletonCanvas {
  #canvas;
  #context;
  /** @type {Part[]} */
  #parts = [];

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser has no 2D canvas");
    this.#canvas = canvas;
    this.#context = context;
  }

  /** @param {Skeleton | null} skeleton of the frames to come; null: nothing is drawn until it is known */
  setSkeleton(skeleton) {
    this.#parts = skeleton ? drawableParts(skeleton) : [];
  }

  clear() {
    this.#fitToBox();
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  /**
   * Draws the poses of one frame in place of what was there.
   * @param {Poses | null} poses
   * @param {DrawOptions} options
   */
  draw(poses, { size, mirrored = false, picture = null }) {
    this.clear();
    const rect = containRect(this.#canvas, size);
    if (picture) this.#drawPicture(picture, rect, mirrored);
    if (!poses) return;
    const thickness = Math.max(2, Math.min(rect.width, rect.height) / 120);
    for (let person = 0; person < poses.person_ids.length; person += 1) {
      const start = person * poses.values_per_person;
      for (const part of this.#parts) {
        const points = pointsOf(poses.values, start, part, size, rect, mirrored);
        this.#drawEdges(part.edges, points, thickness);
        this.#drawPoints(points, thickness);
      }
    }
    this.#context.globalAlpha = 1;
  }

  /**
   * @param {CanvasImageSource} picture
   * @param {Rect} rect
   * @param {boolean} mirrored
   */
  #drawPicture(picture, rect, mirrored) {
    const context = this.#context;
    context.save();
    if (mirrored) {
      context.translate(2 * rect.x + rect.width, 0);
      context.scale(-1, 1);
    }
    context.drawImage(picture, rect.x, rect.y, rect.width, rect.height);
    context.restore();
  }

  /**
   * @param {[number, number][]} edges
   * @param {(Point | null)[]} points
   * @param {number} thickness
   */
  #drawEdges(edges, points, thickness) {
    const context = this.#context;
    context.lineCap = "round";
    for (const [from, to] of edges) {
      const a = points[from];
      const b = points[to];
      if (!a || !b) continue;
      context.globalAlpha = Math.min(a.opacity, b.opacity);
      context.beginPath();
      context.moveTo(a.x, a.y);
      context.lineTo(b.x, b.y);
      context.strokeStyle = OUTLINE;
      context.lineWidth = thickness * 2;
      context.stroke();
      context.strokeStyle = a.side === b.side ? COLOURS[a.side] : COLOURS.centre;
      context.lineWidth = thickness;
      context.stroke();
    }
  }

  /**
   * @param {(Point | null)[]} points
   * @param {number} thickness
   */
  #drawPoints(points, thickness) {
    const context = this.#context;
    context.strokeStyle = OUTLINE;
    context.lineWidth = thickness / 2;
    for (const point of points) {
      if (!point) continue;
      context.globalAlpha = point.opacity;
      context.fillStyle = COLOURS[point.side];
      context.beginPath();
      if (point.side === "right") context.rect(point.x - thickness, point.y - thickness, 2 * thickness, 2 * thickness);
      else context.arc(point.x, point.y, thickness * 1.1, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
  }

  #fitToBox() {
    const canvas = this.#canvas;
    const width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
    const height = Math.max(1, Math.round(canvas.clientHeight * devicePixelRatio));
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
  }
}

/**
 * Keeps the components that have a place in the picture (world coordinates in metres have none).
 * @param {Skeleton} skeleton
 * @returns {Part[]}
 */
function drawableParts(skeleton) {
  let start = 0;
  return skeleton.components.flatMap((component) => {
    const part = partOf(component, start);
    start += component.keypoints.length * component.channels.length;
    return part ? [part] : [];
  });
}

/**
 * @param {Component} component
 * @param {number} start
 * @returns {Part | null}
 */
function partOf({ name, keypoints, edges, channels }, start) {
  const names = channels.map((channel) => channel.name);
  const x = names.indexOf("x");
  const y = names.indexOf("y");
  const unit = channels[x]?.unit;
  if (y < 0 || (unit !== "image" && unit !== "pixels")) return null;
  return {
    start,
    channels: channels.length,
    x,
    y,
    confidence: names.indexOf("confidence"),
    pixels: unit === "pixels",
    sides: keypoints.map((keypoint) => sideOf(keypoint, name)),
    edges,
  };
}

/**
 * @param {Float32Array} values
 * @param {number} personStart
 * @param {Part} part
 * @param {Size} size
 * @param {Rect} rect
 * @param {boolean} mirrored
 * @returns {(Point | null)[]} null: missing, or not believed at all
 */
function pointsOf(values, personStart, part, size, rect, mirrored) {
  const scaleX = part.pixels ? 1 / size.width : 1;
  const scaleY = part.pixels ? 1 / size.height : 1;
  return part.sides.map((side, keypoint) => {
    const at = personStart + part.start + keypoint * part.channels;
    const opacity = part.confidence < 0 ? 1 : opacityOf(values[at + part.confidence]);
    const [x, y] = pointInBox(values[at + part.x] * scaleX, values[at + part.y] * scaleY, rect, mirrored);
    return opacity === 0 || Number.isNaN(x) || Number.isNaN(y) ? null : { x, y, opacity, side };
  });
}
