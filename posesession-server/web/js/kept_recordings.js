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
/** What a recording's lock is named, before the recording's id. */
const LOCK = "posesession.kept.";
/** What is acknowledged sooner is never written. */
const WRITE_AFTER_MS = 300;
/** What found no room is tried again, in pieces that cost little when there is still none. */
const TRY_AGAIN_MS = 2000;
const PIECE_BYTES = 1024 * 1024;
/** A page that is reloaded may still hold its recordings for a moment. */
const OWNED_MS = 1500;
/** Some browsers' databases never answer once their files are damaged; the page must not wait for that. */
const OPENED_MS = 5000;

/**
 * Recordings of this browser that are not wholly uploaded. One page owns each: the one that records it, or that was first to ask
 * for it when that was gone.
 */
export class KeptRecordings {
  #database;
  /** Of this page. @type {Set<string>} */
  #owned = new Set();

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
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(() => resolve(null), OPENED_MS)));
    try {
      const opening = indexedDB.open(DATABASE, 1);
      opening.onupgradeneeded = () => {
        opening.result.createObjectStore("recordings", { keyPath: "session_id" });
        opening.result.createObjectStore("messages", { keyPath: ["session_id", "kind", "number"] });
      };
      const database = /** @type {IDBDatabase | null} */ (await Promise.race([answerOf(opening), late]));
      if (!database) return null;
      // A later version of this page in another tab does not have to wait until this one is closed.
      database.onversionchange = () => database.close();
      return new KeptRecordings(database);
    } catch {
      return null;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Begins to keep a recording.
   * @param {KeptFacts} facts
   * @returns {KeptRecording}
   */
  begin(facts) {
    this.#owned.add(facts.session_id);
    return new KeptRecording(this.#database, facts, own(facts.session_id));
  }

  /**
   * Takes over what other pages have left, the oldest first.
   * @returns {Promise<LeftRecording[]>}
   */
  async left() {
    /** @type {KeptFacts[]} */
    const all = await answerOf(this.#database.transaction("recordings").objectStore("recordings").getAll());
    const found = await Promise.all(all.map((facts) => this.#takeOver(facts)));
    return found.filter((left) => left !== null).sort((a, b) => a.facts.started_at - b.facts.started_at);
  }

  /**
   * Tells whether another page of this browser has a recording of a stream to finish: whoever publishes there meanwhile shuts it out.
   * @param {string} stream
   * @returns {Promise<boolean>}
   */
  async isElsewhere(stream) {
    const { held = [] } = (await globalThis.navigator?.locks?.query()) ?? {};
    const others = held.map(({ name = "" }) => name).filter((name) => name.startsWith(LOCK) && !this.#owned.has(name.slice(LOCK.length)));
    if (others.length === 0) return false;
    /** @type {KeptFacts[]} */
    const all = await answerOf(this.#database.transaction("recordings").objectStore("recordings").getAll());
    return all.some((facts) => facts.stream === stream && others.includes(LOCK + facts.session_id));
  }

  /**
   * @param {KeptFacts} facts
   * @returns {Promise<LeftRecording | null>} null: another page has it, or has finished it meanwhile
   */
  async #takeOver({ session_id: id }) {
    const release = await own(id);
    if (!release) return null;
    this.#owned.add(id);
    const transaction = this.#database.transaction(["recordings", "messages"]);
    const [facts, messages] = await Promise.all([
      answerOf(/** @type {IDBRequest<KeptFacts | undefined>} */ (transaction.objectStore("recordings").get(id))),
      answerOf(/** @type {IDBRequest<KeptMessage[]>} */ (transaction.objectStore("messages").getAll(rangeOf(id)))),
    ]);
    if (facts) return { facts, messages, kept: new KeptRecording(this.#database, facts, Promise.resolve(release), messages) };
    release();
    return null;
  }
}

/**
 * One recording: messages in until they are settled.
 *
 * Writing is behind by up to 0.3 s. What finds no room is told once as `problem` and tried again until it is settled, and `room` tells
 * that all of it is written again, or nothing left to write; the page itself keeps it all the same.
 * @extends {Emitter<{ problem: unknown, room: void }>}
 */
export class KeptRecording extends Emitter {
  #database;
  #facts;
  #owned;
  #isWritten;
  /** The highest number that was given to be written, of each kind. */
  #putThrough = [-1, -1];
  /** Not written, or not known to be. @type {KeptMessage[]} */
  #waiting = [];
  /** Up to where all is settled, of each kind, and up to where it was erased. */
  #settled = [-1, -1];
  #erased = [-1, -1];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #isWriting = false;
  #isFull = false;
  #isOver = false;

  /**
   * @param {IDBDatabase} database
   * @param {KeptFacts} facts
   * @param {Promise<(() => void) | null>} owned lets go of the recording
   * @param {KeptMessage[]} [written] what is in the database already
   */
  constructor(database, facts, owned, written) {
    super();
    this.#database = database;
    this.#facts = facts;
    this.#owned = owned;
    this.#isWritten = written !== undefined;
    for (const { kind, number } of written ?? []) this.#putThrough[kind] = number;
    if (!written) this.#later(WRITE_AFTER_MS);
  }

  /**
   * @param {MessageKind} kind
   * @param {number} number
   * @param {ArrayBuffer} message
   */
  put(kind, number, message) {
    if (this.#isOver || number <= this.#putThrough[kind]) return;
    this.#putThrough[kind] = number;
    this.#waiting.push({ session_id: this.#facts.session_id, kind, number, message });
    this.#later(WRITE_AFTER_MS);
  }

  /**
   * Lets go of what is stored, or gave way.
   * @param {MessageKind} kind
   * @param {number} through
   */
  settle(kind, through) {
    if (this.#isOver || through <= this.#settled[kind]) return;
    this.#settled[kind] = through;
    this.#waiting = this.#waiting.filter((message) => this.#isWanted(message));
    this.#later(WRITE_AFTER_MS);
  }

  /** Lets go of all. */
  end() {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting = [];
    clearTimeout(this.#timer);
    this.#setFull(false);
    this.flush();
  }

  /** Writes all that waits at once, as before the page goes. */
  flush() {
    void this.#write(Infinity);
  }

  /** @param {number} ms */
  #later(ms) {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#writeBehind();
    }, ms);
  }

  /** Writes what waits piece by piece. */
  async #writeBehind() {
    if (this.#isWriting) return;
    this.#isWriting = true;
    let goesOn = true;
    // What there is no room for must not keep what is settled from making some.
    if (this.#isFull) goesOn = await this.#write(0);
    while (goesOn) goesOn = (await this.#write(PIECE_BYTES)) && this.#isBehind;
    this.#isWriting = false;
    if (this.#isBehind) this.#later(this.#isFull ? TRY_AGAIN_MS : WRITE_AFTER_MS);
    else this.#setFull(false);
  }

  get #isBehind() {
    return !this.#isOver && (!this.#isWritten || this.#waiting.length > 0 || this.#settled.some((through, kind) => through > this.#erased[kind]));
  }

  /** @param {KeptMessage} message */
  #isWanted({ kind, number }) {
    return !this.#isOver && number > this.#settled[kind];
  }

  /**
   * @param {number} most bytes of messages, and the message that exceeds it; 0: only erases
   * @returns {Promise<boolean>} whether it is written
   */
  async #write(most) {
    const piece = this.#take(most);
    const settled = [...this.#settled];
    const isOver = this.#isOver;
    try {
      const transaction = this.#database.transaction(["recordings", "messages"], "readwrite");
      const id = this.#facts.session_id;
      const [recordings, messages] = [transaction.objectStore("recordings"), transaction.objectStore("messages")];
      if (isOver) {
        recordings.delete(id);
        messages.delete(rangeOf(id));
      } else {
        settled.forEach((through, kind) => {
          if (through > this.#erased[kind]) messages.delete(IDBKeyRange.bound([id, kind], [id, kind, through]));
        });
        if (!this.#isWritten && most > 0) recordings.put(this.#facts);
        for (const message of piece) messages.put(message);
      }
      // A page that goes now leaves it written; without this, the browser gives it up with the page.
      transaction.commit();
      await new Promise((resolve, reject) => {
        transaction.oncomplete = resolve;
        transaction.onabort = () => reject(transaction.error ?? new DOMException("the browser took the database away", "AbortError"));
      });
    } catch (error) {
      // What an ended recording leaves behind is found, and erased once the server says that it is over.
      if (isOver) this.#release();
      this.#waiting = [...piece, ...this.#waiting].filter((message) => this.#isWanted(message));
      if (this.#isBehind) {
        this.#setFull(true, error);
        this.#later(TRY_AGAIN_MS);
      }
      return false;
    }
    this.#isWritten ||= most > 0;
    this.#erased = settled;
    if (isOver) this.#release();
    return true;
  }

  /** @param {number} most bytes */
  #take(most) {
    let count = 0;
    for (let bytes = 0; count < this.#waiting.length && bytes < most; count += 1) bytes += this.#waiting[count].message.byteLength;
    return this.#waiting.splice(0, count);
  }

  /**
   * @param {boolean} isFull
   * @param {unknown} [error]
   */
  #setFull(isFull, error) {
    if (this.#isFull === isFull) return;
    this.#isFull = isFull;
    if (isFull) this.emit("problem", error);
    else this.emit("room", undefined);
  }

  #release() {
    void this.#owned.then((release) => release?.());
  }
}

/**
 * Takes a recording for this page, until it lets go of it or goes itself.
 * @param {string} sessionId
 * @returns {Promise<(() => void) | null>} lets go of it; null: another page has it
 */
function own(sessionId) {
  // Pages without TLS have no locks, and no camera either.
  const locks = globalThis.navigator?.locks;
  if (!locks) return Promise.resolve(() => {});
  return new Promise((resolve) => {
    const held = () => new Promise((release) => resolve(() => release(undefined)));
    locks.request(LOCK + sessionId, { signal: AbortSignal.timeout(OWNED_MS) }, held).catch(() => resolve(null));
  });
}

/** @param {string} sessionId */
function rangeOf(sessionId) {
  return IDBKeyRange.bound([sessionId], [sessionId, []]);
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
