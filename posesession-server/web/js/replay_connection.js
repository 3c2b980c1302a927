// @ts-check
// One session's replay, whatever happens to its connection: what was wished for is asked of the server again when it is back.

import { Emitter } from "./emitter.js";
import { PosesessionError } from "./errors.js";

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./command_socket.js").Message} Message
 * @typedef {import("./replay_client.js").ReplayClient} ReplayClient
 * @typedef {import("./replay_client.js").Range} Range
 * @typedef {import("./replay_client.js").SeekTarget} SeekTarget
 *
 * @typedef {object} Wish what the server is asked for at the beginning of each connection
 * @property {boolean} playing
 * @property {number} rate
 * @property {Range | null} range null: the whole session, once
 * @property {SeekTarget | null} target null: the beginning
 *
 * @typedef {"connecting" | "open" | "failed" | "closed"} ConnectionStatus
 *
 * @typedef {object} ConnectionEvents
 * @property {ConnectionStatus} status
 * @property {Message} session the recording; again when it changes, and after each new connection
 * @property {Message} state
 * @property {DecodedFrame} frame
 * @property {PosesessionError} trouble what heals, or concerns one command only
 *
 * @typedef {object} ConnectionOptions
 * @property {() => ReplayClient} newClient
 * @property {() => Promise<unknown>} findSession rejects with an `ApiError` that says why there is no connection
 * @property {Partial<Wish>} [wish]
 * @property {(action: () => void, delayMs: number) => () => void} [later] returns what calls it off
 */

const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 8000;

/** Answers of the HTTP interface after which trying again is of no use. */
const FINAL_STATUSES = [400, 401, 403, 404, 410];

/** @type {Wish} */
const NOTHING = { playing: false, rate: 1, range: null, target: null };

/**
 * Commands resolve with the `state` that answers them. While there is no connection they are kept, and resolve when they
 * came true after all; they reject when the replay has failed or was closed.
 * @extends {Emitter<ConnectionEvents>}
 */
export class ReplayConnection extends Emitter {
  #options;
  /** @type {Wish} */
  #wish;
  /** The client that commands go to, once the wish has been restored. @type {ReplayClient | null} */
  #client = null;
  /** The client that is being connected or restored. @type {ReplayClient | null} */
  #next = null;
  /** @type {ConnectionStatus} */
  #status = "connecting";
  #ready = deferred();
  #delayMs = FIRST_DELAY_MS;
  /** @type {(() => void) | null} */
  #callOff = null;
  /** @type {PosesessionError | null} */
  #error = null;

  /** @param {ConnectionOptions} options */
  constructor({ newClient, findSession, wish = {}, later = timer }) {
    super();
    this.#options = { newClient, findSession, later };
    this.#wish = { ...NOTHING, ...wish };
  }

  get status() {
    return this.#status;
  }

  /** Why there is no replay, once that is final. */
  get error() {
    return this.#error;
  }

  /** Seconds within the session; where it will go on while there is no connection. */
  get position() {
    return this.#client?.position ?? this.#wish.target?.timestamp ?? 0;
  }

  /** What a new connection would be asked for to go on as this one does. @returns {Wish} */
  get wish() {
    const state = this.#client?.state;
    if (!state) return { ...this.#wish };
    return {
      ...this.#wish,
      playing: state.status === "playing" || state.status === "buffering",
      rate: state.rate,
      target: { timestamp: this.position },
    };
  }

  /** Starts; what happens is told by events. */
  open() {
    void this.#connect();
  }

  /** Tries at once to connect, if it is waiting to. */
  retry() {
    if (!this.#callOff) return;
    this.#callOff();
    void this.#connect();
  }

  close() {
    this.#end("closed", new PosesessionError("closed", "the replay was closed"));
  }

  /** @param {number} [rate] */
  play(rate) {
    return this.#ask(
      (client) => client.play(rate),
      (wish) => Object.assign(wish, { playing: true }, rate === undefined ? {} : { rate }),
    );
  }

  pause() {
    return this.#ask((client) => client.pause(), (wish) => Object.assign(wish, { playing: false }));
  }

  /** @param {SeekTarget} target */
  seek(target) {
    return this.#ask((client) => client.seek(target), (wish) => Object.assign(wish, { target }));
  }

  /** @param {number} rate */
  setRate(rate) {
    return this.#ask((client) => client.setRate(rate), (wish) => Object.assign(wish, { rate }));
  }

  /** @param {Range | null} range null: the whole session, once */
  async setRange(range) {
    const state = await this.#ask((client) => sendRange(client, range), (wish) => Object.assign(wish, { range }));
    this.#wish.range = range;
    return state;
  }

  /** @param {number} frames */
  step(frames) {
    if (!this.#client) return Promise.reject(new PosesessionError("not_connected", "cannot step: not connected"));
    return this.#client.step(frames);
  }

  /**
   * @param {(client: ReplayClient) => Promise<Message>} send
   * @param {(wish: Wish) => void} keep
   * @returns {Promise<Message>}
   */
  async #ask(send, keep) {
    if (this.#client) {
      try {
        return await send(this.#client);
      } catch (error) {
        if (!(error instanceof PosesessionError) || (error.code !== "closed" && error.code !== "not_connected")) throw error;
      }
    }
    keep(this.#wish);
    return this.#ready.promise;
  }

  async #connect() {
    this.#callOff = null;
    const client = this.#options.newClient();
    this.#next = client;
    /** What comes before the wish has come true is kept: it may be the frame of the first picture. @type {DecodedFrame[]} */
    const early = [];
    client.on("session", (session) => this.emit("session", session));
    client.on("state", (state) => {
      if (this.#client === client) this.emit("state", state);
    });
    client.on("frame", (frame) => {
      if (this.#client === client) this.emit("frame", frame);
      else early[0] = frame;
    });
    client.on("error", (error) => this.#hear(client, error));
    client.on("close", () => void this.#lose(client));
    try {
      await client.connect();
      const state = await this.#restore(client);
      if (this.#next !== client) return;
      this.#client = client;
      this.#delayMs = FIRST_DELAY_MS;
      this.#setStatus("open");
      this.emit("state", state);
      if (early[0]?.epoch === state.epoch) this.emit("frame", early[0]);
      this.#ready.resolve(state);
    } catch (error) {
      if (isMissing(error)) this.#end("failed", error);
      else void this.#lose(client);
    }
  }

  /**
   * Asks for what was wished for; what is refused (a marker that isn't there) is told and leaves the rest.
   * @param {ReplayClient} client
   * @returns {Promise<Message>} the state after it
   */
  async #restore(client) {
    const { playing, rate, range, target } = this.#wish;
    const commands = [];
    if (range) commands.push(sendRange(client, range));
    if (rate !== 1) commands.push(client.setRate(rate));
    if (target) commands.push(client.seek(target));
    if (playing) commands.push(client.play());
    const answers = await Promise.allSettled(commands);
    for (const answer of answers) {
      if (answer.status === "rejected" && answer.reason.code !== "closed") this.emit("trouble", answer.reason);
    }
    if (!client.state) await firstState(client);
    if (!client.state) throw new PosesessionError("closed", "the connection ended");
    return client.state;
  }

  /**
   * @param {ReplayClient} client
   * @param {PosesessionError} error
   */
  #hear(client, error) {
    if (client !== this.#next) return;
    if (isMissing(error)) this.#end("failed", error);
    else this.emit("trouble", error);
  }

  /** @param {ReplayClient} client */
  async #lose(client) {
    if (client !== this.#next) return;
    this.#wish = this.wish;
    this.#client = null;
    this.#next = null;
    this.#setStatus("connecting");
    client.close();
    const reason = await this.#options.findSession().then(() => null, (error) => error);
    if (this.#next || this.#callOff || this.#status !== "connecting") return;
    if (reason && FINAL_STATUSES.includes(reason.status)) {
      this.#end("failed", reason);
      return;
    }
    if (reason) this.emit("trouble", reason);
    this.#callOff = this.#options.later(() => void this.#connect(), this.#delayMs);
    this.#delayMs = Math.min(LONGEST_DELAY_MS, this.#delayMs * 2);
  }

  /**
   * @param {"failed" | "closed"} status
   * @param {PosesessionError} error
   */
  #end(status, error) {
    if (this.#status === "closed" || this.#status === "failed") return;
    this.#wish = this.wish;
    const client = this.#next;
    this.#client = null;
    this.#next = null;
    this.#callOff?.();
    this.#callOff = null;
    this.#ready.reject(error);
    if (status === "failed") this.#error = error;
    this.#setStatus(status);
    client?.close();
  }

  /** @param {ConnectionStatus} status */
  #setStatus(status) {
    if (this.#status === "open" && status === "connecting") this.#ready = deferred();
    if (this.#status === status) return;
    this.#status = status;
    this.emit("status", status);
  }
}

/**
 * @param {ReplayClient} client
 * @param {Range | null} range
 */
function sendRange(client, range) {
  if (range && (range.start !== undefined || range.end !== undefined)) return client.setRange(range);
  const whole = client.setRange();
  return range?.loop && range.loop !== "none" ? client.setRange({ loop: range.loop }) : whole;
}

/**
 * @param {unknown} error
 * @returns {error is PosesessionError}
 */
function isMissing(error) {
  return error instanceof PosesessionError && error.code === "session_not_found";
}

/**
 * @param {ReplayClient} client
 * @returns {Promise<void>} resolved when it came, or cannot come any more
 */
function firstState(client) {
  return new Promise((resolve) => {
    client.on("state", () => resolve());
    client.on("close", () => resolve());
  });
}

/** A promise to be settled later; nobody has to wait for it. */
function deferred() {
  /** @type {(state: Message) => void} */
  let resolve = () => {};
  /** @type {(error: Error) => void} */
  let reject = () => {};
  /** @type {Promise<Message>} */
  const promise = new Promise((...settle) => {
    [resolve, reject] = settle;
  });
  promise.catch(() => {});
  return { promise, resolve, reject };
}

/**
 * @param {() => void} action
 * @param {number} delayMs
 */
function timer(action, delayMs) {
  const id = setTimeout(action, delayMs);
  return () => clearTimeout(id);
}
