// @ts-check
// A replay's clock and frames in, the recorded video with the pose that belongs to each of its pictures out.

import { nearestFrame, pictureCourse } from "./picture_course.js";

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./replay_stage.js").ReplayStage} ReplayStage
 * @typedef {import("./video_times.js").VideoTimes} VideoTimes
 *
 * @typedef {object} Clock
 * @property {number} position seconds within the session
 * @property {number} rate
 * @property {boolean} playing
 */

/** While it plays, the video is this far behind the poses, so that the pose of a picture is there when the picture is; seconds of the wall clock. */
const BEHIND_S = 0.03;
/** A picture's time in the file is rounded: where it is sought, it has begun; seconds. */
const SEEK_AFTER_S = 0.004;
/** Frames that are kept for a picture that comes later. */
const KEPT_FRAMES = 64;
/** How much a new measurement of a seek's duration counts. */
const SEEK_WEIGHT = 0.3;

/** Keeps a video element in step with a replay. */
export class RecordedVideo {
  #video;
  #stage;
  #times;
  /** @type {DecodedFrame[]} */
  #frames = [];
  /** Whether the pose waits for its picture; else it is drawn when it comes. */
  #isWaiting = false;
  /** Whether the video has a picture of the moment that is replayed. */
  #isWithin = false;
  #seekSeconds = 0.1;
  #seekBegunMs = 0;
  /** The session time of the picture that is shown, as the browser says; NaN before the first. */
  #shownTimestamp = NaN;
  #offsetMs = NaN;
  #callback = 0;
  #listening = new AbortController();
  /** As it was followed last. @type {Clock | null} */
  #clock = null;

  /**
   * @param {HTMLVideoElement} video
   * @param {ReplayStage} stage the poses over it
   * @param {VideoTimes} times
   */
  constructor(video, stage, times) {
    this.#video = video;
    this.#stage = stage;
    this.#times = times;
    const { signal } = this.#listening;
    video.addEventListener("seeked", this.#seeked, { signal });
    video.addEventListener("loadedmetadata", this.#followAgain, { signal });
    this.#awaitPicture();
  }

  /** Session time of the picture that is shown, seconds; NaN before the first. */
  get shownTimestamp() {
    return this.#shownTimestamp;
  }

  /** How far the pose over the shown picture is from it, milliseconds; NaN before the first. */
  get offsetMs() {
    return this.#offsetMs;
  }

  /** @param {DecodedFrame} frame */
  setFrame(frame) {
    if (this.#frames.length === KEPT_FRAMES) this.#frames.shift();
    this.#frames.push(frame);
    if (!this.#isWaiting || Number.isNaN(this.#shownTimestamp)) this.#stage.setFrame(frame);
  }

  /** @param {Clock} clock */
  follow(clock) {
    const { position, rate, playing } = clock;
    const video = this.#video;
    this.#clock = clock;
    if (video.readyState < HTMLMediaElement.HAVE_METADATA) return;
    const wanted = this.#times.videoTime(position);
    const course = pictureCourse({
      playing,
      rate,
      wanted: wanted + (playing ? -BEHIND_S * rate : SEEK_AFTER_S),
      shown: video.currentTime,
      duration: video.duration,
      seekSeconds: this.#seekSeconds,
    });
    this.#isWithin = wanted >= 0 && wanted < video.duration;
    this.#isWaiting = playing && this.#isWithin;
    if (course.rate === null) {
      if (!video.paused) video.pause();
    } else {
      if (video.playbackRate !== course.rate) video.playbackRate = course.rate;
      // A pause that follows at once is no failure.
      if (video.paused) void video.play().catch(() => {});
    }
    if (course.seek !== null && !video.seeking) {
      this.#seekBegunMs = performance.now();
      video.currentTime = course.seek;
    }
  }

  stop() {
    this.#listening.abort();
    this.#video.cancelVideoFrameCallback(this.#callback);
    this.#video.pause();
  }

  #seeked = () => {
    const took = (performance.now() - this.#seekBegunMs) / 1000;
    this.#seekSeconds += SEEK_WEIGHT * (took - this.#seekSeconds);
    this.#followAgain();
  };

  /** Where the replay stands, nothing else would: it may have gone elsewhere while the video could not follow. */
  #followAgain = () => {
    if (this.#clock && !this.#clock.playing) this.follow(this.#clock);
  };

  #awaitPicture() {
    this.#callback = this.#video.requestVideoFrameCallback((_, { mediaTime }) => {
      this.#awaitPicture();
      this.#shownTimestamp = this.#times.timestamp(mediaTime);
      const frame = nearestFrame(this.#frames, this.#shownTimestamp);
      if (!frame) return;
      if (this.#isWithin) this.#stage.setFrame(frame);
      this.#offsetMs = 1000 * (frame.timestamp - this.#shownTimestamp);
    });
  }
}
