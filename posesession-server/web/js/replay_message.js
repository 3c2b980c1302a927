// @ts-check
// What a replay's picture cannot say, as one sentence for people.

import { describeError } from "./errors.js";

/**
 * @typedef {object} Situation
 * @property {boolean} chosen whether a session is named
 * @property {string} status
 * @property {import("./errors.js").PosesessionError | null} error why it failed for good
 * @property {import("./errors.js").PosesessionError | null} trouble why it is not connected at the moment
 * @property {string | null} foreign the page's origin, where it is not the server's
 * @property {boolean} lost whether it was connected before
 * @property {boolean} live
 * @property {number} frameCount NaN: not known
 * @property {string | null} cause why the server stands still
 */

/**
 * @param {Situation} situation
 * @returns {string} empty when the picture says all
 */
export function replayMessage({ chosen, status, error, trouble, foreign, lost, live, frameCount, cause }) {
  if (!chosen) return "No session is chosen.";
  if (status === "failed") return failure(error);
  if (status === "connecting") {
    // What a server says to a page that it doesn't let in, the browser keeps from the page.
    if (trouble?.code === "connect_failed" && foreign && !lost) {
      return `The server cannot be reached. Is it running, and does it let this page in (posesession serve --allow-origin ${foreign})? Trying again…`;
    }
    if (trouble) return `${lost ? "The connection was lost: " : ""}${sentence(lost ? trouble.message : describeError(trouble))} Trying again…`;
    return lost ? "The connection was lost. Connecting again…" : "";
  }
  if (frameCount === 0) return live ? "The recording has only just begun: waiting for its first frame." : "Nothing was recorded in this session.";
  if (status === "buffering" && live) return "Waiting for the recording to go on.";
  return cause ? sentence(`Waiting for frames: ${cause}`) : "";
}

/** @param {import("./errors.js").PosesessionError | null} error */
function failure(error) {
  if (error?.code === "session_not_found") return "There is no such session: it may have been deleted.";
  return error ? sentence(describeError(error)) : "The replay has failed.";
}

/** @param {string} text */
function sentence(text) {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
