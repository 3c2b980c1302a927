// @ts-check
// Keeps a recording device awake, counts how long its page was out of view, and asks before it is left.

import { Emitter } from "../emitter.js";

/**
 * @typedef {object} AttentionEvents
 * @property {{ seconds: number, poses: number, expected: number }} back the page is in view again: what it recorded meanwhile, and would have
 */

/** @extends {Emitter<AttentionEvents>} */
export class Attention extends Emitter {
  #isNeeded = false;
  /** @type {WakeLockSentinel | null} */
  #lock = null;
  #poses = 0;
  #since = NaN;
  #hiddenSince = NaN;
  #hiddenSeconds = 0;
  #posesBefore = 0;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#hide() : this.#show()));
    addEventListener("beforeunload", (event) => {
      if (this.#isNeeded) event.preventDefault();
    });
  }

  /** How long the page was out of view since the recording started, seconds. */
  get hiddenSeconds() {
    return this.#hiddenSeconds;
  }

  /**
   * Says whether this page's camera is being recorded, so that the page must stay in view.
   * @param {boolean} needed
   */
  need(needed) {
    if (needed === this.#isNeeded) return;
    this.#isNeeded = needed;
    this.#hiddenSince = NaN;
    if (needed) {
      this.#poses = 0;
      this.#since = performance.now();
      this.#hiddenSeconds = 0;
      if (document.hidden) this.#hide();
      void this.#stayAwake();
    } else {
      void this.#lock?.release();
      this.#lock = null;
    }
  }

  countPose() {
    this.#poses += 1;
  }

  #hide() {
    if (!this.#isNeeded) return;
    this.#hiddenSince = performance.now();
    this.#posesBefore = this.#poses;
  }

  #show() {
    if (!this.#isNeeded || Number.isNaN(this.#hiddenSince)) return;
    const seconds = (performance.now() - this.#hiddenSince) / 1000;
    const inView = (this.#hiddenSince - this.#since) / 1000 - this.#hiddenSeconds;
    this.#hiddenSeconds += seconds;
    const rate = inView > 0 ? this.#posesBefore / inView : 0;
    this.#hiddenSince = NaN;
    this.emit("back", { seconds, poses: this.#poses - this.#posesBefore, expected: Math.round(rate * seconds) });
    void this.#stayAwake();
  }

  /** A phone on a tripod is not touched for minutes. Browsers take the lock away from a page that is hidden. */
  async #stayAwake() {
    try {
      this.#lock = (await navigator.wakeLock?.request("screen")) ?? null;
      if (!this.#isNeeded) await this.#lock?.release();
    } catch {
      // The system saves its battery: the screen may turn dark.
    }
  }
}
