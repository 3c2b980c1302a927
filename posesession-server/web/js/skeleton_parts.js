// @ts-check
// A skeleton in, what can be drawn of it out: with room for where its keypoints are, so that drawing a frame allocates nothing.

import { sideOf } from "./canvas_mapping.js";

/**
 * @typedef {import("./json_frame.js").Skeleton} Skeleton
 * @typedef {import("./json_frame.js").Component} Component
 *
 * @typedef {object} Part a component that is drawn
 * @property {number} start index of its first value within a person
 * @property {number} channels
 * @property {number} x channel
 * @property {number} y channel, -1: none
 * @property {number} z channel, -1: none
 * @property {number} confidence channel, -1: none
 * @property {"image" | "pixels" | "metres"} unit
 * @property {number} weight thickness of its lines, 1: those of a body
 * @property {string[]} keypoints
 * @property {Uint8Array} sides by keypoint: index in `SIDES`
 * @property {Uint16Array} edges from, to, from, to, ...
 * @property {Uint8Array} edgeSides
 * @property {Float32Array} xs px, by keypoint, of the person that is being drawn
 * @property {Float32Array} ys px
 * @property {Uint8Array} levels of opacity by keypoint, 0: not drawn
 * @property {Uint8Array} edgeLevels
 */

export const SIDES = /** @type {const} */ (["centre", "left", "right"]);

/** From so many keypoints on, a component is a mesh: single points are not told apart. */
const MESH_KEYPOINTS = 100;
const MESH_WEIGHT = 0.3;
const DETAIL_WEIGHT = 0.5;
const DETAILS = /hand|finger|face|mouth|iris/;

/**
 * Keeps the components that have a place in the picture; where none has, those in metres.
 * @param {Skeleton} skeleton
 * @returns {Part[]}
 */
export function drawableParts(skeleton) {
  let start = 0;
  const parts = skeleton.components.flatMap((component) => {
    const part = partOf(component, start);
    start += component.keypoints.length * component.channels.length;
    return part ? [part] : [];
  });
  const inPicture = parts.filter(({ unit }) => unit !== "metres");
  return inPicture.length > 0 ? inPicture : parts;
}

/**
 * @param {Component} component
 * @param {number} start
 * @returns {Part | null}
 */
function partOf({ name, keypoints, edges, channels }, start) {
  const names = channels.map((channel) => channel.name);
  const [x, y, z] = ["x", "y", "z"].map((axis) => names.indexOf(axis));
  const unit = channels[x]?.unit;
  if (unit !== "image" && unit !== "pixels" && unit !== "metres") return null;
  if (y < 0) return null;
  const sides = Uint8Array.from(keypoints, (keypoint) => SIDES.indexOf(sideOf(keypoint, name)));
  return {
    start,
    channels: channels.length,
    x,
    y,
    z,
    confidence: names.indexOf("confidence"),
    unit,
    weight: weightOf(name, keypoints.length),
    keypoints,
    sides,
    edges: Uint16Array.from(edges.flat()),
    edgeSides: Uint8Array.from(edges, ([from, to]) => (sides[from] === sides[to] ? sides[from] : 0)),
    xs: new Float32Array(keypoints.length),
    ys: new Float32Array(keypoints.length),
    levels: new Uint8Array(keypoints.length),
    edgeLevels: new Uint8Array(edges.length),
  };
}

/**
 * @param {string} name
 * @param {number} keypoints
 */
function weightOf(name, keypoints) {
  if (keypoints >= MESH_KEYPOINTS) return MESH_WEIGHT;
  return DETAILS.test(name) ? DETAIL_WEIGHT : 1;
}
