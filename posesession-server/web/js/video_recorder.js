// @ts-check
// A camera stream in, chunks of one video file with running offsets out.

/**
 * @typedef {object} VideoChunk
 * @property {ArrayBuffer} bytes
 * @property {number} offset of the first byte, bytes
 * @property {number} first_timestamp of the first video frame, seconds of the page's clock
 */

const CHUNK_MS = 1000;

/**
 * VP9 first: beside a pose model on two cores it leaves half as many poses again as VP8 and keeps three times the pictures.
 * H.264 in WebM leaves a little more, but not every player reads it.
 */
const MIME_TYPES = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];

/**
 * Names the kind of video that this browser records, null when it records none.
 * @returns {string | null}
 */
export function recordableMime() {
  if (typeof MediaRecorder === "undefined") return null;
  return MIME_TYPES.find((mime) => MediaRecorder.isTypeSupported(mime)) ?? null;
}

/** Records one video; chunks come in order, the last one before `stop` resolves. */
export class VideoRecorder {
  #recorder;
  #onChunk;
  #offset = 0;
  #firstTimestamp = 0;
  /** @type {Promise<void>} */
  #delivered = Promise.resolve();

  /**
   * @param {MediaStream} stream
   * @param {string} mime
   * @param {(chunk: VideoChunk) => void} onChunk
   */
  constructor(stream, mime, onChunk) {
    this.#onChunk = onChunk;
    this.#recorder = new MediaRecorder(stream, { mimeType: mime, videoBitsPerSecond: 2_500_000 });
    this.#recorder.onstart = () => {
      this.#firstTimestamp = performance.now() / 1000;
    };
    this.#recorder.ondataavailable = ({ data }) => {
      this.#delivered = this.#delivered.then(() => this.#deliver(data));
    };
  }

  start() {
    this.#firstTimestamp = performance.now() / 1000;
    this.#recorder.start(CHUNK_MS);
  }

  pause() {
    if (this.#recorder.state === "recording") this.#recorder.pause();
  }

  resume() {
    if (this.#recorder.state === "paused") this.#recorder.resume();
  }

  /** Ends the video and resolves when its last chunk is delivered. */
  async stop() {
    if (this.#recorder.state !== "inactive") {
      await new Promise((resolve) => {
        this.#recorder.addEventListener("stop", resolve, { once: true });
        this.#recorder.stop();
      });
    }
    await this.#delivered;
  }

  /** @param {Blob} data */
  async #deliver(data) {
    if (data.size === 0) return;
    const bytes = await data.arrayBuffer();
    const offset = this.#offset;
    this.#offset += bytes.byteLength;
    this.#onChunk({ bytes, offset, first_timestamp: this.#firstTimestamp });
  }
}
