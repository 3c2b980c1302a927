// @ts-check
// A cable between browser and server that can be pulled and plugged in again.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Cable {
  #server;
  /** @type {Set<import("node:net").Socket>} */
  #ends = new Set();
  #isPlugged = true;
  #isStalled = false;

  /** @param {number} port of the real server */
  constructor(port) {
    this.#server = createServer((near) => {
      if (!this.#isPlugged) {
        near.destroy();
        return;
      }
      const far = connect(port, "127.0.0.1");
      for (const [end, other] of [[near, far], [far, near]]) {
        this.#ends.add(end);
        if (this.#isStalled) end.pause();
        // The server answers only those who ask for it by its own address.
        end.on("data", (data) => other.write(end === near ? readdressed(data, this.#port, port) : data));
        end.on("error", () => other.destroy());
        end.on("close", () => {
          this.#ends.delete(end);
          other.destroy();
        });
      }
    });
  }

  /** @param {import("./server.mjs").Server} server */
  static async to(server) {
    const cable = new Cable(Number(new URL(server.address).port));
    cable.#server.listen(0, "127.0.0.1");
    await once(cable.#server, "listening");
    return cable;
  }

  get #port() {
    return /** @type {import("node:net").AddressInfo} */ (this.#server.address()).port;
  }

  get address() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Ends all connections and lets no new ones through. */
  pull() {
    this.#isPlugged = false;
    for (const end of this.#ends) end.destroy();
  }

  plug() {
    this.#isPlugged = true;
  }

  /** Keeps the connections and lets nothing through. */
  stall() {
    this.#isStalled = true;
    for (const end of this.#ends) end.pause();
  }

  flow() {
    this.#isStalled = false;
    for (const end of this.#ends) end.resume();
  }

  stop() {
    this.pull();
    this.#server.close();
  }
}

/**
 * Replaces the port in a request's headers; what goes through a WebSocket is masked and does not look like them.
 * @param {Buffer} data
 * @param {number} from
 * @param {number} to
 */
function readdressed(data, from, to) {
  if (!data.includes(`127.0.0.1:${from}`)) return data;
  return Buffer.from(data.toString("latin1").replaceAll(`127.0.0.1:${from}`, `127.0.0.1:${to}`), "latin1");
}
