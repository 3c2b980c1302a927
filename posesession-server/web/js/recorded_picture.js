// @ts-check
// A recording in, what its camera saw with the recorded pose over it out: its video, or else its frames' images.

import { describeError } from "./errors.js";
import { RecordedImages } from "./recorded_images.js";
import { RecordedVideo } from "./recorded_video.js";
import { ReplayStage } from "./replay_stage.js";
import { SessionApi } from "./session_api.js";
import { VideoTimes } from "./video_times.js";

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./canvas_mapping.js").Size} Size
 * @typedef {import("./json_frame.js").Skeleton} Skeleton
 * @typedef {import("./recorded_video.js").Clock} Clock
 * @typedef {import("./session_api.js").SessionRecording} SessionRecording
 * @typedef {"none" | "video" | "images"} PictureKind
 */

/** While a recording or its video isn't finished, it is asked for again. */
const LOOK_AGAIN_MS = 1500;
/** Where none of so many first frames has an image, none has. */
const FRAMES_LOOKED_AT = 10;

/** The pane of a replay that shows the recorded picture. */
export class RecordedPicture {
  #pane;
  #onChange;
  #video = document.createElement("video");
  #canvas = document.createElement("canvas");
  #note = document.createElement("p");
  #stage = new ReplayStage(this.#canvas);
  /** @type {RecordedVideo | RecordedImages | null} */
  #player = null;
  /** @type {PictureKind} */
  #kind = "none";
  /** Counts what was asked for: an answer may be overtaken. */
  #wish = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #again;
  /** @type {DecodedFrame | null} */
  #frame = null;
  /** As the replay was followed last. @type {Clock | null} */
  #clock = null;
  /** Whether the server could not be asked, or its video could not be read to the end. */
  #hasFailed = false;
  #lookAgain = () => {};

  /**
   * @param {HTMLElement} pane
   * @param {() => void} onChange of `kind` or `note`
   */
  constructor(pane, onChange) {
    this.#pane = pane;
    this.#onChange = onChange;
    this.#note.className = "note";
    this.#video.ariaHidden = "true";
    this.#canvas.role = "img";
    this.#canvas.ariaLabel = "The recorded picture with its pose";
    Object.assign(this.#video, { muted: true, playsInline: true, preload: "auto" });
    pane.append(this.#video, this.#canvas, this.#note);
    pane.hidden = true;
    this.#video.addEventListener("error", () => {
      if (this.#kind !== "video") return;
      this.#hasFailed = true;
      this.#become("none", `The recorded video cannot be shown: ${describeError(this.#video.error?.message || "its format is not known here")}.`);
    });
  }

  get kind() {
    return this.#kind;
  }

  /** Session time of what is shown, seconds; NaN: nothing is. */
  get shownTimestamp() {
    return this.#player?.shownTimestamp ?? NaN;
  }

  /** How far pose and picture are apart, milliseconds; NaN: not known. */
  get offsetMs() {
    return this.#player instanceof RecordedVideo ? this.#player.offsetMs : NaN;
  }

  /**
   * Shows the picture of a recording.
   * @param {string} server
   * @param {string} id
   * @param {Skeleton | null} skeleton
   * @param {Size} size of the picture
   */
  show(server, id, skeleton, size) {
    this.hide();
    this.#stage.setSkeleton(skeleton, size);
    this.#stage.start();
    this.#pane.style.aspectRatio = `${size.width} / ${size.height}`;
    void this.#look(server, id, (this.#wish += 1));
  }

  /** Tries again what has failed, if it has: the server is back. */
  retry() {
    if (this.#hasFailed) this.#lookAgain();
  }

  hide() {
    this.#wish += 1;
    this.#hasFailed = false;
    this.#clock = null;
    clearTimeout(this.#again);
    this.#player?.stop();
    this.#player = null;
    this.#frame = null;
    this.#stage.stop();
    this.#stage.setFrame(null);
    this.#video.removeAttribute("src");
    this.#video.load();
    this.#become("none", "");
  }

  /** @param {boolean} mirrored */
  setMirrored(mirrored) {
    this.#stage.setMirrored(mirrored);
  }

  /** @param {DecodedFrame} frame */
  setFrame(frame) {
    this.#frame = frame;
    this.#player?.setFrame(frame);
  }

  /** @param {Clock} clock */
  follow(clock) {
    this.#clock = clock;
    if (this.#player instanceof RecordedVideo) this.#player.follow(clock);
  }

  /**
   * @param {string} server
   * @param {string} id
   * @param {number} wish
   */
  async #look(server, id, wish) {
    this.#hasFailed = false;
    this.#lookAgain = () => void this.#look(server, id, wish);
    /** @type {SessionRecording} */
    let recording;
    let hasImages = false;
    try {
      const api = new SessionApi({ base: server });
      recording = await api.read(id);
      hasImages = recording.video_file_path === null && (await anyImage(server, id));
    } catch {
      // The replay itself says what is wrong.
      if (wish === this.#wish) this.#hasFailed = true;
      return;
    }
    if (wish !== this.#wish) return;
    const video = /** @type {import("./video_times.js").VideoMetadata | undefined} */ (recording.metadata.video);
    const isFinished = !["recording", "paused", "processing"].includes(recording.status);
    if (isFinished && recording.video_file_path !== null) this.#showVideo(server, id, new VideoTimes(video ?? {}));
    else if (video && !isFinished) this.#become("none", unfinished(recording.status));
    else if (hasImages) this.#showImages(server, id);
    else this.#become("none", "");
    if (!isFinished && this.#kind === "none") this.#again = setTimeout(this.#lookAgain, LOOK_AGAIN_MS);
  }

  /**
   * @param {string} server
   * @param {string} id
   * @param {VideoTimes} times
   */
  #showVideo(server, id, times) {
    const video = this.#video;
    // Another server's answers come with its permission only when it is asked who asks.
    video.crossOrigin = server === location.origin ? null : "anonymous";
    video.src = `${server}/api/sessions/${encodeURIComponent(id)}/video`;
    this.#become("video", "", new RecordedVideo(video, this.#stage, times));
  }

  /**
   * @param {string} server
   * @param {string} id
   */
  #showImages(server, id) {
    const address = (/** @type {number} */ frameNumber) => `${server}/api/sessions/${encodeURIComponent(id)}/frames/${frameNumber}/image`;
    this.#become("images", "", new RecordedImages(this.#stage, address));
  }

  /**
   * @param {PictureKind} kind
   * @param {string} note in place of a picture
   * @param {RecordedVideo | RecordedImages | null} [player]
   */
  #become(kind, note, player = null) {
    const isSame = kind === this.#kind && note === this.#note.textContent;
    if (!player) this.#player?.stop();
    this.#player = player;
    this.#kind = kind;
    this.#note.textContent = note;
    this.#video.hidden = kind !== "video";
    this.#canvas.hidden = kind === "none";
    this.#pane.hidden = kind === "none" && note === "";
    if (player && this.#frame) player.setFrame(this.#frame);
    // A replay that stands still says only once where.
    if (player instanceof RecordedVideo && this.#clock) player.follow(this.#clock);
    if (!isSame) this.#onChange();
  }
}

/** @param {string} status */
function unfinished(status) {
  return status === "processing" ? "The recorded video is still being put together." : "The recorded video can be seen when the recording has ended.";
}

/**
 * @param {string} server
 * @param {string} id
 */
async function anyImage(server, id) {
  const answer = await fetch(`${server}/api/sessions/${encodeURIComponent(id)}/frames?limit=${FRAMES_LOOKED_AT}`);
  const { frames = [] } = answer.ok ? await answer.json() : {};
  return frames.some((/** @type {{ image_path: string | null }} */ frame) => frame.image_path !== null);
}
