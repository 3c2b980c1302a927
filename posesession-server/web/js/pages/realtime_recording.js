// @ts-check
// One recording under control: commands out, its status and report in.

import { Emitter } from "../emitter.js";
import { PosesessionError, RECORDING_OVER } from "../errors.js";
import { recordableMime, VideoRecorder } from "../video_recorder.js";

/**
 * @typedef {import("../command_socket.js").Message} Message
 * @typedef {import("../record_client.js").RecordClient} RecordClient
 * @typedef {import("../session_api.js").SessionRecording} SessionRecording
 * @typedef {import("./realtime_sources.js").Source} Source
 *
 * @typedef {"live" | "recording" | "paused" | "stopping" | "finalized"} RecordingState `live`: nothing is being recorded
 *
 * @typedef {object} RecordingEvents
 * @property {RecordingState} change
 * @property {Message} status
 * @property {{ session: SessionRecording, report: Record<string, any> }} finalized
 * @property {Ended} ended the recording was ended, and not by this page
 * @property {string} note something the user should know
 *
 * @typedef {object} Ended
 * @property {string} session_id
 * @property {"elsewhere" | "discarded" | "server"} by `server`: it was restarted, or had waited too long for this page
 */

const AGAIN_MS = 1000;

/** @extends {Emitter<RecordingEvents>} */
export class Recording extends Emitter {
  #client;
  /** @type {RecordingState} */
  #state = "live";
  /** @type {string | null} */
  #sessionId = null;
  /** @type {VideoRecorder | null} */
  #video = null;
  #stopFeeding = () => {};
  #resuming = false;
  /** @type {import("./realtime_sources.js").CameraSource | null} */
  #videoSource = null;
  #videoLost = false;
  #withVideo = false;

  /** @param {RecordClient} client */
  constructor(client) {
    super();
    this.#client = client;
    client.on("recording_started", ({ session_id: id }) => this.#adopt(id, "recording"));
    client.on("recording_stopped", ({ session_id: id, discarded }) => this.#endedElsewhere(id, discarded === true ? "discarded" : "elsewhere"));
    client.on("recording_status", (status) => this.#follow(status));
  }

  get state() {
    return this.#state;
  }

  /** The recording's id, the last one's when none is under way. */
  get sessionId() {
    return this.#sessionId;
  }

  get isUnderWay() {
    return this.#state === "recording" || this.#state === "paused" || this.#state === "stopping";
  }

  /** What became of the video: not asked for, all of it sent, or broken off. */
  get video() {
    return this.#withVideo ? (this.#videoLost ? "broken" : "sent") : "none";
  }

  /**
   * Starts a recording of the source, with the camera's video where wanted.
   *
   * Where somebody already records the stream, that recording comes under control instead.
   * @param {Source} source
   * @param {{ name: string, description: string, tags: string[], pre_roll: number, with_video: boolean }} options
   */
  async start(source, { name, description, tags, pre_roll, with_video }) {
    const mime = recordableMime();
    const camera = with_video && source.kind === "camera" ? source : null;
    if (camera && !mime) throw new PosesessionError("no_video", "this browser cannot record video; record the pose alone");
    const video = camera && mime ? { mime } : undefined;
    const metadata = tags.length > 0 ? { ...source.metadata, tags } : source.metadata;
    this.#withVideo = false;
    this.#videoLost = false;
    try {
      const options = { name, description, metadata, stream: source.stream, video, ...(pre_roll > 0 ? { pre_roll } : {}) };
      const { session_id: id, pre_roll: taken } = await this.#client.startRecording(options);
      this.#adopt(id, "recording");
      if (pre_roll > 0) this.emit("note", `It begins ${(taken ?? 0).toFixed(1)} s before the start.`);
    } catch (error) {
      if (!(error instanceof PosesessionError) || error.code !== "already_recording") throw error;
      this.#adopt(String(error.details.session_id), "recording");
      this.emit("note", "This stream is already being recorded: the buttons act on that recording.");
      return;
    }
    if (camera && mime) this.#startVideo(camera, mime);
  }

  async pause() {
    await this.#client.pauseRecording(this.#target());
    this.#change("paused");
  }

  async resume() {
    // Each pose that is recorded should have its picture in the video, so pictures come first.
    this.#resuming = true;
    try {
      await this.#videoSource?.caughtUp();
      await this.#client.resumeRecording(this.#target());
      this.#change("recording");
    } finally {
      this.#resuming = false;
    }
  }

  /**
   * @param {string} label
   * @param {number} [timestamp] seconds of the streamer's clock, where it is this page's
   * @returns {Promise<{ timestamp: number, label: string }>} with the session time
   */
  async mark(label, timestamp) {
    const { marker } = await this.#client.mark(label, { ...this.#target(), timestamp });
    return marker;
  }

  async stop() {
    const before = this.#state;
    this.#change("stopping");
    try {
      await this.#stopVideo();
      const { session, report } = await this.#client.stopRecording(this.#target());
      this.#change("finalized");
      this.emit("finalized", { session, report });
    } catch (error) {
      if (this.#state === "stopping") this.#change(before);
      throw error;
    }
  }

  async discard() {
    const before = this.#state;
    this.#change("stopping");
    try {
      await this.#stopVideo();
      await this.#client.discardRecording(this.#target());
      this.#change("live");
    } catch (error) {
      if (this.#state === "stopping") this.#change(before);
      throw error;
    }
  }

  /**
   * Goes on after a lost connection, or notices that the server has ended the recording meanwhile.
   * @param {Source} source
   */
  async resumeSession(source) {
    const id = this.#sessionId;
    if (!this.isUnderWay || !id) return;
    if (source.kind === "remote") {
      if (source.recordedAs !== id) this.#endedElsewhere(id, "server");
      return;
    }
    for (;;) {
      try {
        await this.#client.resumeSession({ session_id: id, publisher: source.publisher });
        return;
      } catch (error) {
        if (!(error instanceof PosesessionError)) throw error;
        if (RECORDING_OVER.includes(error.code)) {
          this.#endedElsewhere(id, "server");
          return;
        }
        // The server's store may still be starting, or put the video together.
        if (error.code !== "storage" || !this.#client.isConnected) throw error;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  /** Lets go of the recording, which goes on: the page watches another stream now. */
  release() {
    void this.#stopVideo();
    this.#sessionId = null;
    this.#change("live");
  }

  /** Ends the video, because its camera is gone; the poses may go on with another one. */
  endVideo() {
    if (!this.#video) return;
    this.#videoLost = true;
    void this.#stopVideo();
  }

  #target() {
    return this.#sessionId ? { session_id: this.#sessionId } : {};
  }

  /**
   * @param {string} sessionId
   * @param {"recording" | "paused"} state
   */
  #adopt(sessionId, state) {
    if (this.#state === "stopping") return;
    if (this.#sessionId === sessionId && this.#state === state) return;
    this.#sessionId = sessionId;
    this.#change(state);
  }

  /** @param {Message} status */
  #follow(status) {
    if (status.status === "recording" || status.status === "paused") {
      const ended = status.session_id === this.#sessionId && !this.isUnderWay;
      if (!ended) this.#adopt(status.session_id, status.status);
    } else {
      this.#endedElsewhere(status.session_id, "elsewhere");
    }
    this.emit("status", status);
  }

  /**
   * @param {string} sessionId
   * @param {Ended["by"]} by
   */
  #endedElsewhere(sessionId, by) {
    // What ends while this page stops it is the answer to come, unless that is lost with its connection.
    const ended = this.#state === "recording" || this.#state === "paused" || (this.#state === "stopping" && by === "server");
    if (sessionId !== this.#sessionId || !ended) return;
    void this.#stopVideo();
    this.#change("live");
    this.emit("ended", { session_id: sessionId, by });
  }

  /** @param {RecordingState} state */
  #change(state) {
    this.#state = state;
    this.emit("change", state);
  }

  /**
   * Records the camera's pictures; none while the recording is paused: the server takes that time out of the video, too.
   * @param {import("./realtime_sources.js").CameraSource} camera
   * @param {string} mime
   */
  #startVideo(camera, mime) {
    const video = new VideoRecorder(mime);
    this.#withVideo = true;
    video.on("chunk", ({ bytes, offset, first_timestamp }) => {
      if (this.#videoLost || this.#client.sendVideo(bytes, offset, first_timestamp)) return;
      this.#videoLost = true;
      this.emit("note", "The video could not be sent any further: it ends here. The poses go on.");
    });
    video.on("error", ({ message }) => {
      this.#videoLost = true;
      this.emit("note", `${message}. The poses go on.`);
    });
    this.#stopFeeding = camera.onPicture((picture) => {
      if ((this.#state === "recording" || this.#resuming) && !this.#videoLost) video.feed(picture);
    });
    this.#video = video;
    this.#videoSource = camera;
  }

  async #stopVideo() {
    const video = this.#video;
    this.#video = null;
    this.#videoSource = null;
    this.#stopFeeding();
    await video?.stop();
  }
}
