// @ts-check
// A WebSocket whose other end is the test.

/** @typedef {import("../js/command_socket.js").Message} Message */

export class FakeSocket {
  binaryType = "blob";
  bufferedAmount = 0;
  /** @type {Message[]} */
  commands = [];
  /** @type {ArrayBuffer[]} */
  binary = [];
  closed = false;
  /** @type {((event: any) => void) | null} */
  onopen = null;
  /** @type {((event: any) => void) | null} */
  onmessage = null;
  /** @type {((event: any) => void) | null} */
  onclose = null;
  /** @type {((event: any) => void) | null} */
  onerror = null;

  /**
   * @param {string} url
   * @param {string[]} protocols
   */
  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
  }

  /** @param {string | ArrayBuffer} data */
  send(data) {
    if (typeof data === "string") this.commands.push(JSON.parse(data));
    else this.binary.push(data);
  }

  close() {
    this.closed = true;
  }

  open() {
    this.onopen?.({});
  }

  /** @param {object | ArrayBuffer} message */
  receive(message) {
    this.onmessage?.({ data: message instanceof ArrayBuffer ? message : JSON.stringify(message) });
  }

  /** @param {object} [event] */
  drop(event = { code: 1006, reason: "" }) {
    this.onclose?.(event);
  }

  /** The last command sent. */
  get last() {
    const command = this.commands.at(-1);
    if (!command) throw new Error("no command was sent");
    return command;
  }

  /** @param {object} answer to the last command */
  answer(answer) {
    this.receive({ id: this.last.id, ...answer });
  }
}

/** Opens fake sockets and keeps them. */
export function fakeSockets() {
  /** @type {FakeSocket[]} */
  const sockets = [];
  return {
    sockets,
    /**
     * @param {string} url
     * @param {string[]} protocols
     */
    openSocket(url, protocols) {
      const socket = new FakeSocket(url, protocols);
      sockets.push(socket);
      return socket;
    },
  };
}

/** Lets every promise that can settle do so. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}
