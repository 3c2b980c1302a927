// @ts-check
// A moment of a session in, a small picture of its pose out, by a replay of its own that stands still.

import { ReplayClient } from "./replay_client.js";
import { SkeletonCanvas } from "./skeleton_canvas.js";

/** @typedef {import("./canvas_mapping.js").Size} Size */

const USUAL_SIZE = { width: 4, height: 3 };
/** How long the connection is kept after the last look. */
const IDLE_MS = 15_000;

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
  /** @type {import("./binary_frame.js").DecodedFrame | null} */
  #frame = null;
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
    client.on("session", ({ skeleton }) => this.#drawing.setSkeleton(skeleton ?? null));
    client.on("frame", (frame) => {
      this.#frame = frame;
      if (this.#canvas.isConnected) this.#drawing.draw(frame, { size: this.#size, mirrored: this.mirrored });
    });
    client.on("close", () => {
      this.#client = null;
    });
    await client.connect();
    return client;
  }
}
