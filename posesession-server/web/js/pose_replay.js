// @ts-check
// A replay's frames in, the recorded pose over the live webcam out.

import { closeCamera, openCamera } from "./capture.js";
import { SkeletonCanvas } from "./skeleton_canvas.js";

/**
 * @typedef {import("./replay_client.js").ReplayClient} ReplayClient
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./canvas_mapping.js").Size} Size
 */

/** Where neither the recording nor a webcam says what the picture's shape was. */
const USUAL_SIZE = { width: 640, height: 480 };

/** Draws the frames of a replay over a video element, which shows the webcam or stays empty. */
export class PoseReplay {
  #video;
  #canvas;
  #overlay;
  /** @type {DecodedFrame | null} */
  #frame = null;
  /** @type {Size | null} */
  #recordedSize = null;
  #mirrored = true;
  #drawQueued = false;
  #framesDrawn = 0;

  /** @param {{ video: HTMLVideoElement, canvas: HTMLCanvasElement, client: ReplayClient }} parts */
  constructor({ video, canvas, client }) {
    this.#video = video;
    this.#canvas = canvas;
    this.#overlay = new SkeletonCanvas(canvas);
    client.on("session", ({ session, skeleton }) => {
      this.#overlay.setSkeleton(skeleton ?? null);
      this.#recordedSize = recordedSize(session.metadata);
    });
    client.on("frame", (frame) => {
      this.#frame = frame;
      this.#framesDrawn += 1;
      this.redraw();
    });
    new ResizeObserver(() => this.redraw()).observe(canvas);
    video.addEventListener("resize", () => this.redraw());
    this.mirrored = true;
  }

  /** Whether webcam and pose are shown as a mirror shows them. */
  get mirrored() {
    return this.#mirrored;
  }

  set mirrored(mirrored) {
    this.#mirrored = mirrored;
    this.#video.classList.toggle("mirrored", mirrored);
    this.redraw();
  }

  /** Frames that came to be drawn; on a slow screen several may share one repaint. */
  get frames_drawn() {
    return this.#framesDrawn;
  }

  /**
   * Opens the webcam under the pose; rejects as `openCamera` does.
   * @returns {Promise<void>}
   */
  async openWebcam() {
    await openCamera(this.#video);
    this.redraw();
  }

  closeWebcam() {
    closeCamera(this.#video);
  }

  /** Draws the last frame again at the next repaint. */
  redraw() {
    if (this.#drawQueued) return;
    this.#drawQueued = true;
    requestAnimationFrame(() => {
      this.#drawQueued = false;
      if (this.#canvas.isConnected) this.#overlay.draw(this.#frame, { size: this.#size(), mirrored: this.#mirrored });
    });
  }

  /** The recording's own shape keeps the body's proportions, whatever the webcam's is. */
  #size() {
    if (this.#recordedSize) return this.#recordedSize;
    const { videoWidth: width, videoHeight: height } = this.#video;
    return width > 0 ? { width, height } : USUAL_SIZE;
  }
}

/**
 * @param {Record<string, unknown> | undefined} metadata
 * @returns {Size | null}
 */
function recordedSize(metadata) {
  const width = Number(metadata?.image_width);
  const height = Number(metadata?.image_height);
  return width > 0 && height > 0 ? { width, height } : null;
}
