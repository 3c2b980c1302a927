// @ts-check
// A session in, a small picture of a body in it out: a frame near its middle in which somebody is seen, fitted into the picture.

import { frameFromJson } from "./json_frame.js";
import { SkeletonCanvas } from "./skeleton_canvas.js";
import { drawableParts } from "./skeleton_parts.js";

/**
 * @typedef {import("./session_api.js").SessionApi} SessionApi
 * @typedef {import("./session_api.js").SessionRecording} SessionRecording
 * @typedef {import("./json_frame.js").Skeleton} Skeleton
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 *
 * @typedef {object} Thumbnail what is drawn
 * @property {Skeleton} skeleton
 * @property {DecodedFrame} frame its keypoints 0..1 within the box of what is seen; metres stay, the canvas fits these itself
 * @property {number} aspect of that box, width : height
 *
 * @typedef {object} Place of a keypoint
 * @property {number} at index of its x among the frame's values
 * @property {number} below index of its y
 * @property {number} x in heights of the picture
 * @property {number} y in heights of the picture
 * @property {number} confidence 1: unknown
 */

/** Where people are looked for, as parts of the session's length. */
const PLACES = [0.5, 0.25, 0.75, 0.05];
const FRAMES_AT_A_PLACE = 4;
/** Keypoints that are less believed do not decide how large the body is shown. */
const BELIEVED = 0.5;
const MARGIN = 0.08;
/** In a small picture a line has to be stronger to be seen as well. */
const LINE_WIDTH = 1.25;

/**
 * Finds what to draw.
 * @param {SessionApi} api
 * @param {SessionRecording} session
 * @param {{ signal?: AbortSignal, latest?: boolean }} [options] `latest`: the last frame, of a session that is being recorded
 * @returns {Promise<Thumbnail | null>} null: nobody was seen where it looked
 */
export async function readThumbnail(api, session, { signal, latest = false } = {}) {
  const { id, skeleton, frame_count: count } = session;
  if (!skeleton || count === 0) return null;
  const starts = latest ? [count - 1] : PLACES.map((place) => Math.floor(place * count));
  for (const from of new Set(starts)) {
    const { frames } = await api.frames(id, { from, limit: FRAMES_AT_A_PLACE }, { signal });
    const thumbnail = thumbnailOf(frames.map((frame) => frameFromJson(frame, skeleton)), session);
    if (thumbnail) return thumbnail;
  }
  return null;
}

/**
 * Takes the frame that shows most, and fits the bodies in it to a box of their own.
 * @param {DecodedFrame[]} frames
 * @param {Pick<SessionRecording, "skeleton" | "metadata">} session
 * @returns {Thumbnail | null}
 */
export function thumbnailOf(frames, { skeleton, metadata }) {
  if (!skeleton) return null;
  const candidates = frames.map((frame) => {
    const places = placesIn(frame, skeleton, metadata);
    return { frame, places, seen: places.reduce((sum, { confidence }) => sum + confidence, 0) };
  });
  const best = candidates.reduce((a, b) => (b.seen > a.seen ? b : a), candidates[0]);
  if (!best || best.places.length < 2) return null;
  const inMetres = drawableParts(skeleton)[0].unit === "metres";
  return inMetres ? { skeleton, frame: best.frame, aspect: 1 } : fitted(best.frame, best.places, skeleton);
}

/**
 * Draws it as large as the canvas allows.
 * @param {HTMLCanvasElement} canvas
 * @param {Thumbnail} thumbnail
 */
export function drawThumbnail(canvas, { skeleton, frame, aspect }) {
  const painter = new SkeletonCanvas(canvas);
  painter.setSkeleton(skeleton);
  painter.draw(frame, { size: { width: aspect, height: 1 }, lineWidth: LINE_WIDTH });
}

/**
 * Finds the keypoints that are there.
 * @param {DecodedFrame} frame
 * @param {Skeleton} skeleton
 * @param {Record<string, unknown>} metadata
 * @returns {Place[]}
 */
function placesIn({ person_ids, values_per_person, values }, skeleton, metadata) {
  const [width, height] = pictureSize(metadata);
  const parts = drawableParts(skeleton);
  /** @type {Place[]} */
  const places = [];
  for (let person = 0; person < person_ids.length; person += 1) {
    for (const { start, channels, keypoints, x, y, confidence, unit } of parts) {
      for (let keypoint = 0; keypoint < keypoints.length; keypoint += 1) {
        const first = person * values_per_person + start + keypoint * channels;
        const place = {
          at: first + x,
          below: first + y,
          x: unit === "image" ? (values[first + x] * width) / height : values[first + x] / height,
          y: unit === "image" ? values[first + y] : values[first + y] / height,
          confidence: confidence < 0 || Number.isNaN(values[first + confidence]) ? 1 : values[first + confidence],
        };
        if (Number.isFinite(place.x) && Number.isFinite(place.y)) places.push(place);
      }
    }
  }
  return places;
}

/**
 * @param {Record<string, unknown>} metadata
 * @returns {[number, number]} only their ratio counts, unless the skeleton is in pixels
 */
function pictureSize({ image_width: width, image_height: height }) {
  return Number(width) > 0 && Number(height) > 0 ? [Number(width), Number(height)] : [4, 3];
}

/**
 * @param {DecodedFrame} frame
 * @param {Place[]} places
 * @param {Skeleton} skeleton
 * @returns {Thumbnail}
 */
function fitted(frame, places, skeleton) {
  const believed = places.filter(({ confidence }) => confidence >= BELIEVED);
  const shown = believed.length > 1 ? believed : places;
  const xs = shown.map(({ x }) => x);
  const ys = shown.map(({ y }) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  // A body seen from its side, or a single line, still gets a box that has a width.
  const larger = Math.max(right - left, bottom - top, Number.EPSILON);
  const width = Math.max(right - left, larger / 8) + 2 * MARGIN * larger;
  const height = Math.max(bottom - top, larger / 8) + 2 * MARGIN * larger;
  const values = frame.values.slice();
  for (const { at, below, x, y } of places) {
    values[at] = 0.5 + (x - (left + right) / 2) / width;
    values[below] = 0.5 + (y - (top + bottom) / 2) / height;
  }
  return { skeleton: withoutPixels(skeleton), frame: { ...frame, values }, aspect: width / height };
}

/**
 * @param {Skeleton} skeleton
 * @returns {Skeleton} the same with all that is drawn in parts of the picture
 */
function withoutPixels(skeleton) {
  const components = skeleton.components.map((component) => ({
    ...component,
    channels: component.channels.map(({ name, unit }) => ({ name, unit: unit === "pixels" ? "image" : unit })),
  }));
  return { ...skeleton, components };
}
