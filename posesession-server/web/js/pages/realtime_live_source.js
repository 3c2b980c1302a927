// @ts-check
// The one source that is shown: opened, published or watched on each new connection, and replaced by another.

import { Emitter } from "../emitter.js";
import { PosesessionError } from "../errors.js";
import { isKeptElsewhere } from "./realtime_kept.js";
import { CameraSource, RemoteSource } from "./realtime_sources.js";

/**
 * @typedef {import("../record_client.js").RecordClient} RecordClient
 * @typedef {import("./realtime_connection.js").Connection} Connection
 * @typedef {import("./realtime_sources.js").Source} Source
 * @typedef {import("./realtime_sources.js").Stage} Stage
 *
 * @typedef {object} SourceChoice
 * @property {"camera" | "remote"} kind
 * @property {string} stream
 * @property {string} device_id
 * @property {string} model
 * @property {number} fps pictures a second that the camera is asked for
 *
 * @typedef {object} LiveSourceEvents
 * @property {"opening" | "ready" | "flowing" | "waiting" | "busy" | "taken" | "failed"} change `flowing`: the server has taken it on;
 *   `waiting`: there is no connection; `busy`: another program sends to the stream; `taken`: it does now
 * @property {{ persons: number }} pose
 * @property {Source} delegate another processor runs the model of this source
 * @property {unknown} failed
 */

/** @extends {Emitter<LiveSourceEvents>} */
export class LiveSource extends Emitter {
  #client;
  #connection;
  #stage;
  /** @type {Source | null} */
  #source = null;
  #ready = false;
  /**
   * Under which name this page publishes each stream: with the same one, another camera goes on with a recording.
   * @type {Map<string, string>}
   */
  #publishers = new Map();
  /** Whether this connection was already told to publish or watch, and whether it does. */
  #attached = false;
  #flowing = false;
  /** Whether nothing is published yet, because an older recording of this stream has to be finished first. */
  isHeld = false;

  /**
   * @param {RecordClient} client
   * @param {Connection} connection
   * @param {Stage} stage
   */
  constructor(client, connection, stage) {
    super();
    this.#client = client;
    this.#connection = connection;
    this.#stage = stage;
    client.on("error", (error) => {
      if (error.code === "not_publisher") this.#leave();
    });
  }

  get source() {
    return this.#source;
  }

  get isReady() {
    return this.#ready;
  }

  /** Whether a recording can be started. */
  get isFlowing() {
    return this.#ready && this.#flowing;
  }

  /**
   * Opens a source in place of the one before.
   * @param {SourceChoice} choice
   * @param {() => Promise<string>} modelOf asks for the model that there is
   */
  async open(choice, modelOf) {
    this.#source?.close();
    this.#ready = false;
    const publisher = this.#publishers.get(choice.stream) ?? randomName();
    const opened =
      choice.kind === "remote" ? new RemoteSource(this.#client, this.#stage, choice) : new CameraSource(this.#client, this.#stage, { ...choice, publisher });
    if (opened.kind === "camera") this.#publishers.set(choice.stream, publisher);
    this.#source = opened;
    this.emit("change", "opening");
    opened.on("pose", ({ persons }) => {
      if (this.#source === opened) this.emit("pose", { persons });
    });
    opened.on("delegate", () => this.emit("delegate", opened));
    opened.on("error", (error) => this.#fail(opened, error));
    try {
      if (opened.kind === "camera") opened.model = await modelOf();
      await opened.open();
    } catch (error) {
      this.#fail(opened, error);
      return;
    }
    if (this.#source !== opened) return;
    this.#ready = true;
    this.emit("change", "ready");
    if (this.#attached) await this.#connection.renew();
    else await this.attach();
  }

  /** Notes that there is no connection any more, or a new one. */
  detach() {
    this.#attached = false;
    this.#flowing = false;
    this.emit("change", "waiting");
  }

  /**
   * Publishes or watches on the connection.
   * @param {{ take_over?: boolean }} [options]
   */
  async attach(options = {}) {
    const source = this.#source;
    if (!source || !this.#ready || !this.#client.isConnected || (this.isHeld && source.kind === "camera")) return;
    this.#attached = true;
    try {
      if (source.kind === "camera" && !options.take_over && (await isKeptElsewhere(source.stream))) {
        throw new PosesessionError("stream_busy", "another page has a recording of this stream to finish");
      }
      if (this.#source !== source || !this.#client.isConnected) return;
      await source.attach(options);
    } catch (error) {
      if (!(error instanceof PosesessionError) || error.code !== "stream_busy") throw error;
      this.emit("change", "busy");
      return;
    }
    if (this.#source !== source) return;
    this.#flowing = true;
    this.emit("change", "flowing");
  }

  /** Stops sending to a stream that another program has taken over; what is recorded there is recorded of that program. */
  #leave() {
    if (this.#source?.kind !== "camera") return;
    this.#source.detach();
    this.#flowing = false;
    this.emit("change", "taken");
  }

  /**
   * @param {Source} failed
   * @param {unknown} error
   */
  #fail(failed, error) {
    if (this.#source !== failed) return;
    failed.close();
    this.#source = null;
    this.#ready = false;
    this.emit("failed", error);
    this.emit("change", "failed");
  }
}

/** `crypto.randomUUID` is only there on secure pages. */
function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
