// @ts-check
// Commands, frames and video out; live frames and the recording's status in: the record protocol.

import { binaryKind, decodeFrame, DEFAULT_STREAM, encodeFrame, encodeVideoPieces, FRAME_KIND } from "./binary_frame.js";
import { CommandSocket, socketUrl } from "./command_socket.js";
import { Emitter } from "./emitter.js";
import { PosesessionError, RECORDING_OVER } from "./errors.js";
import { frameFromJson } from "./json_frame.js";
import { unackedFrom, UnackedFrames, UnackedVideo, USUAL_LIMITS } from "./unacked_frames.js";

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./command_socket.js").Message} Message
 * @typedef {import("./command_socket.js").Closed} Closed
 * @typedef {import("./json_frame.js").Skeleton} Skeleton
 * @typedef {import("./record_options.js").FrameToSend} FrameToSend
 * @typedef {import("./record_options.js").FrameNotSent} FrameNotSent
 * @typedef {import("./record_options.js").StartRecording} StartRecording
 *
 * @typedef {import("./kept_recordings.js").KeptRecording} KeptRecording
 * @typedef {import("./kept_recordings.js").LeftRecording} LeftRecording
 * @typedef {import("./record_options.js").RecordEvents} RecordEvents
 * @typedef {import("./record_options.js").RecordClientOptions} RecordClientOptions
 */

const MIB = 1024 * 1024;
/** A server that is there greets at once; after so long the connection went nowhere. */
const WELCOME_WITHIN_MS = 10_000;

/**
 * Publishes poses, controls recordings and watches streams, in any mix.
 *
 * Objects keep the field names of the wire (`frame_number`); methods are its commands in camel case. A command's promise
 * resolves with its answer and rejects with a `PosesessionError` that carries the server's code.
 *
 * While a stream with a named `publisher` is recorded, frames and video are kept until the server has stored them, and after
 * a lost connection `connect`, `publish` and `resumeSession` send them again, in order and before all new ones.
 * @extends {Emitter<RecordEvents>}
 */
export class RecordClient extends Emitter {
  #options;
  #commands = /** @type {CommandSocket | null} */ (null);
  #onWelcome = /** @type {((welcome: Message) => void) | null} */ (null);
  #skeletons = /** @type {Map<string, Skeleton | null>} */ (new Map());
  #stream = DEFAULT_STREAM;
  /** @type {string | undefined} */
  #publisher;
  #nextFrameNumber = 0;
  #valuesPerPerson = 0;
  #framesSent = 0;
  #framesNotSent = 0;
  /** Bytes of the video that have been taken over; a piece that starts elsewhere would leave a hole. */
  #videoEnd = 0;
  /** Frames of the recording that are not acknowledged; null: nothing of a named publisher is recorded. @type {UnackedFrames | null} */
  #unacked = null;
  /** Whose recording is kept; null as long as its start is not answered. @type {string | null} */
  #keptFor = null;
  /** Whether a lost connection's frames wait for the recording to be resumed: none may overtake them. */
  #isHeld = false;
  /** The lowest number that this connection was not sent. */
  #unsentFrom = 0;
  /** The lowest number that no connection was sent. */
  #newFrom = 0;
  #unackedVideo = new UnackedVideo();
  /** Where the recording is written down. @type {KeptRecording | null} */
  #kept = null;
  /** As it was published. @type {string | Skeleton | undefined} */
  #skeleton;

  /** @param {RecordClientOptions} [options] */
  constructor(options = {}) {
    super();
    this.#options = { max_buffered_bytes: 4 * MIB, max_buffered_video_bytes: 64 * MIB, ...options };
  }

  /**
   * Connects and resolves with the server's `welcome`; may be called again after `close`.
   * @returns {Promise<Message>}
   */
  async connect() {
    /** @type {(closed: Closed) => void} */
    let refuse = () => {};
    /** @type {Promise<Message>} */
    const welcome = new Promise((resolve, reject) => {
      this.#onWelcome = resolve;
      refuse = (closed) => reject(new PosesessionError("closed", "the connection ended before the server's welcome", { ...closed }));
    });
    const connecting = CommandSocket.connect(
      this.#options.url ?? socketUrl("/ws/pose"),
      {
        onMessage: (message) => this.#receive(message),
        onBinary: (message) => this.#receiveBinary(message),
        onError: (error) => {
          // Who has taken the stream over has begun a new numbering.
          if (error.code === "not_publisher") this.#forget("not_resumed");
          const video = this.#unackedVideo;
          const isThere = () => video === this.#unackedVideo && !this.#isHeld;
          if (error.details.kind === "video") video.refused(error, () => isThere() && video.sendAll(this.#commands));
          this.emit("error", error);
        },
        onClose: (closed) => {
          this.#commands = null;
          this.#isHeld = this.#unacked !== null;
          refuse(closed);
          this.emit("close", closed);
        },
      },
      this.#options.openSocket,
    );
    const commands = await connecting;
    const late = setTimeout(() => commands.close(), WELCOME_WITHIN_MS);
    const message = await welcome.finally(() => clearTimeout(late));
    if (!commands.isOpen) throw new PosesessionError("closed", "the connection ended right after the server's welcome");
    this.#commands = commands;
    this.emit("open", message);
    return message;
  }

  /** Whether commands can be sent. */
  get isConnected() {
    return this.#commands?.isOpen ?? false;
  }

  /** Bytes handed to the connection that have not left yet; infinite without one. */
  get buffered_bytes() {
    return this.#commands?.bufferedBytes ?? Infinity;
  }

  /** Frames handed to the connection. */
  get frames_sent() {
    return this.#framesSent;
  }

  /** Frames, their bytes and their time that are kept because the server has not acknowledged them; at most `max_bytes`. */
  get unacked() {
    const { length: frames = 0, bytes = 0, dropped = 0, seconds = 0, max_bytes = USUAL_LIMITS.max_bytes } = this.#unacked ?? {};
    return { frames, bytes, dropped, seconds, max_bytes, video_bytes: this.#unackedVideo.bytes };
  }

  /** Frames given to `sendFrame` that will not be sent; their numbers are used up, so the server counts them as missing. */
  get frames_not_sent() {
    return this.#framesNotSent;
  }

  /** Video bytes handed to the connection since the last start of a recording. */
  get video_bytes_sent() {
    return this.#videoEnd;
  }

  /**
   * Becomes the publisher of a stream. A new `publisher` starts a new numbering, the same one continues it.
   * @param {{ stream?: string, skeleton?: string | Skeleton, fps?: number, publisher?: string, pre_roll_max?: number, take_over?: boolean }} [options]
   * @returns {Promise<Message>}
   */
  async publish(options = {}) {
    const answer = await this.#request("publish", options);
    const stream = options.stream ?? DEFAULT_STREAM;
    if (options.publisher !== this.#publisher || stream !== this.#stream) this.#forget("not_resumed");
    this.#stream = stream;
    if (options.publisher === undefined || options.publisher !== this.#publisher) this.#nextFrameNumber = 0;
    this.#publisher = options.publisher;
    this.#skeleton = options.skeleton;
    if (answer.session_id) {
      if (this.#keptFor !== null && this.#keptFor !== answer.session_id) this.#forget("not_resumed");
      this.#keep(answer.session_id);
      this.#goOn(answer.stored_through);
    }
    return answer;
  }

  /**
   * Watches a stream: its frames, its skeleton and the status of its recording come as events.
   * @param {{ stream?: string, format?: "json" | "binary" }} [options]
   * @returns {Promise<Message>}
   */
  async subscribe(options = {}) {
    const answer = await this.#request("subscribe", options);
    this.#setSkeleton(options.stream ?? DEFAULT_STREAM, answer.skeleton ?? null);
    return answer;
  }

  /** @param {{ stream?: string }} [options] */
  unsubscribe(options = {}) {
    return this.#request("unsubscribe", options);
  }

  /**
   * Starts a recording; the answer carries its `session_id`.
   * @param {StartRecording} options
   */
  async startRecording(options) {
    this.#videoEnd = 0;
    const isNew = this.#unacked === null;
    if ((options.stream ?? DEFAULT_STREAM) === this.#stream) this.#keep(null);
    try {
      const answer = await this.#request("start_recording", { ...options });
      if (this.#unacked) this.#keep(answer.session_id);
      return answer;
    } catch (error) {
      if (isNew && this.#keptFor === null) this.#forget(null);
      throw error;
    }
  }

  /** @param {{ session_id?: string }} [options] */
  pauseRecording(options = {}) {
    return this.#request("pause_recording", options);
  }

  /** @param {{ session_id?: string }} [options] */
  resumeRecording(options = {}) {
    return this.#request("resume_recording", options);
  }

  /**
   * Sets a marker, now or at a moment of the streamer's clock.
   * @param {string} label
   * @param {{ session_id?: string, timestamp?: number }} [options]
   */
  mark(label, options = {}) {
    return this.#request("mark", { label, ...options });
  }

  /**
   * Ends a recording; the answer carries the `session` and its quality `report`.
   * @param {{ session_id?: string }} [options]
   */
  async stopRecording(options = {}) {
    this.#flush(Infinity);
    const answer = await this.#request("stop_recording", options);
    if (answer.session_id === this.#keptFor) this.#forget(null);
    return answer;
  }

  /**
   * Ends a recording and erases it.
   * @param {{ session_id?: string }} [options]
   */
  discardRecording(options = {}) {
    return this.#request("discard_recording", options);
  }

  /**
   * Takes an own recording up again after a lost connection, and sends again what is not stored; the answer carries `stored_through`.
   *
   * Where the recording is over, what was kept for it is given up and counted.
   * @param {{ session_id: string, publisher: string, take_over?: boolean }} options
   */
  async resumeSession(options) {
    try {
      const answer = await this.#request("resume_session", options);
      if (options.publisher === this.#publisher) {
        this.#keep(options.session_id);
        this.#unackedVideo.ack(answer.video_stored_bytes ?? 0);
        this.#goOn(answer.stored_through);
      }
      return answer;
    } catch (error) {
      if (error instanceof PosesessionError && RECORDING_OVER.includes(error.code) && options.session_id === this.#keptFor) {
        this.#unacked?.ack(/** @type {number | undefined} */ (error.details.stored_through));
        this.#forget("not_resumed");
      }
      throw error;
    }
  }

  /**
   * Says that frames will never come, so that they are counted under their cause. What the client drops itself it tells by itself.
   * @param {{ first: number, last: number, cause: string, stream?: string }} range numbers; the cause is a word of up to 32 letters
   */
  framesDropped(range) {
    return this.#request("frames_dropped", { ...range });
  }

  /**
   * Sends one frame, unless there is no connection or too much waits in it: then a recorded frame is kept and sent later, as
   * far as there is room, and any other is given up and counted.
   *
   * Throws `bad_binary` when the values cannot be shared evenly among the persons.
   * @param {FrameToSend} frame
   * @returns {boolean} whether it was sent or kept
   */
  sendFrame(frame) {
    const frameNumber = frame.frame_number ?? this.#nextFrameNumber;
    const personIds = frame.person_ids ?? (frame.values.length > 0 ? [0] : []);
    if (personIds.length > 0) this.#valuesPerPerson = frame.values.length / personIds.length;
    const message = encodeFrame({
      timestamp: frame.timestamp,
      frame_number: frameNumber,
      stream: this.#stream,
      person_ids: personIds,
      values_per_person: this.#valuesPerPerson,
      values: frame.values,
      image: frame.image ?? null,
    });
    this.#nextFrameNumber = frameNumber + 1;
    if (this.#unacked) {
      const gone = this.#unacked.push(performance.now() / 1000, frameNumber, message);
      for (const number of gone) this.#countNotSent(number, "overflow");
      if (gone.length > 0) this.#tellDropped();
      this.#flush();
      return !gone.includes(frameNumber);
    }
    const commands = this.#commands;
    if (!commands || commands.bufferedBytes > this.#options.max_buffered_bytes) {
      this.#countNotSent(frameNumber, commands ? "backpressure" : "not_connected");
      return false;
    }
    commands.sendBinary(message);
    this.#framesSent += 1;
    return true;
  }

  /**
   * Sends a chunk of the one video of a recording, as MediaRecorder yields them.
   *
   * A video with a hole plays no further than the hole, so after one chunk that could not be sent none is.
   * @param {ArrayBuffer | Uint8Array} chunk
   * @param {number} offset of its first byte within the video, bytes
   * @param {number} firstTimestamp of the first video frame, seconds of the streamer's clock
   * @returns {boolean} whether it was sent or kept
   */
  sendVideo(chunk, offset, firstTimestamp) {
    const bytes = chunk instanceof Uint8Array ? chunk : new Uint8Array(chunk);
    const commands = this.#commands;
    const most = this.#options.max_buffered_video_bytes;
    const keeps = this.#unacked !== null;
    const hasRoom = keeps ? this.#unackedVideo.bytes + bytes.length <= most : commands !== null && commands.bufferedBytes <= most;
    if (offset !== this.#videoEnd || !hasRoom) return false;
    for (const { end, message } of encodeVideoPieces({ stream: this.#stream, offset, timestamp: firstTimestamp, bytes })) {
      if (keeps) this.#unackedVideo.push(end, message);
      if (!this.#isHeld) commands?.sendBinary(message);
    }
    this.#videoEnd = offset + bytes.length;
    return true;
  }

  /** Ends the connection. A recording goes on until somebody stops it. */
  close() {
    this.#commands?.close();
  }

  /** @param {string | null} sessionId */
  #keep(sessionId) {
    if (this.#publisher === undefined) return;
    if (!this.#unacked) {
      this.#unacked = new UnackedFrames(this.#options.keep);
      this.#unsentFrom = this.#newFrom = this.#nextFrameNumber;
    }
    this.#keptFor = sessionId ?? this.#keptFor;
    if (this.#kept || this.#keptFor === null) return;
    const facts = { session_id: this.#keptFor, publisher: this.#publisher, stream: this.#stream, skeleton: this.#skeleton, started_at: Date.now() };
    this.#keepIn(this.#options.keepIn?.(facts) ?? null);
  }

  /**
   * Takes over what another page has left of a recording: after `publish`, before `resumeSession`, which sends it.
   * @param {LeftRecording} left
   */
  restore({ facts, messages, kept }) {
    ({ frames: this.#unacked, video: this.#unackedVideo, next_frame_number: this.#nextFrameNumber } = unackedFrom(messages));
    this.#keptFor = facts.session_id;
    this.#isHeld = true;
    this.#unsentFrom = this.#newFrom = 0;
    this.#keepIn(kept);
  }

  /** @param {KeptRecording | null} kept */
  #keepIn(kept) {
    this.#kept = kept;
    this.#unacked?.keepIn(kept);
    this.#unackedVideo.keepIn(kept);
  }

  /**
   * Keeps nothing any more.
   * @param {"not_resumed" | null} reason why what is left will not be stored; null: it is settled
   */
  #forget(reason) {
    const left = this.#unacked?.from(0) ?? [];
    this.#unacked = null;
    this.#keptFor = null;
    this.#isHeld = false;
    this.#unackedVideo = new UnackedVideo();
    this.#kept?.end();
    this.#kept = null;
    if (reason) for (const { number } of left) this.#countNotSent(number, reason);
  }

  /**
   * Sends again what a lost connection has left; on one that was not lost, only the acknowledgement counts.
   * @param {number | null | undefined} storedThrough
   */
  #goOn(storedThrough) {
    this.#unacked?.ack(storedThrough);
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#unsentFrom = 0;
    this.#tellDropped();
    this.#flush();
    this.#unackedVideo.sendAll(this.#commands);
  }

  /**
   * Sends what waits, as far as the socket has room.
   * @param {number} [most] bytes that may wait in the socket
   */
  #flush(most = this.#options.max_buffered_bytes) {
    const commands = this.#commands;
    if (!this.#unacked || !commands || this.#isHeld) return;
    for (const { number, message } of this.#unacked.from(this.#unsentFrom)) {
      if (commands.bufferedBytes > most) return;
      commands.sendBinary(message);
      this.#unsentFrom = number + 1;
      if (number >= this.#newFrom) this.#framesSent += 1;
      this.#newFrom = Math.max(this.#newFrom, number + 1);
    }
  }

  /** Tells what will never come. A server that does not know of it counts the numbers as missing. */
  #tellDropped() {
    if (!this.#commands || this.#isHeld) return;
    for (const range of this.#unacked?.dropped_ranges ?? []) {
      this.framesDropped({ ...range, cause: "overflow", stream: this.#stream }).catch(() => {});
    }
  }

  /**
   * @param {number} frameNumber
   * @param {FrameNotSent["reason"]} reason
   */
  #countNotSent(frameNumber, reason) {
    this.#framesNotSent += 1;
    this.emit("frame_not_sent", { frame_number: frameNumber, reason, frames_not_sent: this.#framesNotSent });
  }

  /**
   * @param {string} type
   * @param {Record<string, unknown>} fields
   */
  #request(type, fields) {
    if (!this.#commands) return Promise.reject(new PosesessionError("not_connected", `cannot send ${type}: not connected`));
    return this.#commands.request(type, fields);
  }

  /** @param {Message} message */
  #receive(message) {
    switch (message.type) {
      case "welcome":
        this.#onWelcome?.(message);
        break;
      case "skeleton":
        this.#setSkeleton(message.stream ?? DEFAULT_STREAM, message.skeleton);
        break;
      case "frame":
        this.emit("frame", frameFromJson(message, this.#skeletons.get(message.stream ?? DEFAULT_STREAM) ?? null));
        break;
      case "recording_status":
        if (message.session_id === this.#keptFor) this.#unackedVideo.ack(message.video_stored_bytes ?? 0);
        // Frames that waited behind a video may find room by now, without an acknowledgement to come.
        this.#flush();
        this.emit(message.type, message);
        break;
      case "ack":
        if (message.publisher === this.#publisher) this.#unacked?.ack(message.stored_through);
        this.#flush();
        this.emit("ack", message);
        break;
      case "recording_started":
        if ((message.stream ?? DEFAULT_STREAM) === this.#stream) this.#keep(message.session_id);
        this.emit(message.type, message);
        break;
      case "recording_stopped":
        if (message.session_id === this.#keptFor) this.#forget(null);
        this.emit(message.type, message);
        break;
      case "gap":
        this.emit(message.type, message);
        break;
      default:
        // Answers reach their promise; what this version does not know is not for it.
        break;
    }
  }

  /** @param {ArrayBuffer} message */
  #receiveBinary(message) {
    if (binaryKind(message) === FRAME_KIND) this.emit("frame", decodeFrame(message));
  }

  /**
   * @param {string} stream
   * @param {Skeleton | null} skeleton
   */
  #setSkeleton(stream, skeleton) {
    this.#skeletons.set(stream, skeleton);
    this.emit("skeleton", { stream, skeleton });
  }
}
