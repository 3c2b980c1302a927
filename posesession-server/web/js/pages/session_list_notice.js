// @ts-check
// What happened in, a sentence about it out, with a way on where there is one.

import { element } from "../element.js";
import { describeError } from "../errors.js";
import { setIcon } from "../icons.js";
import { attempt, byId } from "./dom.js";

/**
 * Says what went wrong, and offers to try again.
 * @param {string} text
 * @param {() => unknown} [retry]
 */
export function showFailure(text, retry) {
  fill(text, "problem", retry);
}

/**
 * Says what is good to know.
 * @param {string} text
 */
export function showNote(text) {
  fill(text, "info");
}

export function clearNotice() {
  byId("notice", HTMLElement).hidden = true;
}

/**
 * Says something to screen readers alone.
 * @param {string} text
 */
export function announce(text) {
  byId("announcer", HTMLElement).textContent = text;
}

/**
 * Makes the end of a sentence of a failure: `the server cannot be reached; is it running?`
 * @param {unknown} thrown
 */
export function causeOf(thrown) {
  const text = describeError(thrown);
  const cause = text.charAt(0).toLowerCase() + text.slice(1);
  return /[.!?]$/.test(cause) ? cause : `${cause}.`;
}

/**
 * @param {string} text
 * @param {"info" | "problem"} kind
 * @param {() => unknown} [retry]
 */
function fill(text, kind, retry) {
  const notice = byId("notice", HTMLElement);
  const buttons = element("div", "", "row");
  if (retry) {
    const again = element("button", "Try again");
    again.id = "retry";
    again.type = "button";
    again.addEventListener("click", () => {
      notice.hidden = true;
      void attempt(retry);
    });
    buttons.append(again);
  }
  const close = element("button", "", "quiet icon-only");
  close.type = "button";
  close.setAttribute("aria-label", "Close this message");
  setIcon(close, "close");
  close.addEventListener("click", clearNotice);
  buttons.append(close);
  notice.dataset.kind = kind;
  notice.replaceChildren(element("p", text), buttons);
  notice.hidden = false;
}
