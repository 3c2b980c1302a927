// @ts-check
// Replays one session over the live webcam, with playback controls.

import { describeError } from "../errors.js";
import { formatDate, formatTime } from "../format.js";
import { drawIcons } from "../icons.js";
import { PoseReplay } from "../pose_replay.js";
import { ReplayClient, SessionApi } from "../posesession.js";
import { attempt, byId, element, onClick, publishState, setText, showNotice, showProblem } from "./dom.js";
import { useShortcuts } from "./keyboard.js";

/**
 * @typedef {import("../command_socket.js").Message} Message
 *
 * @typedef {object} Marker
 * @property {"user" | "paused" | "gap" | "clock_jump" | "started"} kind
 * @property {number} timestamp seconds within the session
 * @property {string} label
 */

const STATUS_TEXT = /** @type {Record<string, string>} */ ({
  paused: "Paused",
  playing: "Playing",
  buffering: "Waiting for frames",
  ended: "Ended",
});
const MARKER_TEXT = { user: "Mark", paused: "Paused", gap: "Gap", clock_jump: "Clock jump", started: "Started" };
const CONTROLS = ["play", "seek", "rate", "step-back", "step-forward"];

const parameters = new URLSearchParams(location.search);
const sessionId = parameters.get("session") ?? "";
const seek = byId("seek", HTMLInputElement);
const rate = byId("rate", HTMLSelectElement);
const useWebcam = byId("use-webcam", HTMLInputElement);

const client = new ReplayClient({ session_id: sessionId, autoplay: parameters.get("autoplay") === "1" });
const replay = new PoseReplay({
  video: byId("webcam", HTMLVideoElement),
  canvas: byId("overlay", HTMLCanvasElement),
  client,
});

/** Whether the user holds the slider: then it shows where the user is, not where playback is. */
let scrubbing = false;

client.on("session", ({ session, duration, frame_count: frameCount, markers = [], live }) => {
  setText("session-name", session.name || "Without a name");
  document.title = `${session.name} · Replay · posesession`;
  setText("session-facts", `${formatDate(session.created_at)} · ${session.status}${live ? " · still being recorded" : ""}`);
  setText("frame-count", String(frameCount));
  showEnd(duration);
  showMarkers(markers);
  publishState({ sessionId: session.id, duration, frameCount });
  if (frameCount === 0) showNotice("This session has no frames: nothing was recorded in it.");
});

client.on("state", (state) => {
  setText("status", STATUS_TEXT[state.status] ?? state.status);
  setText("play", state.status === "playing" || state.status === "buffering" ? "Pause" : "Play");
  showRate(state.rate);
  if (state.status === "buffering" && state.cause) showNotice(`Waiting for frames: ${state.cause}`);
  publishState({ state: state.status, epoch: state.epoch, rate: state.rate });
  showPosition();
});

client.on("frame", ({ frame_number: frameNumber, timestamp, person_ids: persons }) => {
  setText("frame-number", String(frameNumber ?? "–"));
  publishState({ frameNumber: frameNumber ?? "", timestamp, framesDrawn: replay.frames_drawn, persons: persons.length });
});

client.on("error", showProblem);
client.on("close", ({ code }) => {
  for (const id of CONTROLS) byId(id, HTMLElement).toggleAttribute("disabled", true);
  setText("status", "Disconnected");
  publishState({ state: "closed" });
  if (code !== 1000) showNotice("The connection to the server ended. Reload the page to go on.", "problem");
});

/** @param {number} duration which grows while a session is still being recorded, seconds */
function showEnd(duration) {
  setText("duration", formatTime(duration));
  seek.max = String(duration);
}

/** @param {Marker[]} markers */
function showMarkers(markers) {
  byId("markers-section", HTMLElement).hidden = markers.length === 0;
  const items = markers.map((marker) => {
    const item = element("li");
    const button = element("button", `${formatTime(marker.timestamp)} ${marker.label || MARKER_TEXT[marker.kind] || marker.kind}`);
    button.type = "button";
    button.dataset.kind = marker.kind;
    button.addEventListener("click", () => void attempt(() => client.seek({ timestamp: marker.timestamp })));
    item.append(button);
    return item;
  });
  byId("markers", HTMLUListElement).replaceChildren(...items);
}

/** @param {number} current a rate that the list need not have: somebody else's command, or a link */
function showRate(current) {
  const value = String(current);
  if (![...rate.options].some((option) => option.value === value)) rate.add(new Option(`${current}×`, value));
  rate.value = value;
}

function showPosition() {
  const position = client.position;
  if (client.session?.live && position > Number(seek.max)) showEnd(position);
  if (!scrubbing) seek.value = String(position);
  const text = formatTime(scrubbing ? Number(seek.value) : position);
  setText("time", text);
  seek.setAttribute("aria-valuetext", text);
}

function followClock() {
  if (client.state?.status === "playing") showPosition();
  requestAnimationFrame(followClock);
}

function playOrPause() {
  const status = client.state?.status;
  return status === "playing" || status === "buffering" ? client.pause() : client.play();
}

async function openWebcam() {
  publishState({ webcam: "opening" });
  const note = byId("webcam-note", HTMLElement);
  try {
    await replay.openWebcam();
    note.hidden = true;
    publishState({ webcam: "live" });
  } catch (error) {
    note.textContent = `No webcam: ${describeError(error)}. The pose is shown alone.`;
    note.hidden = false;
    useWebcam.checked = false;
    publishState({ webcam: "none" });
  }
}

async function connect() {
  if (sessionId === "") {
    showNotice("This address names no session. Choose one from the list of sessions.", "problem");
    publishState({ state: "failed" });
    return;
  }
  try {
    await client.connect();
    for (const id of CONTROLS) byId(id, HTMLElement).removeAttribute("disabled");
  } catch (error) {
    publishState({ state: "failed" });
    setText("status", "Not connected");
    showProblem(await reasonOf(error));
  }
}

/**
 * A browser hides why a WebSocket was refused; the HTTP interface says whether the session is there.
 * @param {unknown} error
 */
async function reasonOf(error) {
  try {
    await new SessionApi().read(sessionId);
    return error;
  } catch (reason) {
    return reason;
  }
}

onClick("play", playOrPause);
onClick("step-back", () => client.step(-1));
onClick("step-forward", () => client.step(1));
rate.addEventListener("change", () => void attempt(() => client.setRate(Number(rate.value))));
seek.addEventListener("input", () => {
  scrubbing = true;
  showPosition();
  void attempt(() => client.seek({ timestamp: Number(seek.value) }));
});
seek.addEventListener("change", () => {
  void attempt(async () => {
    try {
      await client.seek({ timestamp: Number(seek.value) });
    } finally {
      scrubbing = false;
      showPosition();
    }
  });
});
byId("mirror", HTMLInputElement).addEventListener("change", ({ target }) => {
  replay.mirrored = /** @type {HTMLInputElement} */ (target).checked;
});
useWebcam.addEventListener("change", () => {
  if (useWebcam.checked) {
    void openWebcam();
  } else {
    replay.closeWebcam();
    publishState({ webcam: "none" });
  }
});
drawIcons(document);
useShortcuts([
  { keys: [" "], label: "Play or pause", action: playOrPause },
  { keys: [","], label: "One frame back", action: () => client.step(-1) },
  { keys: ["."], label: "One frame on", action: () => client.step(1) },
]);
void openWebcam();
void connect();
followClock();
