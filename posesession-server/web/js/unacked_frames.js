// @ts-check
// What a streamer must be able to send again. Numbered frames in, what is not acknowledged yet out.

import { FRAME, VIDEO } from "./kept_recordings.js";

/**
 * @typedef {import("./kept_recordings.js").KeptMessage} KeptMessage
 * @typedef {import("./kept_recordings.js").KeptRecording} KeptRecording
 *
 * @typedef {object} UnackedLimits
 * @property {number} max_bytes the most that the frames may have together
 * @property {number} max_age the most time between the oldest frame and a new one, seconds
 * @property {"drop-oldest" | "drop-newest"} overflow what gives way when there is no room: the beginning of an outage, or its end
 *
 * @typedef {{ number: number, message: ArrayBuffer, pushed_at: number }} KeptFrame
 * @typedef {{ first: number, last: number }} DroppedRange
 */

/** As long as a server waits for its streamer to come back. @type {UnackedLimits} */
export const USUAL_LIMITS = { max_bytes: 64 * 1024 * 1024, max_age: 600, overflow: "drop-oldest" };

/**
 * Frames that are not acknowledged: each stays until `ack` covers its number, or until it gives way to another and is counted.
 *
 * Frames pushed = acknowledged + dropped + kept, always. It has no clock: `now` is seconds of any clock that only goes on.
 */
export class UnackedFrames {
  #limits;
  /** In the order of their numbers. @type {KeptFrame[]} */
  #frames = [];
  /** @type {DroppedRange[]} */
  #ranges = [];
  #bytes = 0;
  #acked = 0;
  #dropped = 0;
  #findsEarlier = false;
  /** Where it is written down, too. @type {KeptRecording | null} */
  #kept = null;

  /** @param {Partial<UnackedLimits>} [limits] */
  constructor(limits = {}) {
    this.#limits = { ...USUAL_LIMITS, ...limits };
  }

  get length() {
    return this.#frames.length;
  }

  get bytes() {
    return this.#bytes;
  }

  /** From the oldest to the newest. */
  get seconds() {
    return this.#frames.length > 0 ? this.#frames[this.#frames.length - 1].pushed_at - this.#frames[0].pushed_at : 0;
  }

  get max_bytes() {
    return this.#limits.max_bytes;
  }

  /**
   * Writes down what is kept and what comes, so that it outlives this page.
   * @param {KeptRecording | null} kept
   */
  keepIn(kept) {
    this.#kept = kept;
    for (const { number, message } of this.#frames) kept?.put(FRAME, number, message);
  }

  /** Frames that were acknowledged, and that gave way. */
  get acked() {
    return this.#acked;
  }

  get dropped() {
    return this.#dropped;
  }

  /** Numbers that will never come, as far as they are not settled. */
  get dropped_ranges() {
    return this.#ranges.map((range) => ({ ...range }));
  }

  /**
   * Takes a frame whose number is above all earlier ones. Returns the numbers that gave way for it, its own where it did.
   * @param {number} now seconds
   * @param {number} number
   * @param {ArrayBuffer} message
   * @returns {number[]}
   */
  push(now, number, message) {
    const size = message.byteLength;
    const { max_bytes: maxBytes, max_age: maxAge, overflow } = this.#limits;
    const isFull = () => this.#frames.length > 0 && (this.#bytes + size > maxBytes || now - this.#frames[0].pushed_at > maxAge);
    if (size > maxBytes || (overflow === "drop-newest" && isFull())) {
      this.#drop(number);
      return [number];
    }
    /** @type {number[]} */
    const gone = [];
    while (isFull()) {
      const oldest = /** @type {KeptFrame} */ (this.#frames.shift());
      this.#bytes -= oldest.message.byteLength;
      this.#drop(oldest.number);
      this.#kept?.settle(FRAME, oldest.number);
      gone.push(oldest.number);
    }
    this.#frames.push({ number, message, pushed_at: now });
    this.#kept?.put(FRAME, number, message);
    this.#bytes += size;
    return gone;
  }

  /**
   * Lets go of all that the other side has settled.
   * @param {number | null | undefined} storedThrough
   */
  ack(storedThrough) {
    if (storedThrough === null || storedThrough === undefined) return;
    const after = this.#frames.findIndex(({ number }) => number > storedThrough);
    const settled = this.#frames.splice(0, after === -1 ? this.#frames.length : after);
    for (const { message } of settled) this.#bytes -= message.byteLength;
    this.#acked += settled.length;
    if (settled.length > 0) this.#kept?.settle(FRAME, storedThrough);
    this.#ranges = this.#ranges.filter(({ last }) => last > storedThrough);
    const [oldest] = this.#frames;
    if (this.#findsEarlier && oldest?.number > storedThrough + 1) this.#ranges.push({ first: storedThrough + 1, last: oldest.number - 1 });
    this.#findsEarlier = false;
  }

  /** Another page has left these frames: what gave way before them there is known once it is known how much is settled. */
  findEarlier() {
    this.#findsEarlier = true;
  }

  /**
   * The kept frames from a number on, in order.
   * @param {number} number
   * @returns {KeptFrame[]}
   */
  from(number) {
    const first = this.#frames.findIndex((kept) => kept.number >= number);
    return first === -1 ? [] : this.#frames.slice(first);
  }

  /** @param {number} number */
  #drop(number) {
    this.#dropped += 1;
    const before = this.#ranges.find(({ last }) => last + 1 === number);
    if (before) before.last = number;
    else this.#ranges.push({ first: number, last: number });
  }
}

/** Refusals of a piece of video that may pass. */
const PASSING = ["storage", "out_of_range"];
/** A piece that could not be stored is tried again, each time after twice as long. */
const SEND_AGAIN_MS = 500;
const SEND_AGAIN_AT_MOST_MS = 10_000;

/** Pieces of a recording's video that are not stored yet. */
export class UnackedVideo {
  /** @type {{ end: number, message: ArrayBuffer }[]} */
  #pieces = [];
  #bytes = 0;
  /** How often a piece was refused since anything was stored. */
  #refusals = 0;
  /** Whether all waits to be sent again. */
  #isPutOff = false;
  /** @type {KeptRecording | null} */
  #kept = null;

  get bytes() {
    return this.#bytes;
  }

  /** @param {KeptRecording | null} kept where it is written down, too */
  keepIn(kept) {
    this.#kept = kept;
    for (const { end, message } of this.#pieces) kept?.put(VIDEO, end, message);
  }

  /**
   * Sends what is kept, in order.
   * @param {{ sendBinary: (message: ArrayBuffer) => void } | null} connection
   */
  sendAll(connection) {
    this.#isPutOff = false;
    for (const { message } of this.#pieces) connection?.sendBinary(message);
  }

  /**
   * Notes that a piece could not be stored, and with it none of those behind it.
   * @param {import("./errors.js").PosesessionError} refusal
   * @param {() => void} sendAgain called after a while, unless it does not help or is to be called anyway
   */
  refused({ code, details }, sendAgain) {
    this.ack(Number(details.expected ?? 0));
    if (this.#isPutOff || this.#pieces.length === 0 || !PASSING.includes(code)) return;
    this.#isPutOff = true;
    setTimeout(sendAgain, Math.min(SEND_AGAIN_MS * 2 ** this.#refusals, SEND_AGAIN_AT_MOST_MS));
    this.#refusals += 1;
  }

  /**
   * @param {number} end where in the video the piece ends, bytes
   * @param {ArrayBuffer} message
   */
  push(end, message) {
    this.#pieces.push({ end, message });
    this.#kept?.put(VIDEO, end, message);
    this.#bytes += message.byteLength;
  }

  /** @param {number} storedBytes */
  ack(storedBytes) {
    const before = this.#pieces.length;
    while (this.#pieces.length > 0 && this.#pieces[0].end <= storedBytes) {
      this.#bytes -= this.#pieces.shift()?.message.byteLength ?? 0;
    }
    if (this.#pieces.length === before) return;
    this.#refusals = 0;
    this.#kept?.settle(VIDEO, storedBytes);
  }
}

/**
 * Sorts what another page has left: all of it is kept.
 * @param {KeptMessage[]} messages frames, then video, in order
 */
export function unackedFrom(messages) {
  const frames = new UnackedFrames({ max_bytes: Infinity, max_age: Infinity });
  const video = new UnackedVideo();
  let next = 0;
  for (const { kind, number, message } of messages) {
    if (kind === VIDEO) {
      video.push(number, message);
    } else {
      frames.push(0, number, message);
      next = number + 1;
    }
  }
  frames.findEarlier();
  return { frames, video, next_frame_number: next };
}
