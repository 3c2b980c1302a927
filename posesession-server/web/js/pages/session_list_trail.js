// @ts-check
// Cursors of the pages that were seen: a cursor only leads on, the way back is remembered here, for the tab's lifetime.

/** @typedef {import("./session_list_address.js").Listing} Listing */

const KEY = "posesession.list.trail";
/** Of so many different searches the way back is known. */
const MAX_LISTINGS = 8;

export class PageTrail {
  #storage;
  /** The cursors of each listing's pages in order, the first page's empty one included. @type {Map<string, string[]>} */
  #pages = new Map();

  /** @param {Pick<Storage, "getItem" | "setItem"> | null} storage where it outlives a reload, if anywhere */
  constructor(storage) {
    this.#storage = storage;
    try {
      this.#pages = new Map(JSON.parse(storage?.getItem(KEY) ?? "[]"));
    } catch {
      // What is unreadable is forgotten: from a page in the middle the way back then is the first one.
    }
  }

  /**
   * Notes which page comes after this one.
   * @param {Listing} listing
   * @param {string | null} next
   */
  note(listing, next) {
    const key = keyOf(listing);
    const pages = this.#pages.get(key) ?? [""];
    const at = pages.indexOf(listing.cursor);
    if (at < 0) return;
    // A page further on is still the one that follows, unless sessions came or went between.
    if (next !== null && pages[at + 1] !== next) pages.splice(at + 1, Infinity, next);
    this.#pages.delete(key);
    this.#pages.set(key, pages);
    while (this.#pages.size > MAX_LISTINGS) this.#pages.delete([...this.#pages.keys()][0]);
    try {
      this.#storage?.setItem(KEY, JSON.stringify([...this.#pages]));
    } catch {
      // Full or forbidden: the way back is known until the next reload.
    }
  }

  /**
   * Says how many pages are before this one.
   * @param {Listing} listing
   * @returns {number | null} null: unknown, as from a bookmark
   */
  pagesBefore(listing) {
    const at = (this.#pages.get(keyOf(listing)) ?? [""]).indexOf(listing.cursor);
    return at < 0 ? null : at;
  }

  /**
   * Finds the page before this one.
   * @param {Listing} listing
   * @returns {string | null} its cursor, the first page's where the way back is unknown; null on the first page
   */
  before(listing) {
    if (listing.cursor === "") return null;
    const pages = this.#pages.get(keyOf(listing)) ?? [""];
    return pages[pages.indexOf(listing.cursor) - 1] ?? "";
  }
}

/** @param {Listing} listing */
function keyOf({ q, status, order, limit }) {
  return JSON.stringify([q.trim(), status, order, limit]);
}
