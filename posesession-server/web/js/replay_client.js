// @ts-check
// Playback commands out; due frames and the clock in: the replay protocol.

import { binaryKind, decodeFrame, FRAME_KIND } from "./binary_frame.js";
import { CommandSocket, socketUrl } from "./command_socket.js";
import { Emitter } from "./emitter.js";
import { PosesessionError } from "./errors.js";
import { frameFromJson } from "./json_frame.js";

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./command_socket.js").Message} Message
 * @typedef {import("./command_socket.js").Closed} Closed
 * @typedef {import("./command_socket.js").OpenSocket} OpenSocket
 * @typedef {import("./json_frame.js").Skeleton} Skeleton
 *
 * @typedef {object} SeekTarget exactly one of the first four
 * @property {number} [timestamp] seconds within the session
 * @property {number} [frame_number]
 * @property {number} [fraction] 0 to 1
 * @property {string} [marker] its label
 * @property {"before" | "nearest" | "exact"} [mode]
 *
 * @typedef {object} Range
 * @property {number} [start] seconds within the session
 * @property {number} [end] seconds within the session
 * @property {"none" | "loop" | "ping_pong"} [loop]
 *
 * @typedef {object} ReplayEvents
 * @property {Message} session the recording, its skeleton, duration, gaps and markers; again when a live one ends
 * @property {Message} state
 * @property {DecodedFrame} frame of the current epoch
 * @property {PosesessionError} error what no command waits for
 * @property {Closed} close the connection has ended
 *
 * @typedef {object} ReplayClientOptions
 * @property {string} [session_id]
 * @property {string} [url] instead of `session_id`; without a query
 * @property {boolean} [autoplay]
 * @property {"binary" | "json"} [format]
 * @property {() => number} [now] milliseconds of a clock that never jumps
 * @property {OpenSocket} [openSocket]
 */

/** A clock that is so far behind a frame's time has stood still. */
const CLOCK_LOST_S = 0.5;

/**
 * Replays one session. Objects keep the field names of the wire; methods are its commands in camel case.
 *
 * A command's promise resolves with the `state` that answers it and rejects with a `PosesessionError`.
 * @extends {Emitter<ReplayEvents>}
 */
export class ReplayClient extends Emitter {
  #options;
  /** @type {CommandSocket | null} */
  #commands = null;
  /** @type {Message | null} */
  #session = null;
  /** @type {Message | null} */
  #state = null;
  #stateArrivedMs = 0;
  #epoch = 0;
  #framesDropped = 0;
  #seeking = false;
  #closed = false;
  /** @type {{ target: SeekTarget, promise: Promise<Message>, start: () => void } | null} */
  #nextSeek = null;

  /** @param {ReplayClientOptions} options */
  constructor(options) {
    super();
    this.#options = { format: "binary", now: () => performance.now(), ...options };
  }

  /**
   * Connects and resolves with the `session` message.
   *
   * Rejects with the server's code (`session_not_found`) when it refuses the session.
   * @returns {Promise<Message>}
   */
  connect() {
    return new Promise((resolve, reject) => {
      const owner = {
        onMessage: (/** @type {Message} */ message) => {
          this.#receive(message);
          if (message.type === "session") resolve(message);
        },
        onBinary: (/** @type {ArrayBuffer} */ message) => {
          if (binaryKind(message) === FRAME_KIND) this.#receiveFrame(decodeFrame(message));
        },
        onError: (/** @type {PosesessionError} */ error) => {
          if (this.#session) this.emit("error", error);
          else reject(error);
        },
        onClose: (/** @type {Closed} */ closed) => {
          this.#commands = null;
          reject(new PosesessionError("closed", `the server closed the replay (${closed.reason || `code ${closed.code}`})`, { ...closed }));
          this.emit("close", closed);
        },
      };
      CommandSocket.connect(this.#url(), owner, this.#options.openSocket).then((commands) => {
        this.#commands = commands;
        if (this.#closed) commands.close();
      }, reject);
    });
  }

  /** The `session` message, null before it came. */
  get session() {
    return this.#session;
  }

  /** The last `state` message, null before the first. */
  get state() {
    return this.#state;
  }

  /** Frames of older epochs that came after a seek and were not handed on. */
  get frames_dropped() {
    return this.#framesDropped;
  }

  /**
   * The current position, extrapolated from the last `state`.
   * @returns {number} seconds within the session
   */
  get position() {
    const state = this.#state;
    if (!state) return 0;
    if (state.status !== "playing") return state.timestamp;
    const position = state.timestamp + (state.rate * (this.#options.now() - this.#stateArrivedMs)) / 1000;
    const end = this.#session && !this.#session.live ? this.#session.duration : Infinity;
    return Math.max(0, Math.min(position, end));
  }

  /** @param {number} [rate] 1 as recorded, negative backwards; as it was when absent */
  play(rate) {
    return this.#request("play", { rate });
  }

  pause() {
    return this.#request("pause");
  }

  /**
   * Seeks. While an earlier seek is unanswered only the latest waits: those it supersedes resolve with its answer.
   * @param {SeekTarget} target
   * @returns {Promise<Message>} the state where it landed
   */
  seek(target) {
    if (!this.#seeking) return this.#sendSeek(target);
    if (this.#nextSeek) {
      this.#nextSeek.target = target;
      return this.#nextSeek.promise;
    }
    let start = () => {};
    /** @type {Promise<void>} */
    const turn = new Promise((resolve) => {
      start = resolve;
    });
    /** @type {Promise<Message>} */
    const promise = turn.then(() => this.#sendSeek(next.target));
    const next = { target, start, promise };
    this.#nextSeek = next;
    return promise;
  }

  /** @param {number} rate within -16..16, not 0 */
  setRate(rate) {
    return this.#request("set_rate", { rate });
  }

  /** @param {number} frames how many frames on (or back, when negative); pauses */
  step(frames) {
    return this.#request("step", { frames });
  }

  /** @param {Range} [range] the whole session when absent */
  setRange(range = {}) {
    return this.#request("set_range", { ...range });
  }

  /** Ends the connection, also one that is only being made. */
  close() {
    this.#closed = true;
    this.#commands?.close();
  }

  #url() {
    const { url, session_id: sessionId = "", autoplay, format } = this.#options;
    const base = url ?? socketUrl(`/ws/replay/${encodeURIComponent(sessionId)}`);
    return `${base}?format=${format}${autoplay ? "&autoplay=1" : ""}`;
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} [fields]
   */
  #request(type, fields = {}) {
    if (!this.#commands) return Promise.reject(new PosesessionError("not_connected", `cannot ${type}: not connected`));
    return this.#commands.request(type, fields);
  }

  /** @param {SeekTarget} target */
  async #sendSeek(target) {
    this.#seeking = true;
    try {
      return await this.#request("seek", { ...target });
    } finally {
      const next = this.#nextSeek;
      this.#nextSeek = null;
      this.#seeking = next !== null;
      next?.start();
    }
  }

  /** @param {Message} message */
  #receive(message) {
    switch (message.type) {
      case "session":
        this.#session = message;
        this.emit("session", message);
        break;
      case "state":
        if (message.epoch < this.#epoch) return;
        this.#epoch = message.epoch;
        this.#state = message;
        this.#stateArrivedMs = this.#options.now();
        this.emit("state", message);
        break;
      case "frame":
        this.#receiveFrame(frameFromJson(message, this.#session?.skeleton ?? null));
        break;
      default:
        // What this version does not know is not for it.
        break;
    }
  }

  /** @param {DecodedFrame} frame */
  #receiveFrame(frame) {
    if (frame.epoch < this.#epoch) {
      this.#framesDropped += 1;
      return;
    }
    this.#epoch = frame.epoch;
    this.#keepTime(frame.timestamp);
    this.emit("frame", frame);
  }

  /**
   * A clock of this machine that stood still while it slept is behind its frames. (One that is ahead of them may be right: what
   * piled up meanwhile comes all at once.)
   * @param {number} timestamp of a frame that has come at its time, seconds
   */
  #keepTime(timestamp) {
    const state = this.#state;
    if (state?.status !== "playing" || (timestamp - this.position) * Math.sign(state.rate) < CLOCK_LOST_S) return;
    this.#state = { ...state, timestamp };
    this.#stateArrivedMs = this.#options.now();
  }
}
