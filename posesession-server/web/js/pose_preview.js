// @ts-check
// A moment of a session in, a small picture of its pose out, by a replay of its own that stands still.

import { IN_PLACE, possiblePlacement } from "./canvas_mapping.js";
import { ReplayClient } from "./replay_client.js";
import { SkeletonCanvas } from "./skeleton_canvas.js";

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./canvas_mapping.js").Size} Size
 */

const USUAL_SIZE = { width: 4, height: 3 };
/** How long the connection is kept after the last look. */
const IDLE_MS = 15_000;
/** How much of the canvas the bodies fill, and how much they are enlarged for it at most. */
const FILLED = 0.85;
const LARGEST = 6;

/** Draws the pose of any moment. While the server is busy with one, only the latest asked for waits. */
export class PosePreview {
  #canvas;
  #drawing;
  #url;
  #size;
  /** @type {Promise<ReplayClient> | null} */
  #client = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idle;
  /** @type {DecodedFrame | null} */
  #frame = null;
  /** @type {string[]} */
  #keypoints = [];
  mirrored = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {string} url of the session's replay
   * @param {Size} [size] of the picture in which the poses were found
   */
  constructor(canvas, url, size = USUAL_SIZE) {
    this.#canvas = canvas;
    this.#drawing = new SkeletonCanvas(canvas);
    this.#url = url;
    this.#size = size;
  }

  /** The moment that is shown, null before the first. */
  get timestamp() {
    return this.#frame?.timestamp ?? null;
  }

  /** @param {number} timestamp seconds within the session */
  show(timestamp) {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.close(), IDLE_MS);
    this.#client ??= this.#connect();
    // A preview that cannot be had is left empty: the replay itself says when the server is gone.
    this.#client.then((client) => client.seek({ timestamp })).catch(() => {});
  }

  close() {
    clearTimeout(this.#idle);
    this.#client?.then((client) => client.close()).catch(() => {});
    this.#client = null;
  }

  async #connect() {
    const client = new ReplayClient({ url: this.#url });
    client.on("session", ({ skeleton }) => {
      this.#drawing.setSkeleton(skeleton ?? null);
      this.#keypoints = [...new Set(skeleton?.components.flatMap((/** @type {{ keypoints: string[] }} */ { keypoints }) => keypoints))];
    });
    client.on("frame", (frame) => this.#draw(frame));
    client.on("close", () => {
      this.#client = null;
    });
    await client.connect();
    return client;
  }

  /** @param {DecodedFrame} frame */
  #draw(frame) {
    this.#frame = frame;
    if (!this.#canvas.isConnected) return;
    const options = { size: this.#size, mirrored: this.mirrored };
    this.#drawing.clear();
    this.#drawing.draw(frame, { ...options, placement: this.#closeUp(frame, options) });
  }

  /**
   * Brings the bodies near: far away in a small picture nothing of a pose could be seen.
   * @param {DecodedFrame} frame
   * @param {{ size: Size, mirrored: boolean }} options
   */
  #closeUp(frame, options) {
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let person = 0; person < frame.person_ids.length; person += 1) {
      for (const [x, y] of Object.values(this.#drawing.locate(frame, person, this.#keypoints, options))) {
        [left, right] = [Math.min(left, x), Math.max(right, x)];
        [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
      }
    }
    const extent = Math.max(right - left, bottom - top);
    if (!(extent > 0)) return IN_PLACE;
    const scale = Math.min(LARGEST, FILLED / extent);
    return possiblePlacement({ scale, x: -((left + right) / 2 - 0.5) * scale, y: -((top + bottom) / 2 - 0.5) * scale });
  }
}
