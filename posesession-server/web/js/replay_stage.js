// @ts-check
// A replay's frames in, the recorded pose on a canvas out: at the display's rate, and only when something has changed.

import { fitBody, TORSO } from "./body_fit.js";
import { IN_PLACE } from "./canvas_mapping.js";
import { SkeletonCanvas } from "./skeleton_canvas.js";

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./body_fit.js").Torso} Torso
 * @typedef {import("./canvas_mapping.js").Placement} Placement
 * @typedef {import("./canvas_mapping.js").Size} Size
 * @typedef {import("./json_frame.js").Skeleton} Skeleton
 */

/** The last so many repaints are looked at for the figures. */
const SAMPLES = 512;
/** Frames that are late are drawn so seldom. */
const LATE_FRAMES_MS = 100;

/** Draws the last frame that came. */
export class ReplayStage {
  #canvas;
  #skeleton;
  #observer;
  /** @type {DecodedFrame | null} */
  #frame = null;
  /** @type {DecodedFrame | null} */
  #lateFrame = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #lateTimer;
  /** @type {Size} */
  #size = { width: 640, height: 480 };
  #mirrored = false;
  #lineWidth = 1;
  /** @type {Readonly<Placement>} */
  #placement = IN_PLACE;
  /** Drawn under the pose, on the same canvas. @type {CanvasImageSource | null} */
  #picture = null;
  #request = 0;
  #arrivedMs = NaN;
  #framesReceived = 0;
  #framesDrawn = 0;
  #repaints = 0;
  #drawMs = new Samples();
  #latencyMs = new Samples();

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
    this.#skeleton = new SkeletonCanvas(canvas);
    this.#observer = new ResizeObserver(() => this.redraw());
  }

  start() {
    this.#observer.observe(this.#canvas);
  }

  stop() {
    this.#observer.disconnect();
    clearTimeout(this.#lateTimer);
    this.#lateTimer = undefined;
    cancelAnimationFrame(this.#request);
    this.#request = 0;
  }

  /** What the drawing takes, for whoever measures it; times in milliseconds, of the last repaints. */
  get statistics() {
    return {
      frames_received: this.#framesReceived,
      frames_drawn: this.#framesDrawn,
      repaints: this.#repaints,
      draw_ms: this.#drawMs.summary(),
      latency_ms: this.#latencyMs.summary(),
    };
  }

  /**
   * @param {Skeleton | null} skeleton
   * @param {Size} size of the picture that the poses were found in
   */
  setSkeleton(skeleton, size) {
    this.#skeleton.setSkeleton(skeleton);
    this.#size = size;
    this.redraw();
  }

  /**
   * @param {DecodedFrame | null} frame
   * @param {{ late?: boolean }} [options] `late`: its time is long over, so it is drawn only if no other comes soon: what
   *   piled up while the page was held up would run through else
   */
  setFrame(frame, { late = false } = {}) {
    if (frame) this.#framesReceived += 1;
    if (late) {
      this.#lateFrame = frame;
      this.#lateTimer ??= setTimeout(() => this.#show(this.#lateFrame), LATE_FRAMES_MS);
    } else {
      this.#show(frame);
    }
  }

  /** @param {boolean} mirrored */
  setMirrored(mirrored) {
    this.#mirrored = mirrored;
    this.redraw();
  }

  get lineWidth() {
    return this.#lineWidth;
  }

  set lineWidth(lineWidth) {
    this.#lineWidth = lineWidth;
    this.redraw();
  }

  get placement() {
    return this.#placement;
  }

  set placement(placement) {
    this.#placement = placement;
    this.redraw();
  }

  /** @param {CanvasImageSource | null} picture */
  setPicture(picture) {
    this.#picture = picture;
    this.redraw();
  }

  /**
   * Finds the placement that lays the body that is shown over another; null when they have no keypoint in common.
   * @param {Torso} torso as parts of the stage as seen
   * @returns {Placement | null}
   */
  fit(torso) {
    const { width, height } = this.#canvas.getBoundingClientRect();
    if (!this.#frame || width === 0 || height === 0) return null;
    const recorded = this.#skeleton.locate(this.#frame, 0, TORSO, { size: this.#size, mirrored: this.#mirrored });
    return fitBody(recorded, torso, width / height);
  }

  /** Draws again at the next repaint. */
  redraw() {
    if (this.#request === 0) this.#request = requestAnimationFrame(this.#draw);
  }

  /** @param {DecodedFrame | null} frame */
  #show(frame) {
    clearTimeout(this.#lateTimer);
    this.#lateTimer = undefined;
    this.#lateFrame = null;
    this.#frame = frame;
    if (frame) this.#arrivedMs = performance.now();
    this.redraw();
  }

  #draw = () => {
    this.#request = 0;
    if (!this.#canvas.isConnected) return;
    const begun = performance.now();
    this.#skeleton.draw(this.#frame, {
      size: this.#size,
      mirrored: this.#mirrored,
      placement: this.#placement,
      lineWidth: this.#lineWidth,
      picture: this.#picture,
    });
    const done = performance.now();
    this.#repaints += 1;
    this.#drawMs.add(done - begun);
    if (Number.isNaN(this.#arrivedMs)) return;
    this.#framesDrawn += 1;
    this.#latencyMs.add(done - this.#arrivedMs);
    this.#arrivedMs = NaN;
  };
}

/** The last few of many numbers. */
class Samples {
  #values = new Float64Array(SAMPLES);
  #count = 0;

  /** @param {number} value */
  add(value) {
    this.#values[this.#count % SAMPLES] = value;
    this.#count += 1;
  }

  /** @returns {{ median: number, p95: number, max: number }} NaN without any */
  summary() {
    const sorted = this.#values.slice(0, Math.min(this.#count, SAMPLES)).sort();
    const at = (/** @type {number} */ part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN;
    return { median: at(0.5), p95: at(0.95), max: at(1) };
  }
}
