// @ts-check
// Keeps the connection to the server: what is lost, or silent for too long, is opened again.

import { Emitter } from "../emitter.js";

/**
 * @typedef {import("../record_client.js").RecordClient} RecordClient
 *
 * @typedef {object} ConnectionChange
 * @property {"connecting" | "open" | "silent" | "lost"} phase `silent`: open, but nothing comes; once lost it stays so until it is open
 * @property {string} text
 *
 * @typedef {object} ConnectionEvents
 * @property {ConnectionChange} change
 */

/** Waits are drawn from 0 to their bound, so that not all pages of a restarted server come at once. */
const FIRST_BOUND_S = 0.1;
const LONGEST_BOUND_S = 5;
/** A recording's status comes twice a second. Seconds are counted by ticks: a page that slept has not heard less. */
const SILENT_AFTER_TICKS = 4;
const LOST_AFTER_TICKS = 15;
/** As streamers have it: what is sent and not acknowledged for so long went nowhere. */
const UNACKED_AFTER_TICKS = 10;
const SENDING_BYTES = 64 * 1024;
const TICK_MS = 1000;

/** @extends {Emitter<ConnectionEvents>} */
export class Connection extends Emitter {
  #client;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  #silentTicks = 0;
  /** A reconnection on purpose is not a loss. */
  #renewing = false;
  /** Whether the server is due to tell something all the time, as it does of a recording. */
  expectsNews = false;
  #unackedTicks = 0;
  /** What had not left yet a tick before: on a slow connection, what is sent is acknowledged only once it has left. */
  #bufferedBytes = 0;
  /** Whether the server said that it cannot store: acknowledgements are late for that, and another connection helps nothing. */
  isStoreDown = false;

  /** @param {RecordClient} client */
  constructor(client) {
    super();
    this.#client = client;
    client.on("close", () => {
      if (!this.#renewing) this.#retryLater();
    });
    client.on("ack", () => (this.#unackedTicks = 0));
    for (const event of /** @type {const} */ (["recording_status", "ack", "frame"])) client.on(event, () => this.#heard());
    setInterval(() => this.#listen(), TICK_MS);
    addEventListener("online", () => this.retryNow());
  }

  /** Connects; until it succeeds it tries again and again, ever more slowly. */
  async open() {
    if (this.#failures === 0) this.emit("change", { phase: "connecting", text: "Connecting" });
    else this.emit("change", { phase: "lost", text: "Trying again" });
    try {
      await this.#client.connect();
      this.#failures = 0;
      this.#silentTicks = 0;
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

  /** Does not wait any longer for the next attempt. */
  retryNow() {
    if (this.#retry === undefined) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    void this.open();
  }

  #retryLater() {
    if (this.#retry !== undefined) return;
    const seconds = Math.random() * Math.min(LONGEST_BOUND_S, FIRST_BOUND_S * 2 ** this.#failures);
    this.#failures += 1;
    this.emit("change", { phase: "lost", text: seconds < 1 ? "Lost, trying again" : `Lost, trying again in ${Math.ceil(seconds)} s` });
    this.#retry = setTimeout(() => this.retryNow(), seconds * 1000);
  }

  #heard() {
    const wasSilent = this.#silentTicks >= SILENT_AFTER_TICKS;
    this.#silentTicks = 0;
    if (wasSilent && this.#client.isConnected) this.emit("change", { phase: "open", text: "Connected" });
  }

  /** A connection whose cable was pulled looks open for minutes. */
  #listen() {
    const before = this.#bufferedBytes;
    this.#bufferedBytes = this.#client.buffered_bytes;
    // A few frames come and go also where nothing gets through any more.
    const waits = this.#client.isConnected && this.#client.unacked.frames > 0 && !this.isStoreDown;
    this.#unackedTicks = waits && (before < SENDING_BYTES || this.#bufferedBytes >= before) ? this.#unackedTicks + 1 : 0;
    if (this.#unackedTicks >= UNACKED_AFTER_TICKS) {
      this.#unackedTicks = 0;
      this.#client.close();
      return;
    }
    if (!this.expectsNews || !this.#client.isConnected) {
      this.#silentTicks = 0;
      return;
    }
    this.#silentTicks += 1;
    if (this.#silentTicks >= LOST_AFTER_TICKS) this.#client.close();
    else if (this.#silentTicks === SILENT_AFTER_TICKS) this.emit("change", { phase: "silent", text: "No answer" });
  }
}
