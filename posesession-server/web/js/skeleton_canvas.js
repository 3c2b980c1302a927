// @ts-check
// Frames in, a legible skeleton over a picture out.

import { containRect, IN_PLACE, opacityOf, placedRect } from "./canvas_mapping.js";
import { FrontView } from "./front_view.js";
import { drawableParts, SIDES } from "./skeleton_parts.js";

/**
 * @typedef {import("./canvas_mapping.js").Placement} Placement
 * @typedef {import("./canvas_mapping.js").Rect} Rect
 * @typedef {import("./canvas_mapping.js").Size} Size
 * @typedef {import("./json_frame.js").Skeleton} Skeleton
 * @typedef {import("./skeleton_parts.js").Part} Part
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
 * @property {Readonly<Placement>} [placement] of the poses
 * @property {number} [lineWidth] 1: the usual
 */

/**
 * Cold and warm, told apart by every kind of colour vision, each person in shades of their own; the right side has square
 * keypoints as well.
 */
const COLOURS = [
  { left: "#3fc6ff", right: "#ffab1f", centre: "#ffffff" },
  { left: "#4df0c0", right: "#ff7d9c", centre: "#fff3c9" },
  { left: "#a9a2ff", right: "#ffe14a", centre: "#dcefff" },
];
const OUTLINE = "#0b0f14";

/** Steps of opacity: keypoints that are believed alike are drawn together. */
const LEVELS = 8;

/** Draws poses on a canvas that is laid over a picture shown with `object-fit: contain`. */
export class SkeletonCanvas {
  #canvas;
  #context;
  /** @type {Part[]} */
  #parts = [];
  /** How keypoints in metres are seen; null where they have a place in the picture. @type {FrontView | null} */
  #view = null;
  /** Which levels and sides there are among the edges or keypoints that are being drawn. */
  #present = new Uint8Array((LEVELS + 1) * SIDES.length);

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
    this.#view = this.#parts[0]?.unit === "metres" ? new FrontView() : null;
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
  draw(poses, { size, mirrored = false, picture = null, placement = IN_PLACE, lineWidth = 1 }) {
    this.clear();
    const canvas = this.#canvas;
    const rect = containRect(canvas, size);
    if (picture) this.#drawPicture(picture, rect, mirrored);
    if (!poses) return;
    this.#view?.see(poses, this.#parts);
    const placed = placedRect(rect, canvas, placement);
    const thickness = lineWidth * Math.max(2, Math.min(rect.width, rect.height) / 130);
    for (let person = 0; person < poses.person_ids.length; person += 1) {
      const id = poses.person_ids[person];
      for (const part of this.#parts) this.#place(poses, person, part, size, placed, mirrored);
      const own = thickness * this.#smallness(thickness);
      for (const part of this.#parts) {
        const colours = COLOURS[id % COLOURS.length];
        this.#drawEdges(part, colours, own * part.weight);
        this.#drawPoints(part, colours, own * part.weight);
      }
      if (poses.person_ids.length > 1) this.#drawName(String(id + 1), COLOURS[id % COLOURS.length].centre, own);
    }
    this.#context.globalAlpha = 1;
  }

  /**
   * Says where keypoints of a person stand, as parts of the canvas, before any placement.
   * @param {Poses} poses
   * @param {number} person
   * @param {string[]} names
   * @param {DrawOptions} options
   * @returns {Record<string, [number, number, number]>} x, y and opacity of those that are there
   */
  locate(poses, person, names, { size, mirrored = false }) {
    /** @type {Record<string, [number, number, number]>} */
    const found = {};
    const { width, height } = this.#canvas;
    const rect = containRect(this.#canvas, size);
    if (person >= poses.person_ids.length || width === 0 || height === 0) return found;
    for (const part of this.#parts) {
      this.#place(poses, person, part, size, rect, mirrored);
      for (const name of names) {
        const keypoint = part.keypoints.indexOf(name);
        if (keypoint < 0 || name in found || part.levels[keypoint] === 0) continue;
        found[name] = [part.xs[keypoint] / width, part.ys[keypoint] / height, part.levels[keypoint] / LEVELS];
      }
    }
    return found;
  }

  /**
   * Writes where the keypoints of a person are to the part's own arrays.
   * @param {Poses} poses
   * @param {number} person
   * @param {Part} part
   * @param {Size} size
   * @param {Rect} rect
   * @param {boolean} mirrored
   */
  #place({ values, values_per_person: perPerson }, person, part, size, rect, mirrored) {
    const { x, confidence, channels, keypoints, xs, ys, levels } = part;
    const view = this.#view;
    const y = view ? part[view.vertical] : part.y;
    let [scaleX, scaleY, left, top] = [rect.width, rect.height, rect.x, rect.y];
    if (view) {
      const { span, centre } = view;
      const perMetre = Math.min(rect.width, rect.height) / span;
      [scaleX, scaleY] = [perMetre, perMetre * view.down];
      [left, top] = [rect.x + rect.width / 2 - centre.x * perMetre, rect.y + rect.height / 2 - centre.y * perMetre];
    } else if (part.unit === "pixels") {
      [scaleX, scaleY] = [rect.width / size.width, rect.height / size.height];
    }
    if (mirrored) [scaleX, left] = [-scaleX, 2 * rect.x + rect.width - left];
    let at = person * perPerson + part.start;
    for (let keypoint = 0; keypoint < keypoints.length; keypoint += 1, at += channels) {
      const px = left + scaleX * values[at + x];
      const py = top + scaleY * values[at + y];
      xs[keypoint] = px;
      ys[keypoint] = py;
      const opacity = confidence < 0 ? 1 : opacityOf(values[at + confidence]);
      levels[keypoint] = Number.isNaN(px + py) ? 0 : Math.ceil(opacity * LEVELS);
    }
  }

  /**
   * Lines of somebody far away are thinner: else they would be all that is seen.
   * @param {number} thickness
   */
  #smallness(thickness) {
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const { xs, ys, levels } of this.#parts) {
      for (let keypoint = 0; keypoint < levels.length; keypoint += 1) {
        if (levels[keypoint] === 0) continue;
        if (xs[keypoint] < left) left = xs[keypoint];
        if (xs[keypoint] > right) right = xs[keypoint];
        if (ys[keypoint] < top) top = ys[keypoint];
        if (ys[keypoint] > bottom) bottom = ys[keypoint];
      }
    }
    const extent = Math.max(right - left, bottom - top);
    return extent > 0 ? Math.max(0.4, Math.min(1, extent / (45 * thickness))) : 1;
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
   * @param {Part} part
   * @param {Record<"left" | "right" | "centre", string>} colours
   * @param {number} thickness
   */
  #drawEdges(part, colours, thickness) {
    const { edges, edgeSides, edgeLevels, levels } = part;
    const context = this.#context;
    const present = this.#present.fill(0);
    for (let edge = 0; edge < edgeLevels.length; edge += 1) {
      const level = Math.min(levels[edges[2 * edge]], levels[edges[2 * edge + 1]]);
      edgeLevels[edge] = level;
      present[level * SIDES.length + edgeSides[edge]] = 1;
    }
    context.lineCap = "round";
    context.strokeStyle = OUTLINE;
    context.lineWidth = Math.max(2 * thickness, thickness + 2);
    for (let level = 1; level <= LEVELS; level += 1) {
      const at = level * SIDES.length;
      if (present[at] + present[at + 1] + present[at + 2] > 0) this.#strokeEdges(part, level, -1);
    }
    context.lineWidth = thickness;
    for (let level = 1; level <= LEVELS; level += 1) {
      for (let side = 0; side < SIDES.length; side += 1) {
        if (present[level * SIDES.length + side] === 0) continue;
        context.strokeStyle = colours[SIDES[side]];
        this.#strokeEdges(part, level, side);
      }
    }
  }

  /**
   * @param {Part} part
   * @param {number} level
   * @param {number} side -1: every side
   */
  #strokeEdges({ edges, edgeSides, edgeLevels, xs, ys }, level, side) {
    const context = this.#context;
    context.globalAlpha = level / LEVELS;
    context.beginPath();
    for (let edge = 0; edge < edgeLevels.length; edge += 1) {
      if (edgeLevels[edge] !== level || (side >= 0 && edgeSides[edge] !== side)) continue;
      const from = edges[2 * edge];
      const to = edges[2 * edge + 1];
      context.moveTo(xs[from], ys[from]);
      context.lineTo(xs[to], ys[to]);
    }
    context.stroke();
  }

  /**
   * @param {Part} part
   * @param {Record<"left" | "right" | "centre", string>} colours
   * @param {number} thickness
   */
  #drawPoints({ levels, sides, xs, ys, weight }, colours, thickness) {
    const context = this.#context;
    const present = this.#present.fill(0);
    for (let keypoint = 0; keypoint < levels.length; keypoint += 1) present[levels[keypoint] * SIDES.length + sides[keypoint]] = 1;
    context.strokeStyle = OUTLINE;
    context.lineWidth = Math.max(1, thickness / 2);
    const radius = Math.max(1, thickness * 1.1);
    for (let level = 1; level <= LEVELS; level += 1) {
      context.globalAlpha = level / LEVELS;
      for (let side = 0; side < SIDES.length; side += 1) {
        if (present[level * SIDES.length + side] === 0) continue;
        context.beginPath();
        for (let keypoint = 0; keypoint < levels.length; keypoint += 1) {
          if (levels[keypoint] !== level || sides[keypoint] !== side) continue;
          const x = xs[keypoint];
          const y = ys[keypoint];
          if (SIDES[side] === "right" || weight < 0.5) {
            context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
          } else {
            context.moveTo(x + radius, y);
            context.arc(x, y, radius, 0, 2 * Math.PI);
          }
        }
        context.stroke();
        context.fillStyle = colours[SIDES[side]];
        context.fill();
      }
    }
  }

  /**
   * Writes a person's number over their head.
   * @param {string} name
   * @param {string} colour
   * @param {number} thickness
   */
  #drawName(name, colour, thickness) {
    const context = this.#context;
    let [x, y] = [NaN, Infinity];
    for (const { xs, ys, levels } of this.#parts) {
      for (let keypoint = 0; keypoint < levels.length; keypoint += 1) {
        if (levels[keypoint] > 0 && ys[keypoint] < y) [x, y] = [xs[keypoint], ys[keypoint]];
      }
    }
    if (Number.isNaN(x)) return;
    const size = Math.max(12, thickness * 4);
    const bottom = Math.max(1.3 * size, y - size / 2);
    context.globalAlpha = 1;
    context.font = `600 ${size}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "bottom";
    context.lineJoin = "round";
    context.strokeStyle = OUTLINE;
    context.lineWidth = size / 4;
    context.strokeText(name, x, bottom);
    context.fillStyle = colour;
    context.fillText(name, x, bottom);
  }

  #fitToBox() {
    const canvas = this.#canvas;
    const width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
    const height = Math.max(1, Math.round(canvas.clientHeight * devicePixelRatio));
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
  }
}
