// @ts-check
// Keeps the connection to the server: what is lost is opened again.

import { Emitter } from "../emitter.js";

/**
 * @typedef {import("../record_client.js").RecordClient} RecordClient
 *
 * @typedef {object} ConnectionEvents
 * @property {{ phase: "connecting" | "open" | "lost", text: string }} change
 */

const LONGEST_WAIT_S = 10;

/** @extends {Emitter<ConnectionEvents>} */
export class Connection extends Emitter {
  #client;
  #failures = 0;
  #waiting = false;
  /** A reconnection on purpose is not a loss. */
  #renewing = false;

  /** @param {RecordClient} client */
  constructor(client) {
    super();
    this.#client = client;
    client.on("close", () => {
      if (!this.#renewing) this.#retryLater();
    });
  }

  /** Connects; until it succeeds it tries again and again, ever more slowly. */
  async open() {
    this.emit("change", { phase: "connecting", text: "Connecting" });
    try {
      await this.#client.connect();
      this.#failures = 0;
      this.emit("change", { phase: "open", text: "Connected" });
    } catch {
      this.#retryLater();
    }
  }

  /** Connects anew, so that the server forgets what this page published and watched. */
  async renew() {
    if (!this.#client.isConnected) return;
    this.#renewing = true;
    this.#client.close();
    this.#renewing = false;
    await this.open();
  }

  #retryLater() {
    if (this.#waiting) return;
    this.#waiting = true;
    const seconds = Math.min(LONGEST_WAIT_S, 2 ** this.#failures);
    this.#failures += 1;
    this.emit("change", { phase: "lost", text: `Lost, trying again in ${seconds} s` });
    setTimeout(() => {
      this.#waiting = false;
      void this.open();
    }, seconds * 1000);
  }
}
