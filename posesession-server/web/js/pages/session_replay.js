// @ts-check
// Replays one session over the live webcam, with playback controls.

import { describeError } from "../errors.js";
import { formatDate, formatTime } from "../format.js";
import { drawIcons } from "../icons.js";
import { PoseReplayElement } from "../pose_replay.js";
import { attempt, byId, element, onClick, publishState, setText, showNotice, showProblem } from "./dom.js";
import { useShortcuts } from "./keyboard.js";

/** @typedef {import("../replay_media.js").Marker} Marker */

const STATUS_TEXT = /** @type {Record<string, string>} */ ({
  paused: "Paused",
  playing: "Playing",
  buffering: "Waiting for frames",
  ended: "Ended",
  connecting: "Connecting",
  failed: "Not connected",
});
const MARKER_TEXT = { user: "Mark", paused: "Paused", gap: "Gap", clock_jump: "Clock jump", started: "Started" };
const CONTROLS = ["play", "seek", "rate", "step-back", "step-forward"];

const parameters = new URLSearchParams(location.search);
const sessionId = parameters.get("session") ?? "";
const seek = byId("seek", HTMLInputElement);
const rate = byId("rate", HTMLSelectElement);
const useWebcam = byId("use-webcam", HTMLInputElement);

const replay = byId("replay", PoseReplayElement);

/** Whether the user holds the slider: then it shows where the user is, not where playback is. */
let scrubbing = false;

replay.addEventListener("recordingchange", () => {
  const { recording, duration, frameCount, markers, live } = replay;
  if (!recording) return;
  setText("session-name", recording.name || "Without a name");
  document.title = `${recording.name} · Replay · posesession`;
  setText("session-facts", `${formatDate(recording.created_at)} · ${recording.status}${live ? " · still being recorded" : ""}`);
  setText("frame-count", String(frameCount));
  showEnd(duration);
  showMarkers(markers);
  publishState({ sessionId: recording.id, duration, frameCount });
});

function showState() {
  const { status, epoch, playbackRate } = replay;
  const isOpen = !["connecting", "failed", "closed"].includes(status);
  for (const id of CONTROLS) byId(id, HTMLElement).toggleAttribute("disabled", !isOpen);
  setText("status", STATUS_TEXT[status] ?? status);
  setText("play", replay.paused ? "Play" : "Pause");
  showRate(playbackRate);
  publishState({ state: status, epoch, rate: playbackRate });
  showPosition();
}

for (const event of ["statechange", "ratechange", "seeked"]) replay.addEventListener(event, showState);

replay.addEventListener("frame", () => {
  const { frame, frameNumber, epoch, statistics } = replay;
  if (!frame) return;
  setText("frame-number", String(frameNumber));
  publishState({ frameNumber, timestamp: frame.timestamp, epoch, framesDrawn: statistics.frames_drawn, persons: frame.person_ids.length });
});

replay.addEventListener("error", () => showProblem(replay.error));

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
    button.addEventListener("click", () => void attempt(() => replay.seek({ timestamp: marker.timestamp })));
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
  const position = replay.currentTime;
  if (replay.live && replay.duration > Number(seek.max)) showEnd(replay.duration);
  if (!scrubbing) seek.value = String(position);
  const text = formatTime(scrubbing ? Number(seek.value) : position);
  setText("time", text);
  seek.setAttribute("aria-valuetext", text);
}

function followClock() {
  if (replay.status === "playing") showPosition();
  requestAnimationFrame(followClock);
}

function playOrPause() {
  return replay.paused ? replay.play() : replay.pause();
}

replay.addEventListener("webcamchange", () => {
  const { webcamState, webcamError } = replay;
  const note = byId("webcam-note", HTMLElement);
  note.hidden = webcamState !== "failed";
  note.textContent = `No webcam: ${describeError(webcamError)}. The pose is shown alone.`;
  useWebcam.checked = webcamState === "opening" || webcamState === "live";
  publishState({ webcam: webcamState === "off" || webcamState === "failed" ? "none" : webcamState });
});

onClick("play", playOrPause);
onClick("step-back", () => replay.step(-1));
onClick("step-forward", () => replay.step(1));
rate.addEventListener("change", () => void attempt(() => replay.setRate(Number(rate.value))));
seek.addEventListener("input", () => {
  scrubbing = true;
  showPosition();
  void attempt(() => replay.seek({ timestamp: Number(seek.value) }));
});
seek.addEventListener("change", () => {
  void attempt(async () => {
    try {
      await replay.seek({ timestamp: Number(seek.value) });
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
  replay.webcam = useWebcam.checked;
});
drawIcons(document);
useShortcuts([
  { keys: [" "], label: "Play or pause", action: playOrPause },
  { keys: [","], label: "One frame back", action: () => replay.step(-1) },
  { keys: ["."], label: "One frame on", action: () => replay.step(1) },
]);
if (sessionId === "") {
  showNotice("This address names no session. Choose one from the list of sessions.", "problem");
  publishState({ state: "failed" });
} else {
  replay.autoplay = parameters.get("autoplay") === "1";
  replay.session = sessionId;
}
replay.webcam = true;
followClock();
