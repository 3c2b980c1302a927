// @ts-check
// What is written over the live picture: what is going on, what went wrong and what to do, the countdown, a lost connection.

import { PosesessionError } from "../errors.js";
import { formatBytes } from "../format.js";
import { byId, setText, showNotice, showProblem } from "./dom.js";

/** @typedef {import("./realtime_connection.js").ConnectionChange} ConnectionChange */

const NOTE_LASTS_MS = 8000;
/** A note on the stage is for whoever stands far off: it comes late enough not to flicker. */
const NOBODY_AFTER_MS = 3000;

/** @type {Record<string, string>} */
const FAILURE_TITLES = {
  camera_denied: "The camera is not allowed",
  no_camera: "No camera",
  camera_busy: "The camera is in use",
  insecure_page: "The camera needs a secure page",
  vision_unavailable: "No pose model yet",
  model_failed: "The pose model does not run",
};

const stage = byId("stage", HTMLElement);
const note = byId("stage-note", HTMLElement);
const numeral = byId("countdown", HTMLElement);
const alarm = byId("alarm", HTMLElement);
/** @type {ReturnType<typeof setTimeout> | undefined} */
let noteEnd;
let nobodySince = NaN;

/**
 * Says what the stage waits for; an empty text: there is a picture.
 * @param {string} text
 */
export function showStageNote(text) {
  if (note.textContent !== text) note.textContent = text;
  note.hidden = text === "";
}

/**
 * Says something for a moment.
 * @param {string} text
 */
export function say(text) {
  clearTimeout(noteEnd);
  showNotice(text);
  noteEnd = setTimeout(() => {
    if (byId("notice", HTMLElement).dataset.kind === "info") showNotice("");
  }, NOTE_LASTS_MS);
}

/**
 * Says that there is no picture, why, and what to do.
 * @param {unknown} error
 * @returns {string} its code
 */
export function showFailure(error) {
  const code = error instanceof PosesessionError ? error.code : "unknown";
  showStageNote(FAILURE_TITLES[code] ?? "No picture");
  showProblem(error);
  return code;
}

/**
 * Asks people who are not seen to step into the picture.
 * @param {number} persons
 */
export function showPersons(persons) {
  const now = performance.now();
  if (persons > 0) nobodySince = NaN;
  else if (Number.isNaN(nobodySince)) nobodySince = now;
  showStageNote(now - nobodySince > NOBODY_AFTER_MS ? "Nobody is seen. Step back until the whole body is in the picture." : "");
}

/** @param {number} left seconds; 0: none */
export function showCountdown(left) {
  numeral.hidden = left === 0;
  numeral.textContent = left === 0 ? "" : String(left);
}

/**
 * Says how much is kept here, as long as the connection is lost.
 * @param {{ frames: number, seconds: number, bytes: number, max_bytes: number, dropped: number }} unacked
 */
export function showKept({ frames, seconds, bytes, max_bytes: most, dropped }) {
  const full = dropped > 0 ? ` There is no more room: ${dropped.toLocaleString()} of the oldest gave way.` : "";
  if (dropped > 0 && byId("alarm-text", HTMLElement).textContent === CONSEQUENCES.camera) setText("alarm-text", CONSEQUENCES.full);
  setText("alarm-kept", frames > 0 ? `Kept here: ${seconds.toFixed(0)} s of poses, ${formatBytes(bytes)} of ${formatBytes(most)}.${full}` : "");
}

/** @param {{ width: number, height: number }} size of the picture */
export function showAspect({ width, height }) {
  if (width > 0 && height > 0) stage.style.setProperty("--aspect", String(width / height));
}

/**
 * Says at once and large that the connection is lost or silent, and what becomes of a recording.
 * @param {ConnectionChange} change
 * @param {"none" | "camera" | "remote"} recorded what is being recorded
 */
export function showConnection({ phase, text }, recorded) {
  setText("connection", text);
  const troubled = phase === "lost" || phase === "silent";
  if (troubled) {
    const keeping = recorded === "camera" ? ": keeping poses here" : "";
    setText("alarm-title", `${phase === "lost" ? "Connection lost" : "The server does not answer"}${keeping}.`);
    setText("alarm-text", CONSEQUENCES[recorded]);
  }
  setText("alarm-retry", phase === "lost" ? text.replace("Lost, t", "T") : "Waiting for it");
  byId("reconnect", HTMLButtonElement).hidden = phase !== "lost";
  // Shown last: an alert is read with what it holds by then.
  alarm.hidden = !troubled;
}

const CONSEQUENCES = {
  none: "Is the server running, and this device in its network?",
  camera: "Nothing is lost. Once the connection is back the poses are sent, and the recording goes on by itself.",
  full: "The oldest poses give way now. Once the connection is back the rest is sent, and the recording goes on by itself.",
  remote: "The recording goes on at the server; it cannot be controlled from here until the connection is back.",
};
