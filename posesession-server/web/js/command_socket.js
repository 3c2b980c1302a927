// @ts-check
// One WebSocket: commands out, each answer to the promise of its command, everything else to the owner.

import { PosesessionError } from "./errors.js";

export const SUBPROTOCOL = "posesession.v1";

/**
 * What the clients need of a WebSocket; tests and other transports bring their own.
 * @typedef {object} Socket
 * @property {string} binaryType
 * @property {number} bufferedAmount bytes handed to `send` and not yet sent
 * @property {(data: string | ArrayBuffer) => void} send
 * @property {(code?: number, reason?: string) => void} close
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 *
 * @typedef {(url: string, protocols: string[]) => Socket} OpenSocket
 *
 * @typedef {{ type: string, id?: string | number } & Record<string, any>} Message
 *
 * @typedef {{ code: number, reason: string }} Closed
 *
 * @typedef {object} Owner
 * @property {(message: Message) => void} onMessage each JSON message, answers included
 * @property {(message: ArrayBuffer) => void} onBinary
 * @property {(closed: Closed) => void} onClose once, when an open connection has ended
 * @property {(error: PosesessionError) => void} onError a message that is not understood
 */

/** Browsers wait minutes for a server that does not answer; in a network that is back by then, a new attempt gets through at once. */
const OPEN_WITHIN_MS = 10_000;

/** @type {OpenSocket} */
const openWebSocket = (url, protocols) => new WebSocket(url, protocols);

export class CommandSocket {
  /** @type {Socket} */
  #socket;
  /** @type {Owner} */
  #owner;
  /** @type {Map<string | number, { resolve: (message: Message) => void, reject: (error: Error) => void }>} */
  #pending = new Map();
  #nextId = 1;
  #open = false;

  /**
   * @param {Socket} socket
   * @param {Owner} owner
   */
  constructor(socket, owner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  /**
   * Connects. Rejects with `connect_failed` when the server cannot be reached.
   * @param {string} url
   * @param {Owner} owner
   * @param {OpenSocket} [openSocket]
   * @returns {Promise<CommandSocket>}
   */
  static connect(url, owner, openSocket = openWebSocket) {
    return new Promise((resolve, reject) => {
      const socket = openSocket(url, [SUBPROTOCOL]);
      const commands = new CommandSocket(socket, owner);
      const late = setTimeout(() => {
        reject(new PosesessionError("connect_failed", `cannot connect to ${url} (no answer for ${OPEN_WITHIN_MS / 1000} s); is the server running?`));
        socket.close();
      }, OPEN_WITHIN_MS);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => {
        clearTimeout(late);
        commands.#open = true;
        resolve(commands);
      };
      socket.onmessage = ({ data }) => commands.#receive(data);
      socket.onclose = ({ code = 1006, reason = "" }) => {
        clearTimeout(late);
        const why = reason || `code ${code}`;
        if (!commands.#open) reject(new PosesessionError("connect_failed", `cannot connect to ${url} (${why}); is the server running?`));
        commands.#close({ code, reason });
      };
      // The close event that follows carries what there is to know.
      socket.onerror = () => {};
    });
  }

  /** Whether the connection is open. */
  get isOpen() {
    return this.#open;
  }

  /** Bytes handed over and not yet sent; infinite when the connection has ended. */
  get bufferedBytes() {
    return this.#open ? this.#socket.bufferedAmount : Infinity;
  }

  /**
   * Sends a command and resolves with its answer.
   *
   * Rejects with the server's code when the answer is an `error`, with `closed` when the connection ends first.
   * @param {string} type
   * @param {Record<string, unknown>} [fields] absent (`undefined`) ones are not sent
   * @returns {Promise<Message>}
   */
  request(type, fields = {}) {
    if (!this.#open) return Promise.reject(new PosesessionError("not_connected", `cannot send ${type}: not connected`));
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ type, id, ...fields }));
    });
  }

  /** @param {ArrayBuffer} message */
  sendBinary(message) {
    this.#socket.send(message);
  }

  /** Closes the connection; what is still unanswered rejects with `closed`. */
  close() {
    this.#socket.close(1000, "");
    this.#close({ code: 1000, reason: "" });
  }

  /** @param {unknown} data */
  #receive(data) {
    if (!this.#open) return;
    try {
      if (typeof data !== "string") {
        this.#owner.onBinary(/** @type {ArrayBuffer} */ (data));
        return;
      }
      const message = parseMessage(data);
      this.#owner.onMessage(message);
      this.#settle(message);
    } catch (error) {
      if (!(error instanceof PosesessionError)) throw error;
      this.#owner.onError(error);
    }
  }

  /** @param {Message} message */
  #settle(message) {
    const waiting = message.id === undefined ? undefined : this.#pending.get(message.id);
    if (message.id !== undefined) this.#pending.delete(message.id);
    if (message.type === "error") {
      const error = errorFrom(message);
      if (waiting) waiting.reject(error);
      else this.#owner.onError(error);
    } else {
      waiting?.resolve(message);
    }
  }

  /** @param {Closed} closed */
  #close(closed) {
    if (!this.#open) return;
    this.#open = false;
    const why = closed.reason || `code ${closed.code}`;
    for (const { reject } of this.#pending.values()) {
      reject(new PosesessionError("closed", `the connection ended (${why})`, { ...closed }));
    }
    this.#pending.clear();
    this.#owner.onClose(closed);
  }
}

/**
 * @param {string} text
 * @returns {Message}
 */
function parseMessage(text) {
  /** @type {unknown} */
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    throw new PosesessionError("bad_message", "the server sent a message that is not JSON");
  }
  if (typeof message !== "object" || message === null || !("type" in message)) {
    throw new PosesessionError("bad_message", "the server sent a message without a type");
  }
  return /** @type {Message} */ (message);
}

/** @param {Message} message */
function errorFrom({ code, message, type: _type, id: _id, ...details }) {
  return new PosesessionError(String(code ?? "unknown"), String(message ?? code ?? "unknown error"), details);
}

/**
 * Makes the WebSocket address of a path on the page's own server.
 * @param {string} path
 * @param {{ protocol: string, host: string }} [page]
 * @returns {string}
 */
export function socketUrl(path, page = location) {
  return `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}${path}`;
}
