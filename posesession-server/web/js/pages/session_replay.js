// @ts-check
// Replays one session over the live webcam: the recorded pose in the middle, everything that moves it around.

import { describeError } from "../errors.js";
import { formatDate, formatTime } from "../format.js";
import { drawIcons } from "../icons.js";
import { PoseReplayElement } from "../pose_replay.js";
import { SessionApi } from "../session_api.js";
import { PoseTimelineElement } from "../timeline.js";
import { attempt, byId, onClick, publishState, setText, showNotice, showProblem } from "./dom.js";
import { useShortcuts } from "./keyboard.js";
import { readAddress } from "./session_replay_address.js";
import { useAngles } from "./session_replay_angles.js";
import { copyLink } from "./session_replay_link.js";
import { useMarkers } from "./session_replay_markers.js";
import { useFullScreen } from "./session_replay_screen.js";
import { showQuality } from "./session_replay_quality.js";
import { useSettings } from "./session_replay_settings.js";
import { useTransport } from "./session_replay_transport.js";

const STATUS_TEXT = /** @type {Record<string, string>} */ ({
  paused: "Paused",
  playing: "Playing",
  buffering: "Waiting for frames",
  ended: "Ended",
  connecting: "Connecting",
  failed: "Not connected",
  closed: "Not connected",
});
/** How often the end of a session that is still being recorded is asked for. */
const LIVE_MS = 2000;

const address = readAddress(location.search);
const api = new SessionApi();
const replay = byId("replay", PoseReplayElement);
const timeline = byId("timeline", PoseTimelineElement);

/** Whether the session was there once: then it was deleted meanwhile. */
let wasThere = false;
/** The session whose quality was asked for. */
let described = "";

function showRecording() {
  const { recording, duration, frameCount, live } = replay;
  if (!recording) return;
  wasThere = true;
  const name = recording.name || "Without a name";
  setText("session-name", name);
  document.title = `${name} · Replay · posesession`;
  setText("session-facts", `${formatDate(recording.created_at)} · ${live ? "still being recorded" : recording.status}`);
  setText("frame-count", String(frameCount));
  // A replay says itself when its session is gone.
  if (!live) void describeQuality(recording.id).catch(() => {});
  publishState({ sessionId: recording.id, duration, frameCount, live: String(live), markerCount: replay.markers.length });
}

/**
 * The report is with the session, not with its replay.
 * @param {string} id
 */
async function describeQuality(id) {
  if (described === id) return;
  described = id;
  showQuality(await api.read(id));
}

function showState() {
  const { status, epoch, playbackRate, range } = replay;
  setText("status", replay.live && status === "buffering" ? "Waiting for the recording to go on" : STATUS_TEXT[status] ?? status);
  publishState({ state: status, epoch, rate: playbackRate, loop: range.loop, rangeStart: range.start ?? "", rangeEnd: range.end ?? "" });
}

/**
 * Shows in the page's place why there is nothing to replay.
 * @param {string} title
 * @param {string} text
 */
function showNothing(title, text) {
  setText("nothing-title", title);
  setText("nothing-text", text);
  byId("nothing", HTMLElement).hidden = title === "";
  byId("replay-area", HTMLElement).hidden = title !== "";
}

function showFailure() {
  replay.webcam = false;
  const restore = byId("restore", HTMLButtonElement);
  restore.hidden = !wasThere;
  if (replay.error?.code !== "session_not_found") showNothing("This session cannot be replayed", `${describeError(replay.error)}.`);
  else if (wasThere) showNothing("This session was deleted", "It can be brought back within a minute.");
  else showNothing("There is no such session", "It may have been deleted, or the address is not complete.");
}

async function restore() {
  await api.restore(address.session);
  showNothing("", "");
  showNotice("");
  replay.webcam = byId("use-webcam", HTMLInputElement).checked;
  replay.load();
}

for (const name of ["recordingchange", "durationchange"]) replay.addEventListener(name, showRecording);
for (const name of ["statechange", "ratechange", "rangechange", "seeked"]) replay.addEventListener(name, showState);
replay.addEventListener("error", showFailure);
replay.addEventListener("frame", () => {
  const { frame, frameNumber, epoch } = replay;
  if (!frame) return;
  setText("frame-number", String(frameNumber));
  publishState({ frameNumber, timestamp: frame.timestamp, epoch, persons: frame.person_ids.length });
});

/** A replay learns of new frames as it shows them; its timeline shows that there are more. */
async function followRecording() {
  if (!replay.live || document.hidden) return;
  try {
    const { duration, frame_count: frameCount } = await api.read(replay.session);
    if (!replay.live) return;
    if (duration !== timeline.recordedEnd) plot.refresh();
    timeline.recordedEnd = duration;
    setText("duration", formatTime(Math.max(duration, replay.duration)));
    setText("frame-count", String(frameCount));
  } catch {
    // The replay says itself when its session or server is gone.
  }
}

drawIcons(document);
timeline.replay = replay;
const { shortcuts: screenKeys } = useFullScreen(replay);
const { shortcuts: settingKeys } = useSettings(replay);
const transportKeys = useTransport(replay);
const markerKeys = useMarkers(replay);
const plot = useAngles(replay);
useShortcuts([...transportKeys, ...markerKeys, ...settingKeys, ...screenKeys]);
onClick("copy-link", () => copyLink(replay));
onClick("restore", restore);
setInterval(() => void followRecording(), LIVE_MS);

if (address.session === "") {
  showNothing("No session is chosen", "This address names no session. Choose one from the list.");
  publishState({ state: "failed", webcam: "none" });
} else {
  replay.autoplay = address.autoplay;
  replay.defaultPlaybackRate = address.rate ?? 1;
  replay.session = address.session;
  const { t, a, b, loop } = address;
  if (a !== null || b !== null || loop !== null) void attempt(() => replay.setRange({ start: a, end: b, loop: loop ?? (a === null && b === null ? "none" : "loop") }));
  if (t !== null || a !== null) void replay.seek({ timestamp: t ?? a ?? 0 }).catch((error) => replay.error === null && showProblem(error));
}
