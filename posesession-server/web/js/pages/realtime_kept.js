// @ts-check
// What an earlier page could not upload: found, told, and uploaded or discarded.

import { RECORDING_OVER } from "../errors.js";
import { KeptRecordings, PosesessionError, RecordClient } from "../posesession.js";
import { confirmAction } from "./dialogs.js";
import { attempt, byId, onClick, publishState, setText, showNotice } from "./dom.js";
import { say } from "./realtime_stage.js";

/**
 * @typedef {import("../kept_recordings.js").KeptFacts} KeptFacts
 * @typedef {import("../kept_recordings.js").LeftRecording} LeftRecording
 */

const LOOK_MS = 200;
const STALLED_MS = 10_000;

/** @type {KeptRecordings | null} */
let kept = null;
/** Of this page, so that it can be flushed when the page goes. @type {import("../kept_recordings.js").KeptRecording | null} */
let own = null;
/** @type {LeftRecording[]} */
let left = [];
let isBusy = false;
/** The stream that was published last to finish a recording. @type {string | null} */
let ours = null;
const section = byId("cut-off", HTMLElement);

/**
 * Writes a recording of this page down.
 * @param {KeptFacts} facts
 */
export function keepIn(facts) {
  tellKeeps(kept ? "all" : "nothing");
  const begun = kept?.begin(facts) ?? null;
  begun?.on("problem", () => tellKeeps("full"));
  begun?.on("room", () => tellKeeps("all"));
  own = begun;
  return begun;
}

/**
 * Tells whether another page of this browser has a recording of a stream to finish.
 * @param {string} stream
 */
export async function isKeptElsewhere(stream) {
  return (await kept?.isElsewhere(stream).catch(() => false)) ?? false;
}

/** What the browser does not keep over a reload, and what follows from it. */
const KEEPS = {
  all: "",
  full: "This browser has no more room to keep a copy of what is not uploaded yet. Keep this page open: a reload would lose that.",
  nothing: "This browser keeps no copy of what is not uploaded yet. Keep this page open while it records: a reload would lose that.",
  unreadable: "What an earlier page kept in this browser cannot be read. If a recording of it was cut off, its end is missing.",
};

/**
 * Says how much this browser keeps, as long as it is so.
 * @param {keyof typeof KEEPS} keeps
 */
function tellKeeps(keeps) {
  setText("not-kept", KEEPS[keeps]);
  byId("not-kept", HTMLElement).hidden = keeps === "all";
  publishState({ keeps });
}

/**
 * Looks for what is left, and shows it until all is uploaded or discarded.
 * @param {(ours: string | null) => void} onDone called when nothing is left any more, with the stream that the server still takes for
 *   being sent to from here, because a connection ends a moment later there
 * @returns {Promise<boolean>} whether something is left
 */
export async function showLeft(onDone) {
  kept = await KeptRecordings.open();
  addEventListener("pagehide", () => own?.flush());
  try {
    left = (await kept?.left()) ?? [];
  } catch {
    tellKeeps("unreadable");
  }
  const next = () => {
    left.shift();
    show();
    if (left.length === 0) onDone(ours);
  };
  onClick("upload", () => finish(false).then(next));
  onClick("discard-kept", async () => {
    const agreed = await confirmAction({
      title: "Discard the poses kept here?",
      text: "They are erased from this browser. What is already uploaded is kept as a session.",
      action: "Discard",
      danger: true,
    });
    if (agreed) await attempt(() => finish(true).then(next));
  });
  show();
  return left.length > 0;
}

function show() {
  section.hidden = left.length === 0;
  publishState({ cutOff: left.length });
  const [first] = left;
  if (!first) return;
  const frames = first.messages.filter(({ kind }) => kind === 0).length;
  const video = first.messages.length > frames ? ", and part of the video" : "";
  const count = frames === 1 ? "1 pose is" : `${frames.toLocaleString()} poses are`;
  setText("cut-off-text", frames > 0 || video ? `${count} not uploaded yet${video}.` : "All that was kept is uploaded; it is not finished yet.");
  setText("upload", frames > 0 || video ? "Upload" : "Finish it");
}

/**
 * Sends what is left, or says that it won't come, and ends the recording.
 * @param {boolean} discards
 */
async function finish(discards) {
  const [first] = left;
  if (!first || isBusy) throw new PosesessionError("busy", "it is being uploaded; wait a moment");
  isBusy = true;
  setBusy(true);
  const client = new RecordClient();
  try {
    await upload(client, discards ? { ...first, messages: [] } : first, discards ? first : null);
    say(discards ? "The poses kept here were discarded." : "The recording is uploaded and finished.");
  } catch (error) {
    const isOver = error instanceof PosesessionError && RECORDING_OVER.includes(error.code);
    if (!isOver && !discards) throw error;
    if (isOver && !discards) showNotice("The server has ended this recording meanwhile, and takes no more of it. What had arrived is kept as a session.", "problem");
    first.kept.end();
  } finally {
    client.close();
    isBusy = false;
    setBusy(false);
  }
}

/**
 * @param {RecordClient} client
 * @param {LeftRecording} recording
 * @param {LeftRecording | null} discarded what will never come
 */
async function upload(client, recording, discarded) {
  const { session_id, publisher, stream, skeleton } = recording.facts;
  await client.connect();
  await client.publish({ stream, publisher, skeleton: /** @type {any} */ (skeleton) });
  ours = stream;
  client.restore(recording);
  await client.resumeSession({ session_id, publisher });
  const numbers = discarded?.messages.filter(({ kind }) => kind === 0).map(({ number }) => number) ?? [];
  if (numbers.length > 0) await client.framesDropped({ first: numbers[0], last: numbers[numbers.length - 1], cause: "discarded", stream });
  await allStored(client);
  await client.stopRecording({ session_id });
}

/**
 * Waits until the server has stored all.
 * @param {RecordClient} client
 */
async function allStored(client) {
  let waiting = Infinity;
  let since = performance.now();
  for (;;) {
    const { frames, video_bytes: video } = client.unacked;
    if (frames === 0 && video === 0) return;
    if (frames + video < waiting) {
      waiting = frames + video;
      since = performance.now();
      setText("cut-off-text", frames > 0 ? `Uploading: ${frames.toLocaleString()} poses to go.` : "Uploading the video.");
    }
    if (!client.isConnected || performance.now() - since > STALLED_MS) {
      throw new PosesessionError("closed", "the upload did not get through; all is still kept here, try again");
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** @param {boolean} busy */
function setBusy(busy) {
  for (const id of ["upload", "discard-kept"]) byId(id, HTMLButtonElement).disabled = busy;
  if (!busy) show();
}
