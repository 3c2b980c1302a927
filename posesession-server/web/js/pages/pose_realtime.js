// @ts-check
// Shows live poses, of this camera or of a remote stream, and controls their recording.

import { listCameras } from "../capture.js";
import { PosesessionError } from "../errors.js";
import { formatBytes, formatTime } from "../format.js";
import { drawIcons } from "../icons.js";
import { RecordClient, SessionApi } from "../posesession.js";
import { SkeletonCanvas } from "../skeleton_canvas.js";
import { confirmAction } from "./dialogs.js";
import { attempt, byId, onClick, publishState, setText, showNotice, showProblem } from "./dom.js";
import { useShortcuts } from "./keyboard.js";
import { Connection } from "./realtime_connection.js";
import { Recording } from "./realtime_recording.js";
import { showReport } from "./realtime_report.js";
import { CameraSource, RemoteSource } from "./realtime_sources.js";

/** @typedef {import("./realtime_sources.js").Source} Source */

const STATE_TEXT = {
  loading: "Starting",
  failed: "No source",
  live: "Live",
  recording: "Recording",
  paused: "Paused",
  stopping: "Stopping",
  finalized: "Recorded",
};
const RATE_WINDOW_MS = 1000;

const video = byId("camera", HTMLVideoElement);
const mirror = byId("mirror", HTMLInputElement);
const streamName = byId("stream-name", HTMLInputElement);
const modelSelect = byId("model-select", HTMLSelectElement);
const cameraSelect = byId("camera-select", HTMLSelectElement);
const remoteChosen = byId("source-remote", HTMLInputElement);

const client = new RecordClient();
const connection = new Connection(client);
const recording = new Recording(client);
const stage = { video, overlay: new SkeletonCanvas(byId("overlay", HTMLCanvasElement)), mirrored: () => mirror.checked };

/** @type {Source | null} */
let source = null;
let sourceReady = false;
/** Whether this connection was already told to publish or watch for a source, and whether it does. */
let attached = false;
let flowing = false;
let poses = 0;
let windowStart = performance.now();

client.on("error", (error) => {
  if (error.code === "not_publisher") leaveStream();
  showProblem(error);
});
client.on("frame_not_sent", ({ frames_not_sent: count }) => {
  setText("frames-not-sent", String(count));
  publishState({ framesNotSent: count });
});
client.on("ack", ({ stored_through: stored }) => setText("stored-through", String(stored ?? "–")));

connection.on("change", ({ phase, text }) => {
  setText("connection", text);
  publishState({ connection: phase });
  attached = false;
  flowing = false;
  showButtons();
  if (phase === "open") void attempt(attach);
});

recording.on("change", (state) => {
  if (state !== "finalized") byId("report", HTMLElement).hidden = true;
  showState();
});
recording.on("note", (text) => showNotice(text));
recording.on("status", (status) => {
  setText("time", formatTime(status.duration));
  setText("frame-count", String(status.frame_count));
  setText("gaps", String(status.gaps ?? 0));
  setText("stored-through", String(status.stored_through ?? "–"));
  if (status.trouble) showNotice(`The server has trouble: ${status.trouble}`, "problem");
  setText("video-stored", status.video_stored_bytes ? formatBytes(status.video_stored_bytes) : "–");
  publishState({ frameCount: status.frame_count, storedThrough: status.stored_through ?? "", duration: status.duration });
});
recording.on("finalized", ({ session, report }) => {
  setText("time", formatTime(session.duration));
  setText("frame-count", String(session.frame_count));
  publishState({ frameCount: session.frame_count, duration: session.duration });
  showNotice("");
  showReport(session, report);
});

/** Publishes or watches on a connection that has just been opened, and goes on with a recording. */
async function attach() {
  if (!source || !sourceReady || !client.isConnected) return;
  byId("take-over", HTMLButtonElement).hidden = true;
  attached = true;
  try {
    await source.attach();
    flowing = true;
    if (source.kind === "camera") await recording.resumeSession(source.publisher);
  } catch (error) {
    if (!(error instanceof PosesessionError) || error.code !== "stream_busy") throw error;
    byId("take-over", HTMLButtonElement).hidden = false;
    showNotice(`Another program already sends poses to the stream “${source.stream}”. Take it over, watch it as a remote stream, or choose another name.`, "problem");
  }
  showState();
}

/** Stops sending to a stream that another program has taken over; what is recorded there is recorded of that program. */
function leaveStream() {
  if (source?.kind !== "camera") return;
  source.detach();
  flowing = false;
  recording.release();
  byId("take-over", HTMLButtonElement).hidden = false;
}

/** Opens the source that the form describes in place of the one before. */
async function openSource() {
  source?.close();
  sourceReady = false;
  recording.release();
  showNotice("");
  byId("take-over", HTMLButtonElement).hidden = true;
  const stream = streamName.value.trim() || "default";
  const opened = remoteChosen.checked
    ? new RemoteSource(client, stage, { stream })
    : new CameraSource(client, stage, { stream, model: modelSelect.value, device_id: cameraSelect.value });
  source = opened;
  showStage(opened.kind === "camera" ? "Opening the camera and loading the pose model" : `Waiting for frames of the stream “${stream}”`);
  publishState({ source: "opening" });
  showState();
  opened.on("pose", ({ persons }) => onPose(opened, persons));
  opened.on("error", (error) => failSource(opened, error));
  try {
    if (opened.kind === "camera") await checkVision();
    await opened.open();
  } catch (error) {
    failSource(opened, error);
    return;
  }
  if (source !== opened) return;
  sourceReady = true;
  publishState({ source: opened.kind });
  showState();
  if (opened.kind === "camera") void attempt(showCameras);
  if (attached) await connection.renew();
  else await attach();
}

/** Says so, with the command that helps, when the server lacks the page's model. */
async function checkVision() {
  const { available, models, fetch_command: command } = await new SessionApi().vision();
  if (!available || models.length === 0) {
    throw new PosesessionError(
      "vision_unavailable",
      `the pose model is not on this server yet. Run “${command}” where the server runs and reload this page; a remote stream can be watched and recorded without it`,
    );
  }
  const chosen = models.includes(modelSelect.value) ? modelSelect.value : models[0];
  modelSelect.replaceChildren(...models.map((model) => new Option(model === "lite" ? "Lite, fastest" : `${model.charAt(0).toUpperCase()}${model.slice(1)}`, model)));
  modelSelect.value = chosen;
  if (source?.kind === "camera") source.model = chosen;
}

async function showCameras() {
  const cameras = await listCameras();
  const chosen = cameraSelect.value;
  const options = cameras.map(({ deviceId, label }, index) => new Option(label || `Camera ${index + 1}`, deviceId));
  cameraSelect.replaceChildren(new Option("Default camera", ""), ...options);
  cameraSelect.value = cameras.some(({ deviceId }) => deviceId === chosen) ? chosen : "";
}

/**
 * @param {Source} failed
 * @param {unknown} error
 */
function failSource(failed, error) {
  if (source !== failed) return;
  failed.close();
  source = null;
  sourceReady = false;
  showStage("No picture");
  showProblem(error);
  publishState({ source: "failed", sourceError: error instanceof PosesessionError ? error.code : "unknown" });
  showState();
}

/**
 * @param {Source} of
 * @param {number} persons
 */
function onPose(of, persons) {
  if (source !== of) return;
  showStage("");
  poses += 1;
  publishState({ framesSent: client.frames_sent, persons });
}

function showRate() {
  const now = performance.now();
  const rate = (poses * 1000) / (now - windowStart);
  setText("fps", source && poses > 0 ? rate.toFixed(1) : "–");
  publishState({ posesPerSecond: rate.toFixed(1) });
  poses = 0;
  windowStart = now;
}

/** @param {string} text */
function showStage(text) {
  const note = byId("stage-note", HTMLElement);
  if (note.textContent !== text) note.textContent = text;
  note.hidden = text === "";
}

function showState() {
  const ofRecording = sourceReady || recording.isUnderWay || recording.state === "finalized";
  const state = ofRecording ? recording.state : source ? "loading" : "failed";
  setText("status", STATE_TEXT[state]);
  publishState({ state, sessionId: recording.sessionId ?? "" });
  showButtons();
}

function showButtons() {
  const active = recording.state === "recording" || recording.state === "paused";
  byId("record", HTMLButtonElement).disabled = !sourceReady || !flowing || recording.isUnderWay;
  for (const id of ["pause", "stop", "discard", "mark"]) byId(id, HTMLButtonElement).disabled = !client.isConnected || !active;
  setText("pause", recording.state === "paused" ? "Resume" : "Pause");
  const remote = source?.kind === "remote";
  byId("with-video", HTMLInputElement).disabled = remote || recording.isUnderWay;
  byId("source-apply", HTMLButtonElement).disabled = recording.isUnderWay && source?.kind === "camera";
}

function showSourceChoice() {
  byId("camera-options", HTMLElement).hidden = remoteChosen.checked;
  setText("source-apply", remoteChosen.checked ? "Watch the stream" : "Start camera");
}

/** A name that tells sessions apart when the user gives none. */
function nameOrDefault() {
  const name = byId("session-name", HTMLInputElement).value.trim();
  return name || `Session of ${new Date().toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" })}`;
}

async function startRecording() {
  if (!source) return;
  showNotice("");
  await recording.start(source, {
    name: nameOrDefault(),
    description: byId("session-description", HTMLTextAreaElement).value.trim(),
    with_video: byId("with-video", HTMLInputElement).checked,
  });
}

async function mark() {
  const label = byId("mark-label", HTMLInputElement);
  await recording.mark(label.value.trim(), source?.kind === "camera" ? performance.now() / 1000 : undefined);
  showNotice(label.value.trim() ? `Marked “${label.value.trim()}”.` : "Marked.");
  label.value = "";
}

async function discard() {
  if (!(await confirmAction({ title: "Discard this recording?", text: "What was recorded is erased and cannot be brought back.", action: "Discard", danger: true }))) return;
  await recording.discard();
  showNotice("The recording was discarded.");
}

async function takeOver() {
  if (source?.kind !== "camera") return;
  await source.attach({ take_over: true });
  flowing = true;
  byId("take-over", HTMLButtonElement).hidden = true;
  showNotice("");
  showState();
}

byId("source", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  void attempt(openSource);
});
byId("source", HTMLFormElement).addEventListener("change", ({ target }) => {
  if (target === mirror) return;
  showSourceChoice();
});
for (const [id, mirrored] of /** @type {const} */ ([["source-camera", true], ["source-remote", false]])) {
  byId(id, HTMLInputElement).addEventListener("change", () => {
    mirror.checked = mirrored;
    video.classList.toggle("mirrored", mirrored);
  });
}
mirror.addEventListener("change", () => video.classList.toggle("mirrored", mirror.checked));
byId("recording", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  if (!byId("record", HTMLButtonElement).disabled) void attempt(startRecording);
});
onClick("pause", () => (recording.state === "paused" ? recording.resume() : recording.pause()));
onClick("stop", () => recording.stop());
onClick("discard", discard);
onClick("mark", mark);
onClick("take-over", takeOver);
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !recording.isUnderWay || source?.kind !== "camera") return;
  showNotice("Browsers slow pages that are not in view: fewer poses were recorded meanwhile. Keep this page in view while it records.");
});
window.addEventListener("beforeunload", (event) => {
  if (recording.isUnderWay && source?.kind === "camera") event.preventDefault();
});

/** `?source=remote&stream=NAME` opens the page on a stream. */
const parameters = new URLSearchParams(location.search);
remoteChosen.checked = parameters.get("source") === "remote";
streamName.value = parameters.get("stream") ?? streamName.value;
mirror.checked = !remoteChosen.checked;
video.classList.toggle("mirrored", mirror.checked);
publishState({ framesSent: 0, framesNotSent: 0, frameCount: 0 });
showSourceChoice();
setInterval(showRate, RATE_WINDOW_MS);
void connection.open();
void attempt(openSource);

drawIcons(document);
useShortcuts([
  { keys: [" "], label: "Pause or resume the recording", action: () => byId("pause", HTMLButtonElement).click() },
  { keys: ["m"], label: "Mark this moment", action: () => byId("mark", HTMLButtonElement).click() },
]);
