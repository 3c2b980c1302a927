// @ts-check
// Deleted sessions in; for as long as the server keeps them, a bar that brings all of them back, also after a reload.

import { attempt, byId, onClick, setText } from "./dom.js";
import { announce } from "./session_list_notice.js";
import { titleOf } from "./session_list_card.js";

/** @typedef {import("../session_api.js").SessionRecording} SessionRecording */

/** After this the server erases a deleted session. */
const UNDO_MS = 60_000;
const TICK_MS = 1000;
const KEY = "posesession.list.deleted";

export class UndoBar {
  /** @type {{ session: SessionRecording, until: number }[]} */
  #deleted = [];
  #timer = 0;
  #restore;
  #storage;

  /**
   * @param {(sessions: SessionRecording[]) => Promise<SessionRecording[]>} restore returns those that could not be brought back yet
   * @param {Pick<Storage, "getItem" | "setItem"> | null} storage where what was deleted outlives a reload, if anywhere
   */
  constructor(restore, storage) {
    this.#restore = restore;
    this.#storage = storage;
    try {
      this.#deleted = JSON.parse(storage?.getItem(KEY) ?? "[]");
    } catch {
      // What is unreadable can't be brought back from here.
    }
    onClick("undo-delete", () => this.undo());
    this.#show();
  }

  get isOffered() {
    return this.#deleted.length > 0;
  }

  /** @param {SessionRecording[]} sessions that were deleted just now */
  add(sessions) {
    if (sessions.length === 0) return;
    const until = Date.now() + UNDO_MS;
    this.#deleted.push(...sessions.map((session) => ({ session, until })));
    this.#keep();
    // Said once: the seconds that follow are only shown.
    announce(`${this.#text()} Undo, or the key U, brings ${this.#deleted.length > 1 ? "them" : "it"} back within a minute.`);
    this.#show();
  }

  /** Brings back all that still can be. */
  async undo() {
    const deleted = this.#deleted;
    this.#deleted = [];
    this.#keep();
    this.#show();
    const failed = await this.#restore(deleted.map(({ session }) => session));
    this.#deleted.push(...deleted.filter(({ session }) => failed.includes(session)));
    this.#keep();
    this.#show();
  }

  #keep() {
    try {
      this.#storage?.setItem(KEY, JSON.stringify(this.#deleted));
    } catch {
      // Full or forbidden: until the next reload it can be undone.
    }
  }

  #show() {
    clearTimeout(this.#timer);
    const now = Date.now();
    this.#deleted = this.#deleted.filter(({ until }) => until > now);
    byId("undo", HTMLElement).hidden = !this.isOffered;
    if (!this.isOffered) return;
    const left = Math.min(...this.#deleted.map(({ until }) => until)) - now;
    setText("undo-text", this.#text());
    setText("undo-countdown", `${Math.ceil(left / 1000)} s left`);
    this.#timer = window.setTimeout(() => void attempt(() => this.#show()), TICK_MS);
  }

  #text() {
    const [{ session }] = this.#deleted;
    return this.#deleted.length === 1 ? `“${titleOf(session)}” was deleted.` : `${this.#deleted.length} sessions were deleted.`;
  }
}
