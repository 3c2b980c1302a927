// @ts-check
// Sessions for tests, made as everybody makes them: by the record protocol, from the recording of a real walk.

import { randomUUID } from "node:crypto";

import { RecordClient } from "../../../posesession-server/web/js/record_client.js";
import { openSocket } from "./prerequisites.mjs";
import { PICTURE, walk, walkPictures } from "./walk.mjs";

/**
 * @typedef {import("./server.mjs").Server} Server
 * @typedef {import("../../../posesession-server/web/js/json_frame.js").Skeleton} Skeleton
 *
 * @typedef {object} SeedOptions
 * @property {string} [name]
 * @property {string} [description]
 * @property {Record<string, unknown>} [metadata] besides the size of the picture
 * @property {number} [seconds] how long, without the pause
 * @property {number} [fps]
 * @property {number} [persons] 0: nobody is seen
 * @property {{ label: string, at: number }[]} [markers] `at`: session time, seconds
 * @property {{ at: number, seconds: number }} [pause] at a session time, of so many seconds by the wall clock
 * @property {{ at: number, seconds: number }} [gap] frames that never come
 * @property {boolean} [images] whether each frame has the small picture in which the walk was seen
 * @property {string | Skeleton} [skeleton] a preset's name or a whole one
 * @property {string} [stream]
 */

/** Unacknowledged bytes: enough to keep the server busy, less than the client refuses to buffer. */
const WINDOW_BYTES = 2 * 1024 * 1024;
const SEED_CONNECTIONS = 32;

/**
 * Records a session and returns its id.
 * @param {Server} server
 * @param {SeedOptions} [options]
 * @returns {Promise<string>}
 */
export async function seedSession(server, options = {}) {
  const recording = await SeedRecording.start(server, options);
  try {
    const { seconds = 4, markers = [], pause } = options;
    if (pause) {
      await recording.record(pause.at);
      await recording.pause(pause.seconds);
    }
    await recording.record(seconds);
    for (const { label, at } of markers) await recording.mark(label, at);
    await recording.stop();
    return recording.id;
  } finally {
    recording.close();
  }
}

/**
 * Records many short sessions, some in every way that a list can search, sort and filter; returns their ids in order.
 * @param {Server} server
 * @param {number} count
 * @param {(index: number) => SeedOptions} [optionsOf] by default `Session 00042` of a second or less
 * @returns {Promise<string[]>}
 */
export async function seedMany(server, count, optionsOf = (index) => ({ name: numberedName(index), seconds: ((index % 10) + 1) / 10, fps: 10 })) {
  /** @type {string[]} */
  const ids = new Array(count);
  let next = 0;
  const oneAfterTheOther = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      ids[index] = await seedSession(server, optionsOf(index));
    }
  };
  await Promise.all(Array.from({ length: Math.min(SEED_CONNECTIONS, count) }, oneAfterTheOther));
  return ids;
}

/** @param {number} index */
export function numberedName(index) {
  return `Session ${String(index).padStart(5, "0")}`;
}

/** @type {Map<string, Skeleton>} */
const presets = new Map();

/**
 * Asks what a preset is: a viewer of its stream is told.
 * @param {RecordClient} client
 * @param {string} stream
 * @param {string} name
 */
async function presetSkeleton(client, stream, name) {
  const known = presets.get(name);
  if (known) return known;
  const { skeleton } = await client.subscribe({ stream, format: "binary" });
  await client.unsubscribe({ stream });
  presets.set(name, skeleton);
  return skeleton;
}

/** A recording under way, for tests of what is not finished yet. */
export class SeedRecording {
  #client;
  #options;
  #values;
  #pictures;
  /** Frames that have their place in the session, whether they came or not. */
  #frames = 0;
  /** What the streamer's clock shows more than the session's. */
  #offset = 0;
  #storedThrough = -1;
  #onAck = () => {};
  /** @type {Error | null} */
  #failure = null;

  /**
   * @param {RecordClient} client
   * @param {string} id
   * @param {Skeleton} skeleton
   * @param {SeedOptions} options
   */
  constructor(client, id, skeleton, options) {
    this.id = id;
    this.#client = client;
    this.#options = { fps: 30, persons: 1, ...options };
    this.#values = walk(skeleton, this.#options.persons);
    this.#pictures = options.images ? walkPictures() : null;
    const failed = (/** @type {Error} */ error) => {
      this.#failure ??= error;
      this.#onAck();
    };
    client.on("error", failed);
    client.on("close", ({ code, reason }) => failed(new Error(`the seed's connection ended with ${code} ${reason}`)));
    client.on("frame_not_sent", ({ frame_number, reason }) => failed(new Error(`frame ${frame_number} was not sent: ${reason}`)));
    client.on("ack", ({ stored_through }) => {
      this.#storedThrough = stored_through ?? -1;
      this.#onAck();
    });
  }

  /**
   * @param {Server} server
   * @param {SeedOptions} [options]
   */
  static async start(server, options = {}) {
    const { name = "A walk", description, metadata, fps = 30, skeleton = "mediapipe_33", stream = `seed ${randomUUID()}` } = options;
    const client = new RecordClient({ url: server.recordAddress, openSocket: openSocket() });
    await client.connect();
    try {
      await client.publish({ stream, skeleton, fps, publisher: randomUUID() });
      const whole = typeof skeleton === "string" ? await presetSkeleton(client, stream, skeleton) : skeleton;
      const size = { image_width: PICTURE.width, image_height: PICTURE.height };
      const { session_id: id } = await client.startRecording({ name, description, stream, metadata: { ...size, ...metadata } });
      return new SeedRecording(client, id, whole, options);
    } catch (error) {
      client.close();
      throw error;
    }
  }

  /** Session time of the next frame, seconds. */
  get duration() {
    return this.#frames / this.#options.fps;
  }

  /**
   * Records up to this session time, as fast as the server stores.
   * @param {number} until seconds
   */
  async record(until) {
    const { fps, persons, gap } = this.#options;
    const count = Math.round(until * fps);
    const personIds = Array.from({ length: persons }, (_, person) => person);
    let bytesPerFrame = 1;
    while (this.#frames < count) {
      const seconds = this.#frames / fps;
      const number = this.#frames;
      this.#frames += 1;
      if (gap && seconds >= gap.at && seconds < gap.at + gap.seconds) continue;
      const values = this.#values(seconds);
      const image = this.#pictures?.(seconds);
      bytesPerFrame = Math.max(bytesPerFrame, 4 * values.length + (image?.length ?? 0) + 100);
      this.#client.sendFrame({ timestamp: this.#offset + seconds, frame_number: number, values, person_ids: personIds, image });
      if (this.#failure) throw this.#failure;
      await this.#storedTo(number - Math.floor(WINDOW_BYTES / bytesPerFrame));
    }
  }

  /** Waits until all that was recorded is durable. */
  async settle() {
    await this.#storedTo(this.#frames - 1);
  }

  /**
   * Pauses, waits, and resumes.
   * @param {number} seconds
   */
  async pause(seconds) {
    await this.#client.pauseRecording({ session_id: this.id });
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    await this.#client.resumeRecording({ session_id: this.id });
    this.#offset += seconds;
  }

  /** Pauses and stays so. */
  async hold() {
    await this.#client.pauseRecording({ session_id: this.id });
  }

  /**
   * @param {string} label
   * @param {number} at session time, seconds
   */
  async mark(label, at) {
    const pause = this.#options.pause;
    const offset = pause && at < pause.at ? 0 : this.#offset;
    await this.#client.mark(label, { session_id: this.id, timestamp: offset + at });
  }

  /** Ends the recording; the answer has its `session` and `report`. */
  stop() {
    return this.#client.stopRecording({ session_id: this.id });
  }

  /** Ends the connection: what is still being recorded goes on without frames. */
  close() {
    this.#failure ??= new Error("the seed was closed");
    this.#client.close();
  }

  /** @param {number} frameNumber */
  async #storedTo(frameNumber) {
    while (this.#storedThrough < frameNumber) {
      if (this.#failure) throw this.#failure;
      await new Promise((resolve) => (this.#onAck = () => resolve(undefined)));
    }
  }
}
