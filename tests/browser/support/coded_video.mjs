// @ts-check
// A session whose video and poses both say which frame they are, so that a test can see whether they are in step.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";

import { RecordClient } from "../../../posesession-server/web/js/record_client.js";
import { openSocket } from "./prerequisites.mjs";

/** @typedef {import("./server.mjs").Server} Server */

const WIDTH = 320;
const HEIGHT = 180;
const BITS = 8;
export const CODED_FPS = 30;
/** The session time of the video's first picture. */
export const VIDEO_START = 0.5;

/** One keypoint, whose x is the frame's number by the number of frames. */
const SKELETON = {
  name: "dot",
  components: [
    {
      name: "dot",
      keypoints: ["left_dot"],
      edges: [],
      mirrored: [],
      channels: [
        { name: "x", unit: "image" },
        { name: "y", unit: "image" },
      ],
    },
  ],
};

/**
 * Makes a WebM in which each picture shows its frame's number as black and white bars, the highest bit at the left.
 * @param {number} count
 * @param {number} first
 * @returns {Promise<Buffer>}
 */
async function codedVideo(count, first) {
  const options = ["-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", `${WIDTH}x${HEIGHT}`, "-r", String(CODED_FPS), "-i", "-"];
  const output = ["-c:v", "libvpx", "-b:v", "1M", "-deadline", "realtime", "-g", String(CODED_FPS), "-pix_fmt", "yuv420p", "-f", "webm", "-"];
  const ffmpeg = spawn("ffmpeg", [...options, ...output], { stdio: ["pipe", "pipe", "inherit"] });
  for (let index = 0; index < count; index += 1) {
    const picture = Buffer.alloc(WIDTH * HEIGHT);
    for (let at = 0; at < picture.length; at += 1) {
      const bit = BITS - 1 - Math.floor(((at % WIDTH) * BITS) / WIDTH);
      picture[at] = ((first + index) >> bit) & 1 ? 235 : 20;
    }
    ffmpeg.stdin.write(picture);
  }
  ffmpeg.stdin.end();
  /** @type {Buffer[]} */
  const parts = [];
  for await (const part of ffmpeg.stdout) parts.push(part);
  return Buffer.concat(parts);
}

/**
 * Records it, and waits until its video is one file.
 * @param {Server} server
 * @param {number} count of frames, at most 256
 * @returns {Promise<string>}
 */
export async function seedCodedVideo(server, count) {
  const stream = `coded ${randomUUID()}`;
  const first = Math.round(VIDEO_START * CODED_FPS);
  const video = await codedVideo(count - first, first);
  const client = new RecordClient({ url: server.recordAddress, openSocket: openSocket() });
  await client.connect();
  await client.publish({ stream, skeleton: SKELETON, fps: CODED_FPS, publisher: randomUUID() });
  const metadata = { image_width: WIDTH, image_height: HEIGHT };
  const { session_id: id } = await client.startRecording({ name: "Coded", stream, metadata, video: { mime: "video/webm" } });
  for (let number = 0; number < count; number += 1) {
    client.sendFrame({ timestamp: number / CODED_FPS, frame_number: number, values: Float32Array.of(number / count, 0.5), person_ids: [0] });
  }
  client.sendVideo(video, 0, VIDEO_START);
  await client.stopRecording({ session_id: id });
  client.close();
  for (;;) {
    const { status, video_file_path: path } = await server.json(`/api/sessions/${id}`);
    if (status !== "processing" && path !== null) return id;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/**
 * To be evaluated in a page: which frame the picture of a `pose-replay` shows, and which the pose over it.
 * @param {import("playwright-core").Page} page
 * @param {{ count: number, samples: number }} options `samples`: at so many repaints
 */
export function codedFrames(page, { count, samples }) {
  return page.evaluate(
    async ({ count, samples, bits }) => {
      const pane = document.querySelector("pose-replay")?.shadowRoot?.querySelector("#picture");
      const video = /** @type {HTMLVideoElement} */ (pane?.querySelector("video"));
      const canvas = /** @type {HTMLCanvasElement} */ (pane?.querySelector("canvas"));
      const copy = new OffscreenCanvas(bits, 1);
      const context = /** @type {OffscreenCanvasRenderingContext2D} */ (copy.getContext("2d", { willReadFrequently: true }));
      /** @type {{ picture: number, pose: number }[]} */
      const seen = [];
      for (let sample = 0; sample < samples; sample += 1) {
        await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
        context.drawImage(video, 0, 0, bits, 1);
        const bars = context.getImageData(0, 0, bits, 1).data;
        let picture = 0;
        for (let bit = 0; bit < bits; bit += 1) picture = 2 * picture + (bars[4 * bit] > 128 ? 1 : 0);
        const { width, height } = canvas;
        const { data } = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).getImageData(0, Math.floor(height / 2), width, 1);
        let sum = 0;
        let weight = 0;
        for (let x = 0; x < width; x += 1) {
          if (data[4 * x + 2] < 200) continue;
          sum += x + 0.5;
          weight += 1;
        }
        seen.push({ picture, pose: weight === 0 ? -1 : Math.round((count * sum) / weight / width) });
      }
      return seen;
    },
    { count, samples, bits: BITS },
  );
}
