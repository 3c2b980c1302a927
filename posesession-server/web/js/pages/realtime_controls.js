// @ts-check
// The buttons that are always in the same place: which of them can be used, and where the focus goes when one goes away.

import { setIcon } from "../icons.js";
import { byId, setText } from "./dom.js";

/**
 * @typedef {object} ControlState
 * @property {"loading" | "failed" | "live" | "countdown" | "recording" | "paused" | "stopping" | "finalized"} state
 * @property {boolean} can_record
 * @property {boolean} is_connected
 */

const record = byId("record", HTMLButtonElement);
const cancel = byId("cancel-countdown", HTMLButtonElement);
const stop = byId("stop", HTMLButtonElement);
const pause = byId("pause", HTMLButtonElement);

/** @param {ControlState} now */
export function showControls({ state, can_record: canRecord, is_connected: isConnected }) {
  const active = state === "recording" || state === "paused";
  const focused = document.activeElement;
  record.disabled = !canRecord;
  for (const button of [pause, stop, byId("discard", HTMLButtonElement), byId("mark", HTMLButtonElement)]) button.disabled = !isConnected || !active;
  setText("pause-text", state === "paused" ? "Resume" : "Pause");
  setIcon(pause, state === "paused" ? "play" : "pause");
  cancel.hidden = state !== "countdown";
  stop.hidden = !(active || state === "stopping");
  record.hidden = !cancel.hidden || !stop.hidden;
  if (!(focused instanceof HTMLElement) || (focused.checkVisibility() && !focused.matches(":disabled"))) return;
  // A focus that falls off the page would lose the place of those who use the keyboard. Not to stop: the space bar, which
  // pauses, would end the recording there.
  if (state === "countdown") cancel.focus();
  else if (active) pause.focus();
  else if (focused === cancel) record.focus();
}
