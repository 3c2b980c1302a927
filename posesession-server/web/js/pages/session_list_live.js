// @ts-check
// Sessions that are being recorded in, their news out; asks only while there are some and somebody looks.

import { attempt } from "./dom.js";

const PAUSE_MS = 2000;

export class LivePoll {
  #look;
  #timer = 0;
  #looking = false;

  /** @param {() => Promise<boolean>} look asks for news; whether there will be more */
  constructor(look) {
    this.#look = look;
    document.addEventListener("visibilitychange", () => this.start());
  }

  /** Starts, or goes on, as far as there is something to see. */
  start() {
    clearTimeout(this.#timer);
    if (document.hidden || this.#looking) return;
    this.#timer = window.setTimeout(() => void attempt(() => this.#tick()), PAUSE_MS);
  }

  async #tick() {
    this.#looking = true;
    let more = false;
    try {
      more = await this.#look();
    } finally {
      this.#looking = false;
    }
    if (more) this.start();
  }
}
