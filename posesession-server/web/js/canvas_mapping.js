// @ts-check
// Where a keypoint of a picture stands on the canvas that covers that picture.

/**
 * @typedef {{ width: number, height: number }} Size
 * @typedef {{ x: number, y: number, width: number, height: number }} Rect
 *
 * @typedef {object} Placement where a pose stands on its stage, in place of where it was recorded
 * @property {number} scale about the stage's centre
 * @property {number} x to the right as seen, as a part of the stage's width
 * @property {number} y downwards, as a part of the stage's height
 */

/** As recorded. @type {Readonly<Placement>} */
export const IN_PLACE = Object.freeze({ scale: 1, x: 0, y: 0 });

/** A pose smaller, larger or further away than this could not be found again. */
const SCALES = [0.1, 10];
const FARTHEST = 2;

/**
 * Keeps a placement within what can be seen; what is no number stays as it was.
 * @param {Partial<Placement>} wanted
 * @param {Readonly<Placement>} [otherwise]
 * @returns {Placement}
 */
export function possiblePlacement(wanted, otherwise = IN_PLACE) {
  const value = (/** @type {"scale" | "x" | "y"} */ name, /** @type {number} */ least, /** @type {number} */ most) => {
    const number = Number(wanted[name] ?? otherwise[name]);
    return Number.isFinite(number) ? Math.max(least, Math.min(most, number)) : otherwise[name];
  };
  return { scale: value("scale", SCALES[0], SCALES[1]), x: value("x", -FARTHEST, FARTHEST), y: value("y", -FARTHEST, FARTHEST) };
}

/**
 * Scales a placement so that what is under a point of the stage stays there.
 * @param {Readonly<Placement>} placement
 * @param {number} factor
 * @param {{ x: number, y: number }} point parts of the stage
 * @returns {Placement}
 */
export function scaledAbout(placement, factor, point) {
  const { scale } = possiblePlacement({ scale: placement.scale * factor }, placement);
  const grown = scale / placement.scale;
  return possiblePlacement({
    scale,
    x: point.x - 0.5 - (point.x - 0.5 - placement.x) * grown,
    y: point.y - 0.5 - (point.y - 0.5 - placement.y) * grown,
  });
}

/**
 * Finds where a picture stands in a box that shows it whole and centred (`object-fit: contain`).
 * @param {Size} box px
 * @param {Size} picture px; only its aspect counts
 * @returns {Rect} px of the box; all of it when the picture has no size yet
 */
export function containRect(box, picture) {
  if (picture.width <= 0 || picture.height <= 0) return { x: 0, y: 0, width: box.width, height: box.height };
  const scale = Math.min(box.width / picture.width, box.height / picture.height);
  const width = picture.width * scale;
  const height = picture.height * scale;
  return { x: (box.width - width) / 2, y: (box.height - height) / 2, width, height };
}

/**
 * Moves the picture of a pose to its placement.
 * @param {Rect} rect where the picture stands as recorded, px
 * @param {Size} box the stage, px
 * @param {Readonly<Placement>} placement
 * @returns {Rect}
 */
export function placedRect(rect, box, { scale, x, y }) {
  return {
    x: box.width / 2 + (rect.x - box.width / 2) * scale + x * box.width,
    y: box.height / 2 + (rect.y - box.height / 2) * scale + y * box.height,
    width: rect.width * scale,
    height: rect.height * scale,
  };
}

/**
 * Maps normalised picture coordinates to the box; mirrored ones as the picture is when flipped left to right.
 * @param {number} x 0 at the left edge of the picture, 1 at its right
 * @param {number} y 0 at the top, 1 at the bottom
 * @param {Rect} rect where the picture stands, px
 * @param {boolean} mirrored
 * @returns {[number, number]} px
 */
export function pointInBox(x, y, rect, mirrored) {
  return [rect.x + rect.width * (mirrored ? 1 - x : x), rect.y + rect.height * y];
}

/**
 * Turns a confidence into an opacity: unknown is opaque, what is hardly believed is hardly seen.
 * @param {number} confidence 0 to 1, NaN: unknown
 * @returns {number} 0 to 1; 0: not worth drawing
 */
export function opacityOf(confidence) {
  if (Number.isNaN(confidence)) return 1;
  if (confidence < 0.05) return 0;
  return Math.min(1, 0.15 + 0.85 * confidence);
}

/**
 * Says on which side of the body a keypoint is, by its own name or its component's (`left_hand`).
 * @param {string} keypoint
 * @param {string} [component]
 * @returns {"left" | "right" | "centre"}
 */
export function sideOf(keypoint, component = "") {
  for (const side of /** @type {const} */ (["left", "right"])) {
    if (keypoint.startsWith(`${side}_`) || component.startsWith(`${side}_`)) return side;
  }
  return "centre";
}
