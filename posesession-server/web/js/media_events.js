// @ts-check
// Two moments of a replay in, the events that lead from one to the other out: in the words and the order of media elements.

/**
 * @typedef {object} Moment
 * @property {number} readyState 0 nothing, 1 metadata, 2 a frame, 4 goes on
 * @property {number} duration seconds, NaN: not known
 * @property {string} status
 * @property {boolean} paused
 * @property {boolean} ended
 * @property {boolean} seeking
 * @property {number} playbackRate
 */

/**
 * @param {Moment} before
 * @param {Moment} after
 * @returns {string[]} names of events
 */
export function mediaEvents(before, after) {
  const reached = (/** @type {number} */ readyState) => before.readyState < readyState && after.readyState >= readyState;
  const became = (/** @type {"paused" | "ended" | "seeking"} */ what) => !before[what] && after[what];
  /** @type {[boolean, string][]} */
  const events = [
    [after.readyState > 0 && !Object.is(before.duration, after.duration), "durationchange"],
    [reached(1), "loadedmetadata"],
    [reached(2), "loadeddata"],
    [reached(3), "canplay"],
    [before.playbackRate !== after.playbackRate, "ratechange"],
    [before.paused && !after.paused, "play"],
    [became("seeking"), "seeking"],
    [before.status !== after.status, "statechange"],
    [before.status !== "playing" && after.status === "playing", "playing"],
    [before.status !== "buffering" && after.status === "buffering", "waiting"],
    [(before.seeking && !after.seeking) || became("paused"), "timeupdate"],
    [before.seeking && !after.seeking, "seeked"],
    [became("paused"), "pause"],
    [became("ended"), "ended"],
  ];
  return events.flatMap(([happened, name]) => (happened ? [name] : []));
}
