// @ts-check
// What is typed and chosen above the list in, what is to be listed out.

import { byId } from "./dom.js";
import { setPreference } from "./preferences.js";

/** @typedef {import("./session_list_address.js").Listing} Listing */

const SEARCH_DELAY_MS = 250;

/** The form above the list, with the choice of the page's size below it. */
export class Filter {
  #search = byId("search", HTMLInputElement);
  #status = byId("status-filter", HTMLSelectElement);
  #sort = byId("sort", HTMLSelectElement);
  #pageSize = byId("page-size", HTMLSelectElement);
  #onChange;
  /** The words that are listed. */
  #q = "";
  #timer = 0;
  /** Whether the words that are being typed have their own place in the tab's history yet. */
  #isTyping = false;

  /** @param {(change: Partial<Listing>, options: { replace?: boolean }) => void} onChange `replace`: the same search goes on */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#search.addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = window.setTimeout(() => this.#searchNow(), SEARCH_DELAY_MS);
    });
    this.#search.addEventListener("change", () => {
      this.#searchNow();
      this.#isTyping = false;
    });
    byId("filter", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#searchNow();
    });
    this.#status.addEventListener("change", () => onChange({ status: this.#status.value }, {}));
    this.#sort.addEventListener("change", () => onChange({ order: /** @type {Listing["order"]} */ (this.#sort.value) }, {}));
    this.#pageSize.addEventListener("change", () => {
      setPreference("list.page_size", this.#pageSize.value);
      onChange({ limit: Number(this.#pageSize.value) }, {});
    });
  }

  /** Goes to the words, to be typed over. */
  focus() {
    this.#search.select();
    this.#search.focus();
  }

  /**
   * Shows what is listed.
   * @param {Listing} listing
   */
  write({ q, status, order, limit }) {
    this.#q = q;
    // What is still being typed is newer than what is listed.
    if (this.#search.value.trim() !== q.trim() && !this.#isTyping) this.#search.value = q;
    this.#status.value = status;
    this.#sort.value = order;
    this.#pageSize.value = String(limit);
  }

  /** Ends what is being typed: the next words are another search. */
  settle() {
    clearTimeout(this.#timer);
    this.#isTyping = false;
  }

  #searchNow() {
    clearTimeout(this.#timer);
    const q = this.#search.value;
    if (q.trim() === this.#q.trim()) return;
    const replace = this.#isTyping;
    this.#isTyping = true;
    this.#onChange({ q }, { replace });
  }
}
