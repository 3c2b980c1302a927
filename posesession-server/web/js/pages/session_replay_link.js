// @ts-check
// The moment that is shown in; an address that opens there, in the clipboard, out.

import { element } from "../element.js";
import { showNotice } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { writeAddress } from "./session_replay_address.js";

const SHOWN_MS = 4000;

/**
 * Copies the address; where the browser does not let a page do so, shows it to be copied by hand.
 * @param {import("../pose_replay.js").PoseReplayElement} replay
 */
export async function copyLink(replay) {
  const { start, end, loop } = replay.range;
  const rate = loop === "ping_pong" ? Math.abs(replay.playbackRate) : replay.playbackRate;
  const link = writeAddress(location.href, { session: replay.session, t: replay.currentTime, a: start, b: end, rate, loop });
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    showLink(link);
    return;
  }
  const text = "The link to this moment is in the clipboard.";
  showNotice(text);
  setTimeout(() => {
    if (document.getElementById("notice")?.textContent === text) showNotice("");
  }, SHOWN_MS);
}

/** @param {string} link */
function showLink(link) {
  const field = element("input");
  field.readOnly = true;
  field.value = link;
  const label = element("label", "Copy this address");
  label.append(field);
  openDialog("Link to this moment", [label]);
  field.select();
}
