// @ts-check
// A session of a server in; playback with the properties, methods and events of media elements out.

import { ElementBase } from "./custom_element.js";
import { PosesessionError } from "./errors.js";
import { mediaEvents } from "./media_events.js";
import { ReplayClient } from "./replay_client.js";
import { ReplayConnection } from "./replay_connection.js";
import { replayMessage } from "./replay_message.js";
import { SessionApi } from "./session_api.js";
import { socketUrl } from "./command_socket.js";

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./command_socket.js").Message} Message
 * @typedef {import("./media_events.js").Moment} Moment
 * @typedef {import("./replay_client.js").Range} Range
 * @typedef {import("./replay_client.js").SeekTarget} SeekTarget
 * @typedef {import("./replay_connection.js").Wish} Wish
 *
 * @typedef {object} Marker
 * @property {"user" | "paused" | "gap" | "clock_jump" | "started"} kind
 * @property {number} timestamp seconds within the session
 * @property {string} label
 * @property {number} [duration] seconds
 * @property {number} [count] missing frames
 * @property {string} [cause]
 *
 * @typedef {{ start: number | null, end: number | null, loop: "none" | "loop" | "ping_pong" }} PlaybackRange null: the session's own
 */

/** While it plays, `timeupdate` comes at least this far apart. */
const TIME_UPDATE_MS = 200;

/** Where a range ends that has no end of its own, also when the session grows: seconds, longer than any session. */
const OPEN_END = 1e7;

/** @type {PlaybackRange} */
const WHOLE = { start: null, end: null, loop: "none" };

/** @type {Moment} */
const NOTHING = { readyState: 0, duration: NaN, status: "closed", paused: true, ended: false, seeking: false, playbackRate: 1 };

/**
 * What of `<pose-replay>` concerns time; what it looks like is up to the class that extends it.
 *
 * Events: those of media elements (`loadstart`, `durationchange`, `loadedmetadata`, `loadeddata`, `canplay`, `play`, `playing`,
 * `pause`, `waiting`, `timeupdate`, `seeking`, `seeked`, `ratechange`, `ended`, `error`, `emptied`), and `statechange` (of
 * `status`), `recordingchange`, `rangechange`.
 */
export class ReplayMediaElement extends ElementBase {
  /** @type {ReplayConnection | null} */
  #connection = null;
  /** @type {Message | null} */
  #session = null;
  /** @type {Message | null} */
  #state = null;
  /** @type {DecodedFrame | null} */
  #frame = null;
  /** The last moment of which events told. @type {Moment} */
  #told = NOTHING;
  /** @type {PosesessionError | null} */
  #trouble = null;
  #range = WHOLE;
  #defaultRate = 1;
  /** Where the seeks that are under way go, as far as it is known. @type {number | null} */
  #sought = null;
  #seeks = 0;
  /** What a later connection is to begin with: the element was taken out of its page. @type {Partial<Wish> | null} */
  #kept = null;
  #loadQueued = false;
  #lastTimeUpdateMs = -Infinity;
  #clockRequest = 0;

  get session() {
    return this.getAttribute("session") ?? "";
  }

  set session(id) {
    this.setAttribute("session", id);
  }

  /** The server's address; where this module came from when the attribute is absent. */
  get server() {
    return new URL(this.getAttribute("server") || import.meta.url, document.baseURI).origin;
  }

  set server(address) {
    this.setAttribute("server", address);
  }

  get autoplay() {
    return this.hasAttribute("autoplay");
  }

  set autoplay(autoplay) {
    this.toggleAttribute("autoplay", autoplay);
  }

  get loop() {
    return this.hasAttribute("loop");
  }

  set loop(loop) {
    this.toggleAttribute("loop", loop);
  }

  /** Seconds within the session; while seeking, where it seeks to. */
  get currentTime() {
    return this.#sought ?? this.#connection?.position ?? this.#kept?.target?.timestamp ?? 0;
  }

  set currentTime(seconds) {
    const last = Number.isNaN(this.duration) ? Infinity : this.duration;
    void this.seek({ timestamp: Math.max(0, Math.min(seconds, last)) }).catch(() => {});
  }

  /** Seconds; NaN before it is known. That of a live session grows. */
  get duration() {
    if (!this.#session) return NaN;
    return this.#session.live ? Math.max(this.#session.duration, this.#frame?.timestamp ?? 0, this.#state?.timestamp ?? 0) : this.#session.duration;
  }

  get paused() {
    const { status } = this;
    if (status === "connecting") return !this.#connection?.wish.playing;
    return status !== "playing" && status !== "buffering";
  }

  get ended() {
    return this.status === "ended";
  }

  get seeking() {
    return this.#seeks > 0;
  }

  /** As the server plays: negative backwards, also on the way back of a range with `ping_pong`. */
  get playbackRate() {
    const wish = this.#connection?.wish ?? this.#kept;
    return wish?.rate ?? this.#defaultRate;
  }

  set playbackRate(rate) {
    void this.setRate(rate).catch((error) => this.#hear(error));
  }

  /** The rate that a session begins with. */
  get defaultPlaybackRate() {
    return this.#defaultRate;
  }

  set defaultPlaybackRate(rate) {
    this.#defaultRate = rate;
  }

  /** 0 nothing, 1 the recording is known, 2 a frame is there, 4 it goes on. */
  get readyState() {
    if (!this.#session) return 0;
    if (!this.#frame) return 1;
    return this.status === "paused" || this.status === "playing" || this.status === "ended" ? 4 : 2;
  }

  /** Why there is no replay, where that is final. @returns {PosesessionError | null} */
  get error() {
    return this.#connection?.error ?? null;
  }

  /** @returns {"connecting" | "paused" | "playing" | "buffering" | "ended" | "closed" | "failed"} */
  get status() {
    const status = this.#connection?.status ?? "closed";
    return status === "open" ? this.#state?.status ?? "connecting" : status;
  }

  /** What there is to say, as a sentence for people; empty when the picture says all. */
  get message() {
    return replayMessage({
      chosen: this.session !== "",
      status: this.status,
      error: this.error,
      trouble: this.#trouble,
      foreign: this.server === location.origin ? null : location.origin,
      lost: this.#session !== null,
      live: this.live,
      frameCount: this.frameCount,
      cause: this.#state?.cause ?? null,
    });
  }

  /** The session as the HTTP interface shows it. @returns {import("./session_api.js").SessionRecording | null} */
  get recording() {
    return this.#session?.session ?? null;
  }

  /** @returns {import("./json_frame.js").Skeleton | null} */
  get skeleton() {
    return this.#session?.skeleton ?? null;
  }

  /** @returns {Marker[]} */
  get markers() {
    return this.#session?.markers ?? [];
  }

  /** @returns {Marker[]} */
  get gaps() {
    return this.#session?.gaps ?? [];
  }

  /** @returns {number} NaN: not known */
  get frameCount() {
    return this.#session?.frame_count ?? NaN;
  }

  /** Whether the session is still being recorded. @returns {boolean} */
  get live() {
    return this.#session?.live ?? false;
  }

  /** The frame that is shown, null before the first. */
  get frame() {
    return this.#frame;
  }

  /** @returns {number} NaN: none is shown */
  get frameNumber() {
    return this.#frame?.frame_number ?? NaN;
  }

  /** Counts the seeks of this connection. @returns {number} */
  get epoch() {
    return this.#state?.epoch ?? 0;
  }

  /** What is played, and what follows its end; `null` where it is the session's own beginning or end. */
  get range() {
    return { ...this.#range, loop: this.#loopMode };
  }

  /**
   * Plays, from the range's start if it has ended. Resolves when the server does; rejects when the replay has failed.
   * @returns {Promise<void>}
   */
  async play() {
    await this.#command(this.#needed().play());
  }

  pause() {
    void this.#command(this.#needed().pause()).catch((error) => this.#hear(error));
  }

  /**
   * @param {SeekTarget} target one of `timestamp` (s), `frame_number`, `fraction`, `marker` (its label), and `mode`
   * @returns {Promise<void>} resolved when it has landed
   */
  async seek(target) {
    const connection = this.#needed();
    this.#seeks += 1;
    this.#sought = target.timestamp ?? (target.fraction === undefined ? null : target.fraction * this.duration);
    this.#tell();
    try {
      await connection.seek(target);
    } finally {
      if (connection === this.#connection) this.#seeks -= 1;
      if (this.#seeks === 0) this.#sought = null;
      this.#tell();
    }
  }

  /**
   * Pauses, and goes `frames` on, or back when negative.
   * @param {number} frames
   */
  async step(frames) {
    await this.#command(this.#needed().step(frames));
  }

  /**
   * @param {number} rate within -16..16, not 0; negative: backwards
   */
  async setRate(rate) {
    await this.#command(this.#needed().setRate(rate));
  }

  /**
   * Sets the part that is played, and what follows its end; without fields the whole session is.
   * @param {{ start?: number | null, end?: number | null, loop?: "none" | "loop" | "ping_pong" }} [range] seconds
   */
  async setRange({ start = null, end = null, loop = "none" } = {}) {
    this.#loadIfQueued();
    const before = this.#range;
    this.#range = { start, end, loop };
    this.dispatchEvent(new Event("rangechange"));
    try {
      await this.#sendRange();
    } catch (error) {
      this.#range = before;
      this.dispatchEvent(new Event("rangechange"));
      throw error;
    }
  }

  /** Begins again, with the session and server that the attributes name now. */
  load() {
    this.#loadQueued = false;
    this.#kept = null;
    this.#range = WHOLE;
    this.#leave();
    if (this.isConnected) this.#enter();
  }

  /** @protected */
  connectMedia() {
    this.#enter();
    document.addEventListener("visibilitychange", this.#retry);
    addEventListener("online", this.#retry);
  }

  /** @protected */
  disconnectMedia() {
    document.removeEventListener("visibilitychange", this.#retry);
    removeEventListener("online", this.#retry);
    const wish = this.#connection?.wish;
    const target = wish?.target ?? { timestamp: this.currentTime };
    this.#kept = wish ? { ...wish, target, playing: false } : null;
    this.#leave();
  }

  /**
   * @protected
   * @param {string} name of an attribute that has changed
   */
  changeMedia(name) {
    if (!this.isConnected) {
      if (name !== "loop") this.#kept = null;
    } else if (name === "loop") {
      void this.#sendRange().catch((error) => this.#hear(error));
    } else if (!this.#loadQueued) {
      // Session and server may be changed one after the other.
      this.#loadQueued = true;
      queueMicrotask(() => this.#loadIfQueued());
    }
  }

  /** @protected For the class that extends this one: the recording, the frame or the message is another. */
  recordingChanged() {}

  /**
   * @protected
   * @param {DecodedFrame} _frame
   */
  frameChanged(_frame) {}

  /** @protected */
  messageChanged() {}

  /** @protected The clock has gone on: at each repaint while it plays, and when it goes elsewhere. */
  clockChanged() {}

  #enter() {
    const { session, server } = this;
    if (session === "") {
      this.messageChanged();
      return;
    }
    const page = new URL(server);
    const connection = new ReplayConnection({
      newClient: () => new ReplayClient({ url: socketUrl(`/ws/replay/${encodeURIComponent(session)}`, page) }),
      findSession: () => new SessionApi({ base: server }).read(session),
      wish: { rate: this.#defaultRate, playing: this.autoplay, range: this.#wireRange(), ...this.#kept },
    });
    this.#connection = connection;
    this.#kept = null;
    connection.on("status", (status) => {
      if (status === "failed") this.dispatchEvent(new Event("error"));
      this.#tell();
    });
    connection.on("session", (message) => {
      this.#session = message;
      this.recordingChanged();
      this.dispatchEvent(new Event("recordingchange"));
      this.#tell();
    });
    connection.on("state", (state) => {
      this.#state = state;
      this.#trouble = null;
      this.#tell();
    });
    connection.on("frame", (frame) => {
      const isFirst = this.#frame === null;
      this.#frame = frame;
      this.frameChanged(frame);
      if (isFirst) this.#tell();
    });
    connection.on("trouble", (error) => this.#hear(error));
    this.dispatchEvent(new Event("loadstart"));
    this.#tell();
    connection.open();
  }

  #leave() {
    const hadSession = this.#session !== null;
    const connection = this.#connection;
    this.#connection = null;
    this.#session = null;
    this.#state = null;
    this.#frame = null;
    this.#trouble = null;
    this.#seeks = 0;
    this.#sought = null;
    connection?.close();
    this.#told = { ...NOTHING, status: this.#told.status, playbackRate: this.#told.playbackRate };
    if (hadSession) {
      this.recordingChanged();
      this.dispatchEvent(new Event("emptied"));
    }
    this.#tell();
  }

  /** While it plays, the clock is looked at with each repaint: a hidden page has none, and needs none. */
  #tick = () => {
    this.#clockRequest = 0;
    if (this.status !== "playing") return;
    this.#clockRequest = requestAnimationFrame(this.#tick);
    this.clockChanged();
    const now = performance.now();
    if (now - this.#lastTimeUpdateMs < TIME_UPDATE_MS) return;
    this.#lastTimeUpdateMs = now;
    this.dispatchEvent(new Event("timeupdate"));
    if (this.live) this.#tell();
  };

  #retry = () => {
    if (document.visibilityState === "visible") this.#connection?.retry();
  };

  /** @returns {ReplayConnection} */
  #needed() {
    this.#loadIfQueued();
    if (!this.#connection) throw new PosesessionError("not_connected", "the element has no session, or stands in no page");
    return this.#connection;
  }

  #loadIfQueued() {
    if (!this.#loadQueued) return;
    this.#loadQueued = false;
    this.load();
  }

  /** @param {Promise<Message>} answer */
  async #command(answer) {
    this.#tell();
    await answer;
    this.#tell();
  }

  get #loopMode() {
    return this.#range.loop === "none" && this.loop ? "loop" : this.#range.loop;
  }

  /** @returns {Range | null} */
  #wireRange() {
    const { start, end } = this.#range;
    if (start === null && end === null && this.#loopMode === "none") return null;
    if (start === null && end === null) return { loop: this.#loopMode };
    // Both, as the server would keep an earlier one.
    return { start: start ?? 0, end: end ?? OPEN_END, loop: this.#loopMode };
  }

  async #sendRange() {
    await this.#connection?.setRange(this.#wireRange());
  }

  /** @param {PosesessionError} error that concerns one moment only */
  #hear(error) {
    this.#trouble = error;
    this.messageChanged();
  }

  /** Tells of what has changed since it was told last. */
  #tell() {
    const { readyState, duration, status, paused, ended, seeking, playbackRate } = this;
    const now = { readyState, duration, status, paused, ended, seeking, playbackRate };
    const events = mediaEvents(this.#told, now);
    this.#told = now;
    this.messageChanged();
    if (status === "playing" && this.#clockRequest === 0) this.#clockRequest = requestAnimationFrame(this.#tick);
    this.clockChanged();
    for (const name of events) this.dispatchEvent(new Event(name));
  }
}
