// @ts-check
// Clicks on checkboxes in, the chosen cards out: one by one, a range, or all of the page.

import { byId, onClick, setText } from "./dom.js";

/** @typedef {import("./session_list_card.js").SessionCard} SessionCard */

export class Selection {
  #all = byId("select-all", HTMLInputElement);
  #cards;
  /** Where a range starts. @type {SessionCard | null} */
  #last = null;

  /** @param {() => SessionCard[]} cards of the page, in order */
  constructor(cards) {
    this.#cards = cards;
    this.#all.addEventListener("change", () => this.#setAll(this.#all.checked));
    onClick("clear-selection", () => {
      this.#setAll(false);
      this.#all.focus();
    });
  }

  /** @returns {SessionCard[]} */
  get chosen() {
    return this.#cards().filter(({ checkbox }) => checkbox.checked);
  }

  /** @param {SessionCard} card whose checkbox is to be heeded */
  add(card) {
    card.checkbox.addEventListener("click", ({ shiftKey }) => this.#set(card, card.checkbox.checked, shiftKey));
  }

  /**
   * Chooses a card or leaves it, and with `range` all between it and the one before.
   * @param {SessionCard} card
   * @param {{ range?: boolean }} [options]
   */
  toggle(card, { range = false } = {}) {
    this.#set(card, range || !card.checkbox.checked, range);
  }

  /** Counts again, after cards came or went. */
  update() {
    const cards = this.#cards();
    const { length } = this.chosen;
    if (this.#last && !cards.includes(this.#last)) this.#last = null;
    for (const { element, checkbox } of cards) element.toggleAttribute("data-selected", checkbox.checked);
    this.#all.checked = length > 0 && length === cards.length;
    this.#all.indeterminate = length > 0 && length < cards.length;
    byId("selection", HTMLElement).hidden = length === 0;
    setText("selection-text", `${length} selected`);
  }

  /**
   * @param {SessionCard} card
   * @param {boolean} checked
   * @param {boolean} range
   */
  #set(card, checked, range) {
    const cards = this.#cards();
    const from = range && this.#last ? cards.indexOf(this.#last) : -1;
    const to = cards.indexOf(card);
    const between = from < 0 ? [card] : cards.slice(Math.min(from, to), Math.max(from, to) + 1);
    for (const { checkbox } of between) checkbox.checked = checked;
    this.#last = card;
    this.update();
  }

  /** @param {boolean} checked */
  #setAll(checked) {
    for (const { checkbox } of this.#cards()) checkbox.checked = checked;
    this.#last = null;
    this.update();
  }
}
