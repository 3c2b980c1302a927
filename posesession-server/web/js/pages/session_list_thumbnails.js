// @ts-check
// Cards in view in, their pictures drawn: a few are read at a time, and what scrolls away is not waited for.

import { drawThumbnail, readThumbnail } from "../session_thumbnail.js";
import { isLive } from "./session_list_card.js";

/**
 * @typedef {import("./session_list_card.js").SessionCard} SessionCard
 * @typedef {import("../session_thumbnail.js").Thumbnail} Thumbnail
 */

const AT_ONCE = 4;
const MAX_KEPT = 1000;
/** So far outside of the view a picture is made ready. */
const AHEAD = "300px";

export class Thumbnails {
  #api;
  /** Pictures of this visit by session. @type {Map<string, Thumbnail | null>} */
  #kept = new Map();
  /** @type {Map<Element, SessionCard>} */
  #cards = new Map();
  /** In view, not yet being read. @type {Set<SessionCard>} */
  #waiting = new Set();
  /** @type {Map<SessionCard, AbortController>} */
  #reading = new Map();
  #inView = new IntersectionObserver((entries) => this.#onView(entries), { rootMargin: AHEAD });
  #onSize = new ResizeObserver((entries) => this.#onResize(entries));

  /** @param {import("../session_api.js").SessionApi} api */
  constructor(api) {
    this.#api = api;
  }

  /** @param {SessionCard} card */
  watch(card) {
    this.#cards.set(card.canvas, card);
    this.#inView.observe(card.canvas);
  }

  /** @param {SessionCard} card */
  unwatch(card) {
    this.#inView.unobserve(card.canvas);
    this.#onSize.unobserve(card.canvas);
    this.#cards.delete(card.canvas);
    this.#leave(card);
  }

  /**
   * Draws a session again that has changed.
   * @param {SessionCard} card
   */
  refresh(card) {
    this.#kept.delete(card.session.id);
    if (!this.#cards.has(card.canvas)) return;
    // Only what is in view is told again by an observer that starts anew.
    this.#inView.unobserve(card.canvas);
    this.#inView.observe(card.canvas);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #onView(entries) {
    for (const { target, isIntersecting } of entries) {
      const card = this.#cards.get(target);
      if (!card) continue;
      if (isIntersecting) this.#enter(card);
      else this.#leave(card);
    }
  }

  /** @param {SessionCard} card */
  #enter(card) {
    this.#onSize.observe(card.canvas);
    if (this.#kept.has(card.session.id)) this.#show(card);
    else if (!this.#reading.has(card)) {
      this.#waiting.add(card);
      this.#next();
    }
  }

  /** @param {SessionCard} card */
  #leave(card) {
    this.#onSize.unobserve(card.canvas);
    this.#waiting.delete(card);
    this.#reading.get(card)?.abort();
    this.#reading.delete(card);
  }

  #next() {
    for (const card of this.#waiting) {
      if (this.#reading.size >= AT_ONCE) return;
      this.#waiting.delete(card);
      void this.#read(card);
    }
  }

  /** @param {SessionCard} card */
  async #read(card) {
    const abort = new AbortController();
    this.#reading.set(card, abort);
    try {
      const { session } = card;
      const thumbnail = await readThumbnail(this.#api, session, { signal: abort.signal, latest: isLive(session) });
      this.#kept.set(session.id, thumbnail);
      if (this.#kept.size > MAX_KEPT) this.#kept.delete([...this.#kept.keys()][0]);
      this.#show(card);
    } catch {
      // A picture is no reason for a message: what hinders it is said where the session itself is read or changed.
      if (!abort.signal.aborted && card.element.dataset.picture !== "drawn") card.setPicture("failed");
    } finally {
      if (this.#reading.get(card) === abort) this.#reading.delete(card);
      this.#next();
    }
  }

  /** @param {SessionCard} card */
  #show(card) {
    const thumbnail = this.#kept.get(card.session.id);
    // Who leaves the picture for a moment of a recording has not left the session.
    if (!thumbnail && isLive(card.session) && card.element.dataset.picture === "drawn") return;
    if (thumbnail) drawThumbnail(card.canvas, thumbnail);
    card.setPicture(thumbnail ? "drawn" : "nobody");
  }

  /** @param {ResizeObserverEntry[]} entries */
  #onResize(entries) {
    for (const { target } of entries) {
      const card = this.#cards.get(target);
      const thumbnail = card && this.#kept.get(card.session.id);
      if (card && thumbnail) drawThumbnail(card.canvas, thumbnail);
    }
  }
}
