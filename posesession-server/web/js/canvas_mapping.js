// @ts-check
// Where a keypoint of a picture stands on the canvas that covers that picture.

/**
 * @typedef {{ width: number, height: number }} Size
 * @typedef {{ x: number, y: number, width: number, height: number }} Rect
 */

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
