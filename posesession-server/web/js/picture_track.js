// @ts-check
// Pictures with their times in, a video track that MediaRecorder can record out.

/** @typedef {import("./picture.js").Picture} Picture */

/**
 * A video track that shows what it is given, when it is given.
 * @typedef {object} PictureTrack
 * @property {MediaStreamTrack} track
 * @property {(picture: Picture) => boolean} show whether the picture was taken over; the caller closes it in any case
 */

/** Pictures that wait for the recorder: more would only be memory. */
const MAX_WAITING = 3;

/** @typedef {MediaStreamTrack & { writable: WritableStream<VideoFrame> }} TrackGenerator only in some browsers, so not in TypeScript's list */

/** @type {(new (options: { kind: "video" }) => TrackGenerator) | undefined} */
const Generator = /** @type {any} */ (globalThis).MediaStreamTrackGenerator;

/**
 * Makes a track for pictures of one size.
 *
 * Chromium's generator passes the camera's own time stamps on, so that the recorded video has them to the millisecond,
 * however busy the machine is. A canvas, elsewhere, stamps a picture when it is drawn: up to a display's frame later
 * than the last one, more under load.
 * @param {Picture} first
 * @returns {PictureTrack}
 */
export function pictureTrack(first) {
  return Generator && first.image instanceof VideoFrame ? generatedTrack(new Generator({ kind: "video" })) : canvasTrack(first);
}

/**
 * @param {TrackGenerator} track
 * @returns {PictureTrack}
 */
function generatedTrack(track) {
  const writer = track.writable.getWriter();
  let waiting = 0;
  const show = (/** @type {Picture} */ { image }) => {
    if (waiting >= MAX_WAITING || track.readyState === "ended") return false;
    const frame = /** @type {VideoFrame} */ (image).clone();
    waiting += 1;
    writer
      .write(frame)
      // The track has ended meanwhile.
      .catch(() => frame.close())
      .finally(() => {
        waiting -= 1;
      });
    return true;
  };
  return { track, show };
}

/**
 * @param {Picture} first
 * @returns {PictureTrack}
 */
function canvasTrack({ image }) {
  const canvas = document.createElement("canvas");
  canvas.width = "displayWidth" in image ? image.displayWidth : image.width;
  canvas.height = "displayHeight" in image ? image.displayHeight : image.height;
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) throw new Error("this browser has no 2D canvas");
  const track = /** @type {CanvasCaptureMediaStreamTrack} */ (canvas.captureStream(0).getVideoTracks()[0]);
  const show = (/** @type {Picture} */ { image: next }) => {
    context.drawImage(next, 0, 0, canvas.width, canvas.height);
    track.requestFrame();
    return true;
  };
  return { track, show };
}
