// @ts-check
// Sessions in, done with them what was asked: deleted, brought back, downloaded; and said what of it could not be.

import { element } from "../element.js";
import { ApiError } from "../session_api.js";
import { confirmAction } from "./dialogs.js";
import { titleOf } from "./session_list_card.js";
import { causeOf, showFailure, showNote } from "./session_list_notice.js";

/**
 * @typedef {import("../session_api.js").SessionApi} SessionApi
 * @typedef {import("../session_api.js").SessionRecording} SessionRecording
 *
 * @typedef {object} Outcome
 * @property {SessionRecording[]} done
 * @property {SessionRecording[]} gone deleted by somebody else
 * @property {SessionRecording[]} live the server leaves alone what is being recorded
 * @property {SessionRecording[]} failed
 * @property {unknown} cause of the last failure
 */

const AT_ONCE = 4;
/** Browsers drop downloads that start all at once. */
const BETWEEN_DOWNLOADS_MS = 300;
const ASK_FROM_DOWNLOADS = 10;

/**
 * Asks, and deletes.
 * @param {SessionApi} api
 * @param {SessionRecording[]} sessions
 * @param {(outcome: Outcome) => void} settle is told before the user is
 */
export async function deleteSessions(api, sessions, settle) {
  const agreed = await confirmAction({
    title: sessions.length === 1 ? `Delete “${titleOf(sessions[0])}”?` : `Delete ${sessions.length} sessions?`,
    text: `${sessions.length === 1 ? "It" : "They"} can be brought back for a minute, then all is erased: poses and video.`,
    action: "Delete",
    danger: true,
  });
  if (agreed) await deleteAgreed(api, sessions, settle);
}

/**
 * @param {SessionApi} api
 * @param {SessionRecording[]} sessions
 * @param {(outcome: Outcome) => void} settle
 */
async function deleteAgreed(api, sessions, settle) {
  const outcome = await forEach(sessions, ({ id }) => api.delete(id));
  settle(outcome);
  report("Deleting", outcome, (failed) => deleteAgreed(api, failed, settle));
}

/**
 * Brings deleted sessions back.
 * @param {SessionApi} api
 * @param {SessionRecording[]} sessions
 * @param {() => unknown} retry
 * @returns {Promise<Outcome>}
 */
export async function restoreSessions(api, sessions, retry) {
  const outcome = await forEach(sessions, ({ id }) => api.restore(id));
  if (outcome.failed.length > 0) showFailure(`Bringing back ${named(outcome.failed)} failed: ${causeOf(outcome.cause)}`, retry);
  else if (outcome.gone.length > 0) showFailure(`It is too late to bring back ${named(outcome.gone)}.`);
  return outcome;
}

/**
 * Downloads the poses as JSON Lines, a file a session.
 * @param {SessionApi} api
 * @param {SessionRecording[]} sessions
 * @param {(outcome: Outcome) => void} settle
 */
export async function downloadSessions(api, sessions, settle) {
  const many = sessions.length >= ASK_FROM_DOWNLOADS;
  const question = {
    title: `Download ${sessions.length} files?`,
    text: "Each session becomes a file of its own. Your browser may ask whether this page may download several.",
    action: "Download",
  };
  if (!many || (await confirmAction(question))) {
    await downloadEach(api, sessions, settle, ({ id }) => api.exportAddress(id));
  }
}

/**
 * @param {SessionApi} api
 * @param {SessionRecording} session
 * @param {(outcome: Outcome) => void} settle
 */
export function downloadVideo(api, session, settle) {
  return downloadEach(api, [session], settle, ({ id }) => api.videoAddress(id));
}

/**
 * @param {SessionApi} api
 * @param {SessionRecording[]} sessions
 * @param {(outcome: Outcome) => void} settle
 * @param {(session: SessionRecording) => string} addressOf
 */
async function downloadEach(api, sessions, settle, addressOf) {
  let first = true;
  const download = async (/** @type {SessionRecording} */ session) => {
    // A browser says little about a download that fails: whether it can begin is found out before.
    await api.read(session.id);
    if (!first) await new Promise((resolve) => setTimeout(resolve, BETWEEN_DOWNLOADS_MS));
    first = false;
    const link = element("a");
    link.href = addressOf(session);
    link.download = fileName(session);
    link.click();
  };
  const outcome = await forEach(sessions, download, 1);
  settle(outcome);
  report("Downloading", outcome, (failed) => downloadEach(api, failed, settle, addressOf));
}

/**
 * Names a video's file after its session; an export is named by the server.
 * @param {SessionRecording} session
 */
function fileName(session) {
  const extension = /\.\w+$/.exec(session.video_file_path ?? "")?.[0] ?? "";
  return titleOf(session) + extension;
}

/**
 * Saves what was changed of a session.
 * @param {SessionApi} api
 * @param {SessionRecording} session
 * @param {{ name: string, description: string }} change
 * @param {(outcome: Outcome, saved: SessionRecording | null) => void} settle
 * @param {() => unknown} retry
 */
export async function saveSession(api, session, change, settle, retry) {
  /** @type {SessionRecording | null} */
  let saved = null;
  const outcome = await forEach([session], async ({ id }) => (saved = await api.update(id, change)));
  settle(outcome, saved);
  report("Saving", outcome, retry);
}

/**
 * @param {string} what such as `Deleting`
 * @param {Outcome} outcome
 * @param {(failed: SessionRecording[]) => unknown} retry
 */
function report(what, { gone, live, failed, cause }, retry) {
  if (failed.length > 0) showFailure(`${what} ${named(failed)} failed: ${causeOf(cause)}`, () => retry(failed));
  else if (live.length > 0) showFailure(`${what} ${named(live)} was refused: ${live.length === 1 ? "it is" : "they are"} being recorded. Stop the recording first.`);
  else if (gone.length > 0) showGone(gone);
}

/** @param {SessionRecording[]} gone */
export function showGone(gone) {
  showNote(`${named(gone)} ${gone.length === 1 ? "was" : "were"} deleted elsewhere in the meantime.`);
}

/** @param {SessionRecording[]} sessions */
function named(sessions) {
  return sessions.length === 1 ? `“${titleOf(sessions[0])}”` : `${sessions.length} sessions`;
}

/**
 * @param {SessionRecording[]} sessions
 * @param {(session: SessionRecording) => Promise<unknown>} action
 * @param {number} [atOnce]
 * @returns {Promise<Outcome>}
 */
async function forEach(sessions, action, atOnce = AT_ONCE) {
  /** @type {Outcome} */
  const outcome = { done: [], gone: [], live: [], failed: [], cause: null };
  const left = [...sessions];
  const work = async () => {
    for (let session = left.shift(); session; session = left.shift()) {
      try {
        await action(session);
        outcome.done.push(session);
      } catch (error) {
        const code = error instanceof ApiError ? error.code : "";
        if (code === "session_not_found") outcome.gone.push(session);
        else if (code === "session_is_live") outcome.live.push(session);
        else {
          outcome.failed.push(session);
          outcome.cause = error;
        }
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return outcome;
}
