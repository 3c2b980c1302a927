// @ts-check
// How many sessions there are in, what the page says about it out; also where there are none, and what to do then.

import { byId, setText } from "./dom.js";
import { announce, causeOf } from "./session_list_notice.js";

/** @typedef {import("./session_list_address.js").Listing} Listing */

/**
 * Says which part of how many is shown: `51–100 of 10,000 sessions`.
 * @param {object} shown
 * @param {number} shown.count how many are on the page
 * @param {number | null} shown.before how many are on the pages before, where that is known
 * @param {number | null} shown.total of all pages, where it is known
 * @param {boolean} shown.isLast whether no page follows
 * @returns {string}
 */
export function rangeText({ count, before, total, isLast }) {
  const last = before === null ? null : before + count;
  const all = total ?? (isLast ? last : null);
  const sessions = (/** @type {number} */ of) => (of === 1 ? "session" : "sessions");
  if (all === count) return `${all.toLocaleString()} ${sessions(all)}`;
  const part = before === null || last === null ? count.toLocaleString() : `${(before + 1).toLocaleString()}–${last.toLocaleString()}`;
  if (all !== null) return `${part} of ${all.toLocaleString()} ${sessions(all)}`;
  return before === null ? `${part} ${sessions(count)}` : `Sessions ${part}`;
}

/**
 * Says why nothing is listed.
 * @param {Listing} listing
 */
export function showEmptiness({ q, status }) {
  const words = q.trim();
  const filtered = words !== "" || status !== "";
  offer(filtered ? "clear-filter" : "empty-record");
  if (filtered) {
    const which = status === "" ? "" : ` with the status ${status}`;
    setText("empty-title", words === "" ? `No session${which}` : `No session${which} matches “${words}”`);
    setText("empty-text", "All words must occur in a session's name, description, tags or other metadata.");
  } else {
    setText("empty-title", "No sessions yet");
    setText("empty-text", "Stand before the camera and press Record. When you press Stop, the session appears here.");
  }
}

/**
 * Says that it is not known whether there are any.
 * @param {unknown} failure
 */
export function showUnknown(failure) {
  const cause = causeOf(failure);
  offer("load-again");
  setText("empty-title", "The sessions could not be loaded");
  setText("empty-text", cause.charAt(0).toUpperCase() + cause.slice(1));
  announce(`The sessions could not be loaded: ${cause}`);
}

/** @param {"empty-record" | "clear-filter" | "load-again"} way on */
function offer(way) {
  byId("empty", HTMLElement).hidden = false;
  for (const id of ["empty-record", "clear-filter", "load-again"]) byId(id, HTMLElement).hidden = id !== way;
}
