// @ts-check
// Shows live poses, of this camera or of a remote stream, and controls their recording: puts the page's parts together.

import { drawIcons } from "../icons.js";
import { RecordClient, SessionApi } from "../posesession.js";
import { SkeletonCanvas } from "../skeleton_canvas.js";
import { confirmAction } from "./dialogs.js";
import { attempt, byId, onClick, publishState, setText, showNotice, showProblem } from "./dom.js";
import { useShortcuts } from "./keyboard.js";
import { Attention } from "./realtime_attention.js";
import { Connection } from "./realtime_connection.js";
import { showControls } from "./realtime_controls.js";
import { Countdown } from "./realtime_countdown.js";
import { details, prepareNext, startOptions } from "./realtime_details.js";
import { Figures, showSource } from "./realtime_figures.js";
import { keepIn, showLeft } from "./realtime_kept.js";
import { LiveSource } from "./realtime_live_source.js";
import { judge } from "./realtime_quality.js";
import { Recording } from "./realtime_recording.js";
import { hideReport, showReport } from "./realtime_report.js";
import { Settings } from "./realtime_settings.js";
import { say, showAspect, showConnection, showCountdown, showFailure, showKept, showPersons, showStageNote } from "./realtime_stage.js";

/** @typedef {import("./realtime_controls.js").ControlState["state"]} PageState */

const STATE_TEXT = {
  loading: "Starting",
  failed: "No source",
  live: "Ready",
  countdown: "Get ready",
  recording: "Recording",
  paused: "Paused",
  stopping: "Finishing",
  finalized: "Recorded",
};

const markLabel = byId("mark-label", HTMLInputElement);
const client = new RecordClient({ keepIn });
const connection = new Connection(client);
const recording = new Recording(client);
const countdown = new Countdown();
const figures = new Figures();
const attention = new Attention();
const settings = new Settings(() => void attempt(openSource));
const live = new LiveSource(client, connection, {
  video: byId("camera", HTMLVideoElement),
  overlay: new SkeletonCanvas(byId("overlay", HTMLCanvasElement)),
  mirrored: () => settings.mirrored,
});
/** The recording that the figures are of, also one that another program has started. @type {string | null} */
let begun = null;
/** Whether the server was asked to record, and has not answered. */
let isStarting = false;
/** What the server could not do, as it told last. */
let trouble = "";

client.on("open", ({ durable, not_durable_because: why }) => {
  setText("durability-why", `${why ?? "its store does not promise it"}.`);
  byId("durability", HTMLElement).hidden = durable !== false;
  publishState({ durable: String(durable ?? "") });
});
client.on("error", (error) => {
  if (error.code !== "not_publisher") showProblem(error);
});
client.on("frame_not_sent", ({ frames_not_sent: count }) => {
  setText("frames-not-sent", count.toLocaleString());
  publishState({ framesNotSent: count });
});
/** Says how much waits for the server. */
function showUnacked() {
  const unacked = client.unacked;
  showKept(unacked);
  publishState({ unackedFrames: unacked.frames });
}
setInterval(showUnacked, 500);
client.on("ack", ({ stored_through: stored }) => setText("stored-through", stored?.toLocaleString() ?? "–"));

connection.on("change", (change) => {
  showConnection(change, recording.isUnderWay ? (live.source?.kind ?? "camera") : "none");
  publishState({ connection: change.phase });
  if (change.phase === "silent") return;
  if (!client.isConnected) live.detach();
  else if (!live.isFlowing) void attempt(() => live.attach());
});

live.on("change", (change) => {
  byId("source-retry", HTMLButtonElement).hidden = change !== "failed";
  byId("use-remote", HTMLButtonElement).hidden = change !== "failed";
  const source = live.source;
  if (change === "opening") {
    showStageNote(source?.kind === "remote" ? `Waiting for poses of the stream “${source.stream}”` : "Opening the camera and loading the pose model");
    publishState({ source: "opening" });
  } else if (change === "ready" && source) {
    publishState({ source: source.kind });
    showSource(source);
    if (source.kind === "camera") void attempt(() => settings.showCameras());
  } else if (change === "flowing" && source) {
    void attempt(() => recording.resumeSession(source));
  } else if (change === "busy") {
    showNotice(`Another program already sends poses to the stream “${source?.stream}”, or has a recording of it to finish. Take it over, watch it as a remote stream, or choose another name.`, "problem");
  } else if (change === "taken") {
    const recorded = recording.isUnderWay ? "From now on its poses are recorded instead of this camera's." : "This camera's poses do not reach it any more.";
    recording.release();
    showNotice(`Another program has taken over the stream “${source?.stream}”. ${recorded} Take the stream over to go on.`, "problem");
  }
  if (change !== "waiting") byId("take-over", HTMLButtonElement).hidden = change !== "busy" && change !== "taken";
  if (change === "busy" || change === "taken" || change === "failed" || change === "waiting") countdown.cancel();
  showState();
});
live.on("failed", (error) => {
  recording.endVideo();
  publishState({ source: "failed", sourceError: showFailure(error) });
  showSource(null);
});
live.on("delegate", showSource);
live.on("pose", ({ persons }) => {
  showPersons(persons);
  figures.countPose(persons);
  attention.countPose();
  if (live.source) showAspect(live.source.size);
  publishState({ framesSent: client.frames_sent, persons });
});

recording.on("change", (state) => {
  if (recording.isUnderWay && recording.sessionId !== begun) {
    begun = recording.sessionId;
    figures.start();
    hideReport();
  }
  figures.run(state === "recording");
  attention.need(recording.isUnderWay && live.source?.kind === "camera");
  connection.expectsNews = recording.isUnderWay;
  showState();
});
recording.on("note", say);
recording.on("status", (status) => {
  figures.follow(status);
  if (status.trouble && status.trouble !== trouble) {
    showNotice(`The server cannot store at the moment: ${status.trouble}. See that its disk has room, and that its database runs if it has one of its own. What is stored is safe, and it tries again by itself.`, "problem");
  } else if (trouble && !status.trouble) say("The server stores again.");
  trouble = status.trouble ?? "";
  connection.isStoreDown = trouble !== "";
  publishState({ trouble });
});
recording.on("finalized", ({ session, report }) => {
  figures.finish(session);
  showNotice("");
  const hidden = live.source?.kind === "camera" ? attention.hiddenSeconds : 0;
  showReport(session, judge({ session, report, seen: figures.seen, video: recording.video, hidden_seconds: hidden }));
  prepareNext();
});
recording.on("ended", ({ session_id: id, by }) => void attempt(() => showEnded(id, by)));

attention.on("back", ({ seconds, poses, expected }) => {
  const cost = expected > poses ? `${poses} poses came instead of about ${expected}` : `${poses} poses came`;
  showNotice(`This page was out of view for ${seconds.toFixed(0)} s, and browsers slow such pages: ${cost}. Keep it in view while it records.`, "problem");
});

/**
 * Says that somebody else, or the server, has ended the recording, and where it is.
 * @param {string} id
 * @param {import("./realtime_recording.js").Ended["by"]} by
 */
async function showEnded(id, by) {
  if (by === "discarded") {
    say("The recording was discarded by another program.");
    return;
  }
  const why = by === "server" ? "The server ended the recording while it could not be reached" : "The recording was ended by another program";
  const session = await new SessionApi().read(id);
  figures.finish(session);
  showReport(session, judge({ session, report: null, seen: figures.seen, cut_off: by === "server" }));
  showNotice(`${why}. What had arrived is kept.`, by === "server" ? "problem" : "info");
}

/** Opens the source that the settings describe. */
async function openSource() {
  const choice = settings.choice;
  const goesOn = recording.isUnderWay && choice.kind === "camera" && live.source === null;
  countdown.cancel();
  if (!goesOn) recording.release();
  showNotice("");
  settings.remember();
  await live.open(choice, () => settings.model());
}

function showState() {
  /** @type {PageState} */
  const state = countdown.isRunning
    ? "countdown"
    : live.isReady || recording.isUnderWay || recording.state === "finalized"
      ? recording.state
      : live.source
        ? "loading"
        : "failed";
  const isActive = recording.isUnderWay;
  setText("status", STATE_TEXT[state]);
  document.title = `${isActive ? `${STATE_TEXT[state]}…` : "Record"} · posesession`;
  byId("progress", HTMLElement).hidden = !isActive;
  byId("recording", HTMLElement).hidden = isActive;
  byId("settings", HTMLDetailsElement).hidden = isActive && live.source?.kind === "camera";
  byId("with-video", HTMLInputElement).disabled = live.source?.kind === "remote";
  publishState({ state, sessionId: recording.sessionId ?? "" });
  showControls({ state, can_record: live.isFlowing && !isActive, is_connected: client.isConnected });
}

/** Counts down and starts. */
async function start() {
  if (byId("record", HTMLButtonElement).disabled || countdown.isRunning || recording.isUnderWay || isStarting) return;
  showNotice("");
  const { seconds, beep } = startOptions();
  const starting = countdown.run({
    seconds,
    beep,
    onTick: (left) => {
      showCountdown(left);
      publishState({ countdown: left });
    },
  });
  showState();
  // Said once: numerals that are read out one by one would come too late.
  if (countdown.isRunning) setText("status", `Recording starts in ${seconds} seconds`);
  const ranOut = await starting;
  showCountdown(0);
  publishState({ countdown: 0 });
  showState();
  const source = live.source;
  if (!ranOut || !source) return;
  isStarting = true;
  try {
    await recording.start(source, details());
  } finally {
    isStarting = false;
  }
}

async function mark() {
  // A marker has a label: the protocol has none without.
  const label = markLabel.value.trim() || `Mark ${figures.marks + 1}`;
  const marker = await recording.mark(label, live.source?.kind === "camera" ? performance.now() / 1000 : undefined);
  figures.addMark(marker);
  say(`Marked “${label}”.`);
  markLabel.value = "";
}

async function discard() {
  if (!(await confirmAction({ title: "Discard this recording?", text: "What was recorded is erased and cannot be brought back.", action: "Discard", danger: true }))) return;
  await recording.discard();
  say("The recording was discarded.");
  byId("record", HTMLButtonElement).focus();
}

/** What the button in the middle does. */
async function startOrStop() {
  if (countdown.isRunning) countdown.cancel();
  else if (recording.isUnderWay) byId("stop", HTMLButtonElement).click();
  else await start();
}

byId("recording", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  void attempt(start);
});
onClick("pause", () => (recording.state === "paused" ? recording.resume() : recording.pause()));
// The second click of a double click on Record, in whose place Stop has come, does not stop, nor take the focus from Pause.
byId("stop", HTMLButtonElement).addEventListener("mousedown", (event) => {
  if (event.detail > 1) event.preventDefault();
});
byId("stop", HTMLButtonElement).addEventListener("click", ({ detail: clicks }) => {
  if (clicks < 2) void attempt(() => recording.stop());
});
onClick("cancel-countdown", () => countdown.cancel());
onClick("discard", discard);
onClick("mark", mark);
markLabel.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !byId("mark", HTMLButtonElement).disabled) void attempt(mark);
});
onClick("reconnect", () => connection.retryNow());
onClick("source-retry", openSource);
onClick("use-remote", () => settings.askForStream());
onClick("take-over", async () => {
  showNotice("");
  await live.attach({ take_over: true });
});
document.addEventListener("keydown", (event) => {
  // Also from a field: whoever starts by Enter is still in it.
  if (event.key === "Escape" && countdown.isRunning) countdown.cancel();
});

drawIcons(document);
useShortcuts([
  { keys: ["r"], label: "Record, cancel the countdown, stop", action: startOrStop },
  { keys: [" "], label: "Pause or resume the recording", action: () => byId("pause", HTMLButtonElement).click() },
  { keys: ["m"], label: "Mark this moment", action: () => byId("mark", HTMLButtonElement).click() },
  { keys: ["Escape"], label: "Cancel the countdown", action: () => countdown.cancel() },
]);
publishState({ framesSent: 0, framesNotSent: 0, frameCount: 0 });
void connection.open();
void attempt(async () => {
  // The stream is still the cut off recording's own: it is published anew once that is finished.
  live.isHeld = await showLeft((ours) => {
    live.isHeld = false;
    void attempt(() => live.attach(ours === live.source?.stream ? { take_over: true } : {}));
  });
  await openSource();
});
