// @ts-check
// What is not acknowledged, written down behind, so that a page that is reloaded or dies can finish its upload.

import { Emitter } from "./emitter.js";

/**
 * @typedef {object} KeptFacts
 * @property {string} session_id
 * @property {string} publisher
 * @property {string} stream
 * @property {unknown} [skeleton] as it was published
 * @property {number} started_at milliseconds since 1970
 *
 * @typedef {typeof FRAME | typeof VIDEO} MessageKind
 * @typedef {{ session_id: string, kind: MessageKind, number: number, message: ArrayBuffer }} KeptMessage `number`: of a frame; of video, where it ends, bytes
 *
 * @typedef {object} LeftRecording
 * @property {KeptFacts} facts
 * @property {KeptMessage[]} messages frames, then video, in order
 * @property {KeptRecording} kept
 */

export const FRAME = 0;
export const VIDEO = 1;
const DATABASE = "posesession";
/** What is acknowledged sooner is never written. */
const WRITE_AFTER_MS = 300;
/** A page that is reloaded may still hold its recordings for a moment. */
const OWNED_MS = 1500;

/**
 * Recordings of this browser that are not wholly uploaded. One page owns each: the one that records it, or that was first to ask
 * for it when that was gone.
 */
export class KeptRecordings {
  #database;

  /** @param {IDBDatabase} database */
  constructor(database) {
    this.#database = database;
  }

  /**
   * Opens the browser's database.
   * @returns {Promise<KeptRecordings | null>} null where the browser keeps nothing, as in some private windows
   */
  static async open() {
    if (typeof indexedDB === "undefined") return null;
    try {
      const opening = indexedDB.open(DATABASE, 1);
      opening.onupgradeneeded = () => {
        opening.result.createObjectStore("recordings", { keyPath: "session_id" });
        opening.result.createObjectStore("messages", { keyPath: ["session_id", "kind", "number"] });
      };
      return new KeptRecordings(await answerOf(opening));
    } catch {
      return null;
    }
  }

  /**
   * Begins to keep a recording.
   * @param {KeptFacts} facts
   * @returns {KeptRecording}
   */
  begin(facts) {
    void own(facts.session_id);
    return new KeptRecording(this.#database, facts);
  }

  /**
   * Takes over what other pages have left, the oldest first.
   * @returns {Promise<LeftRecording[]>}
   */
  async left() {
    /** @type {KeptFacts[]} */
    const all = await answerOf(this.#database.transaction("recordings").objectStore("recordings").getAll());
    const owned = await Promise.all(all.map(({ session_id: id }) => own(id)));
    const own_facts = all.filter((_, index) => owned[index]).sort((a, b) => a.started_at - b.started_at);
    return Promise.all(
      own_facts.map(async (facts) => {
        const range = IDBKeyRange.bound([facts.session_id], [facts.session_id, []]);
        const messages = await answerOf(this.#database.transaction("messages").objectStore("messages").getAll(range));
        return { facts, messages, kept: new KeptRecording(this.#database, facts, messages) };
      }),
    );
  }
}

/**
 * One recording: messages in until they are settled.
 *
 * Writing is behind by up to 0.3 s, in one transaction at a time. What no longer finds room is told once as `problem`, and from
 * then on nothing more is written; the page itself keeps it all the same.
 * @extends {Emitter<{ problem: unknown }>}
 */
export class KeptRecording extends Emitter {
  #database;
  #facts;
  #isWritten;
  /** The highest number that was given to be written, of each kind. */
  #putThrough = [-1, -1];
  /** @type {KeptMessage[]} */
  #waiting = [];
  /** Up to where all is settled, of each kind; NaN: nothing new. */
  #settled = [NaN, NaN];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #writing = false;
  #isFull = false;
  #isOver = false;

  /**
   * @param {IDBDatabase} database
   * @param {KeptFacts} facts
   * @param {KeptMessage[]} [written] what is in the database already
   */
  constructor(database, facts, written) {
    super();
    this.#database = database;
    this.#facts = facts;
    this.#isWritten = written !== undefined;
    for (const { kind, number } of written ?? []) this.#putThrough[kind] = number;
    if (!written) this.#later();
  }

  /**
   * @param {MessageKind} kind
   * @param {number} number
   * @param {ArrayBuffer} message
   */
  put(kind, number, message) {
    if (this.#isFull || this.#isOver || number <= this.#putThrough[kind]) return;
    this.#putThrough[kind] = number;
    this.#waiting.push({ session_id: this.#facts.session_id, kind, number, message });
    this.#later();
  }

  /**
   * Lets go of what is stored, or gave way.
   * @param {MessageKind} kind
   * @param {number} through
   */
  settle(kind, through) {
    this.#waiting = this.#waiting.filter((message) => message.kind !== kind || message.number > through);
    this.#settled[kind] = through;
    this.#later();
  }

  /** Lets go of all. */
  end() {
    this.#isOver = true;
    this.#waiting = [];
    this.flush();
  }

  /** Writes what waits now, as before the page goes. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing) {
      this.#later();
      return;
    }
    this.#writing = true;
    void this.#write().finally(() => (this.#writing = false));
  }

  #later() {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.flush();
    }, WRITE_AFTER_MS);
  }

  async #write() {
    const id = this.#facts.session_id;
    const waiting = this.#waiting;
    const settled = this.#settled;
    this.#waiting = [];
    this.#settled = [NaN, NaN];
    try {
      const transaction = this.#database.transaction(["recordings", "messages"], "readwrite");
      const done = new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error);
      });
      const [recordings, messages] = [transaction.objectStore("recordings"), transaction.objectStore("messages")];
      if (this.#isOver) {
        recordings.delete(id);
        messages.delete(IDBKeyRange.bound([id], [id, []]));
      } else {
        if (!this.#isWritten) recordings.put(this.#facts);
        settled.forEach((through, kind) => {
          if (!Number.isNaN(through)) messages.delete(IDBKeyRange.bound([id, kind], [id, kind, through]));
        });
        for (const message of waiting) messages.put(message);
      }
      await done;
      this.#isWritten = true;
    } catch (error) {
      if (this.#isFull || this.#isOver) return;
      this.#isFull = true;
      this.emit("problem", error);
    }
  }
}

/**
 * Takes a recording for this page, until it goes.
 * @param {string} sessionId
 * @returns {Promise<boolean>} false: another page has it
 */
function own(sessionId) {
  // Pages without TLS have no locks, and no camera either.
  const locks = globalThis.navigator?.locks;
  if (!locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    const held = () => {
      resolve(true);
      return new Promise(() => {});
    };
    locks.request(`posesession.kept.${sessionId}`, { signal: AbortSignal.timeout(OWNED_MS) }, held).catch(() => resolve(false));
  });
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function answerOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
