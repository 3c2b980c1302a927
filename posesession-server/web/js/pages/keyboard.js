// @ts-check
// Key strokes in, a page's actions out; `?` shows them all.

import { element } from "../element.js";
import { attempt, byId } from "./dom.js";
import { openDialog } from "./dialogs.js";

/**
 * @typedef {object} Shortcut
 * @property {string[]} keys as `KeyboardEvent.key` names them, with `Shift+` before where it is held
 * @property {string} label what they do
 * @property {() => unknown} action
 * @property {() => boolean} [when] whether they do it just now; always when absent
 * @property {boolean} [repeats] whether they do it again and again while they are held; what switches something must not
 */

/** What a key is called on a keyboard, where its name in the browser is another. */
const KEY_NAMES = /** @type {Record<string, string>} */ ({
  " ": "Space",
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
});

/** Where a key belongs to the control that has the focus. */
const TYPING = "input:not([type=checkbox], [type=radio], [type=range], [type=button]), textarea, select, [contenteditable]";
const PRESSED_BY_SPACE = "button, a, input, select, summary, [role=button]";
const MOVED_BY_ARROWS = "input[type=radio], input[type=range], [role=slider]";
const MOVED_TO_ITS_ENDS = "input[type=range], [role=slider]";

/**
 * Makes keys do something while no field is being typed in and no dialog is open, and shows them on `?` and by the button `#help`.
 * @param {Shortcut[]} shortcuts
 */
export function useShortcuts(shortcuts) {
  const byKey = new Map(shortcuts.flatMap((shortcut) => shortcut.keys.map((key) => /** @type {const} */ ([key, shortcut]))));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]") || belongsToControl(event)) return;
    if (event.key === "?") {
      event.preventDefault();
      showShortcuts(shortcuts);
      return;
    }
    const shortcut = byKey.get(event.shiftKey ? `Shift+${event.key}` : event.key) ?? byKey.get(event.key);
    if (!shortcut || shortcut.when?.() === false) return;
    event.preventDefault();
    if (!event.repeat || shortcut.repeats) void attempt(shortcut.action);
  });
  byId("help", HTMLButtonElement).addEventListener("click", () => showShortcuts(shortcuts));
}

/** @param {KeyboardEvent} event */
function belongsToControl(event) {
  const [target] = event.composedPath();
  if (!(target instanceof Element)) return false;
  if (target.closest(TYPING)) return true;
  if (event.key === " " || event.key === "Enter") return target.closest(PRESSED_BY_SPACE) !== null;
  if (event.key === "Home" || event.key === "End") return target.closest(MOVED_TO_ITS_ENDS) !== null;
  return event.key.startsWith("Arrow") && target.closest(MOVED_BY_ARROWS) !== null;
}

/** @param {Shortcut[]} shortcuts */
function showShortcuts(shortcuts) {
  const list = element("dl", "", "shortcuts");
  for (const { keys, label } of [...shortcuts, { keys: ["?"], label: "Show this help" }]) {
    const term = element("dt", "", "row");
    term.append(...keys.flatMap((key) => [element("kbd", keyName(key)), " "]));
    list.append(term, element("dd", label));
  }
  openDialog("Keyboard", [list]);
}

/** @param {string} key */
function keyName(key) {
  const [name, shift] = key.startsWith("Shift+") ? [key.slice("Shift+".length), "⇧ "] : [key, ""];
  return shift + (KEY_NAMES[name] ?? (name.length === 1 ? name.toUpperCase() : name));
}
