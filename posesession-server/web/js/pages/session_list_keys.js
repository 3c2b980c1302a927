// @ts-check
// Keys in, steps through the list and actions on its sessions out.

import { byId } from "./dom.js";
import { useShortcuts } from "./keyboard.js";
import { neighbour } from "./session_list_grid.js";

/**
 * @typedef {import("./session_list_card.js").SessionCard} SessionCard
 *
 * @typedef {object} ListActions
 * @property {() => SessionCard[]} cards of the page, in order
 * @property {() => SessionCard | null} current the one that had the focus last
 * @property {() => unknown} search
 * @property {() => unknown} nextPage
 * @property {() => unknown} previousPage
 * @property {(card: SessionCard) => unknown} edit
 * @property {(card: SessionCard, range: boolean) => unknown} select
 * @property {(card: SessionCard | null) => unknown} remove
 * @property {() => boolean} canRemove
 * @property {() => unknown} undo
 * @property {() => boolean} canUndo
 */

/** @param {ListActions} actions */
export function useListKeys({ cards, current, search, nextPage, previousPage, edit, select, remove, canRemove, undo, canUndo }) {
  const list = byId("sessions", HTMLElement);
  const inList = () => list.contains(document.activeElement);
  const move = (/** @type {"next" | "previous" | "up" | "down"} */ step) => () => neighbour(cards(), current(), step)?.link.focus();
  /** @param {(card: SessionCard) => unknown} action */
  const onCurrent = (action) => ({
    action: () => {
      const card = current();
      return card && action(card);
    },
    when: () => current() !== null,
  });
  useShortcuts([
    { keys: ["/"], label: "Search", action: search },
    { keys: ["n"], label: "Next page", action: nextPage },
    { keys: ["p"], label: "Previous page", action: previousPage },
    { keys: ["j"], label: "Next session", action: move("next"), repeats: true },
    { keys: ["k"], label: "Previous session", action: move("previous"), repeats: true },
    { keys: ["ArrowRight"], label: "Session to the right", action: move("next"), when: inList, repeats: true },
    { keys: ["ArrowLeft"], label: "Session to the left", action: move("previous"), when: inList, repeats: true },
    { keys: ["ArrowDown"], label: "Session below", action: move("down"), when: inList, repeats: true },
    { keys: ["ArrowUp"], label: "Session above", action: move("up"), when: inList, repeats: true },
    { keys: ["Enter"], label: "Open the session", ...onCurrent((card) => card.link.click()) },
    { keys: ["e"], label: "Rename and describe it", ...onCurrent(edit) },
    { keys: ["x"], label: "Select it", ...onCurrent((card) => select(card, false)) },
    { keys: ["Shift+X"], label: "Select all between", ...onCurrent((card) => select(card, true)) },
    { keys: ["Delete"], label: "Delete it, or all that are selected", action: () => remove(current()), when: canRemove },
    { keys: ["u"], label: "Undo deleting", action: undo, when: canUndo },
  ]);
}
