// @ts-check
// Where the live poses come from: this camera and the model in this page, or another program's stream.

import { closeCamera, openCamera, PoseCapture } from "../capture.js";
import { Emitter } from "../emitter.js";
import { PosesessionError } from "../errors.js";
import { MEDIAPIPE_33, MEDIAPIPE_33_SKELETON } from "../mediapipe_skeleton.js";

/**
 * @typedef {import("../record_client.js").RecordClient} RecordClient
 * @typedef {import("../skeleton_canvas.js").SkeletonCanvas} SkeletonCanvas
 * @typedef {import("../canvas_mapping.js").Size} Size
 * @typedef {import("../binary_frame.js").DecodedFrame} DecodedFrame
 *
 * @typedef {object} Stage
 * @property {HTMLVideoElement} video
 * @property {SkeletonCanvas} overlay
 * @property {() => boolean} mirrored
 *
 * @typedef {object} SourceEvents
 * @property {{ persons: number }} pose one more frame was drawn
 * @property {string} delegate what runs the model from now on
 * @property {unknown} error the source has ended
 *
 * @typedef {CameraSource | RemoteSource} Source
 */

/** The longest time before a recording that the page offers. */
const PRE_ROLL_MAX_S = 10;
const USUAL_SIZE = { width: 640, height: 480 };

/**
 * Finds poses on this camera and publishes them.
 * @extends {Emitter<SourceEvents>}
 */
export class CameraSource extends Emitter {
  kind = /** @type {const} */ ("camera");
  #client;
  #stage;
  /** @type {PoseCapture | null} */
  #capture = null;
  #published = false;
  #closing = new AbortController();

  /**
   * @param {RecordClient} client
   * @param {Stage} stage
   * @param {{ stream: string, model: string, device_id: string, fps: number, publisher: string }} options
   *   `publisher`: numbers go on under this name when a connection is lost and opened again
   */
  constructor(client, stage, options) {
    super();
    this.fps = options.fps;
    this.publisher = options.publisher;
    this.#client = client;
    this.#stage = stage;
    this.stream = options.stream;
    this.model = options.model;
    this.deviceId = options.device_id;
  }

  /** Size of the picture, px; 0 before there is one. */
  get size() {
    return { width: this.#stage.video.videoWidth, height: this.#stage.video.videoHeight };
  }

  /**
   * Calls `listener` with each picture of the camera, those in which poses are looked for among them, for recording its video.
   * @param {(picture: import("../picture.js").Picture) => void} listener
   * @returns {() => void} removes the listener
   */
  onPicture(listener) {
    return this.#capture?.on("picture", listener) ?? (() => {});
  }

  /** Resolves when the poses of all pictures that were taken so far have been sent. */
  async caughtUp() {
    await this.#capture?.caughtUp();
  }

  /** What a recording of this source should remember. */
  get metadata() {
    const { videoWidth, videoHeight } = this.#stage.video;
    return { source: "browser camera", model: `pose_landmarker_${this.model}`, delegate: this.delegate, image_width: videoWidth, image_height: videoHeight };
  }

  /** What runs the model: `GPU` or `CPU`. */
  get delegate() {
    return this.#capture?.delegate ?? "CPU";
  }

  /** Opens the camera and the model; rejects with what to do. */
  async open() {
    const camera = await openCamera(this.#stage.video, { device_id: this.deviceId, signal: this.#closing.signal });
    for (const track of camera.getVideoTracks()) {
      await track.applyConstraints({ ...track.getConstraints(), frameRate: this.fps });
      track.onended = () => this.emit("error", new PosesessionError("no_camera", "the camera was disconnected; connect it, then start it again"));
    }
    const capture = await PoseCapture.start(this.#stage.video, { model: this.model });
    if (this.#closing.signal.aborted) {
      capture.stop();
      return;
    }
    this.#capture = capture;
    this.#stage.overlay.setSkeleton(MEDIAPIPE_33_SKELETON);
    capture.on("pose", (pose) => this.#show(pose));
    capture.on("delegate", ({ delegate }) => this.emit("delegate", delegate));
    capture.on("error", (error) => this.emit("error", error));
  }

  /**
   * Publishes on a new connection.
   * @param {{ take_over?: boolean }} [options]
   */
  async attach(options = {}) {
    await this.#client.publish({ stream: this.stream, skeleton: MEDIAPIPE_33, publisher: this.publisher, pre_roll_max: PRE_ROLL_MAX_S, ...options });
    this.#published = true;
  }

  /** Stops publishing; the poses are still shown. */
  detach() {
    this.#published = false;
  }

  close() {
    this.#closing.abort();
    this.#capture?.stop();
    closeCamera(this.#stage.video);
    this.#stage.overlay.clear();
  }

  /** @param {import("../capture.js").CapturedPose} pose */
  #show({ image, persons, values, timestamp }) {
    const poses = { person_ids: Uint32Array.from({ length: persons }, (_, index) => index), values_per_person: values.length / (persons || 1), values };
    this.#stage.overlay.draw(poses, { size: image, mirrored: this.#stage.mirrored(), picture: image });
    if (this.#published) this.#client.sendFrame({ timestamp, values, person_ids: poses.person_ids });
    this.emit("pose", { persons });
  }
}

/**
 * Watches a stream that another program publishes.
 * @extends {Emitter<SourceEvents>}
 */
export class RemoteSource extends Emitter {
  kind = /** @type {const} */ ("remote");
  #client;
  #stage;
  #closed = false;
  /** @type {(() => void)[]} */
  #listening = [];
  /** @type {DecodedFrame | null} */
  #latest = null;
  #drawing = false;
  /** @type {Size} */
  #size = USUAL_SIZE;
  #sizeKnown = false;

  /**
   * @param {RecordClient} client
   * @param {Stage} stage
   * @param {{ stream: string }} options
   */
  constructor(client, stage, { stream }) {
    super();
    this.#client = client;
    this.#stage = stage;
    this.stream = stream;
  }

  /** The session that the stream was being recorded as when it was last subscribed to. @type {string | null} */
  recordedAs = null;

  get size() {
    return this.#size;
  }

  /** What a recording of this source should remember. */
  get metadata() {
    return this.#sizeKnown ? { image_width: this.#size.width, image_height: this.#size.height } : {};
  }

  async open() {
    this.#listening = [
      this.#client.on("skeleton", ({ stream, skeleton }) => {
        if (stream === this.stream) this.#stage.overlay.setSkeleton(skeleton);
      }),
      this.#client.on("frame", (frame) => {
        if (frame.stream === this.stream) void this.#show(frame);
      }),
    ];
  }

  async attach() {
    const { session_id: id } = await this.#client.subscribe({ stream: this.stream, format: "binary" });
    this.recordedAs = id ?? null;
  }

  close() {
    this.#closed = true;
    for (const stopListening of this.#listening) stopListening();
    this.#stage.overlay.clear();
  }

  /**
   * Draws a frame when its image is decoded; of frames that come meanwhile only the latest.
   * @param {DecodedFrame} frame
   */
  async #show(frame) {
    this.emit("pose", { persons: frame.person_ids.length });
    this.#latest = frame;
    if (this.#drawing) return;
    this.#drawing = true;
    while (this.#latest && !this.#closed) {
      /** @type {DecodedFrame} */
      const next = this.#latest;
      this.#latest = null;
      const picture = await pictureOf(next);
      if (picture) {
        this.#size = { width: picture.width, height: picture.height };
        this.#sizeKnown = true;
      }
      if (!this.#closed) this.#stage.overlay.draw(next, { size: this.#size, mirrored: this.#stage.mirrored(), picture });
      picture?.close();
    }
    this.#drawing = false;
  }
}

/**
 * @param {DecodedFrame} frame
 * @returns {Promise<ImageBitmap | null>} null also for an image that the browser cannot read: the pose is shown alone
 */
async function pictureOf({ image }) {
  if (!image) return null;
  try {
    return await createImageBitmap(new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (image)]));
  } catch {
    return null;
  }
}
