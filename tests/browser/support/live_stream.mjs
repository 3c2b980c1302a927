// @ts-check
// A program that sends poses without end: somebody who walks, in real time.

import { randomUUID } from "node:crypto";

import { RecordClient } from "../../../posesession-server/web/js/record_client.js";
import { openSocket } from "./prerequisites.mjs";
import { walk, walkPictures } from "./walk.mjs";

/** @typedef {import("./server.mjs").Server} Server */

const FPS = 25;

export class LiveStream {
  #timer;
  /** For commands about the stream's recording. */
  client;

  /**
   * @param {RecordClient} client
   * @param {(seconds: number) => Float32Array} values
   * @param {((seconds: number) => Uint8Array) | null} pictures
   */
  constructor(client, values, pictures) {
    this.client = client;
    let number = 0;
    this.#timer = setInterval(() => {
      const seconds = number / FPS;
      if (client.isConnected) client.sendFrame({ timestamp: seconds, frame_number: number, values: values(seconds), image: pictures?.(seconds) });
      number += 1;
    }, 1000 / FPS);
  }

  /**
   * @param {Server} server
   * @param {string} stream
   * @param {{ images?: boolean, take_over?: boolean }} [options]
   */
  static async start(server, stream, { images = false, take_over = false } = {}) {
    const client = new RecordClient({ url: server.recordAddress, openSocket: openSocket() });
    await client.connect();
    await client.publish({ stream, skeleton: "mediapipe_33", publisher: randomUUID(), take_over });
    const { skeleton } = await client.subscribe({ stream, format: "binary" });
    await client.unsubscribe({ stream });
    return new LiveStream(client, walk(skeleton, 1), images ? walkPictures() : null);
  }

  stop() {
    clearInterval(this.#timer);
    this.client.close();
  }
}
