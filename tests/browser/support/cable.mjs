// @ts-check
// A cable between browser and server that can be pulled and plugged in again.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Cable {
  #server;
  /** @type {Set<import("node:net").Socket>} */
  #ends = new Set();
  /** Ends whose other end hears nothing of them any more, not even that they are closed. @type {WeakSet<import("node:net").Socket>} */
  #deaf = new WeakSet();
  #isPlugged = true;
  #isStalled = false;
  #isDead = false;
  #swallowed = 0;

  /** @param {number} port of the real server */
  constructor(port) {
    this.#server = createServer((near) => {
      if (!this.#isPlugged) {
        near.destroy();
        return;
      }
      const far = connect(port, "127.0.0.1");
      if (this.#isDead) {
        this.#swallowed += 1;
        this.#server.emit("swallowed");
      }
      for (const [end, other] of [[near, far], [far, near]]) {
        this.#ends.add(end);
        if (this.#isStalled) end.pause();
        // The server answers only those who ask for it by its own address.
        end.on("data", (data) => other.write(end === near ? readdressed(data, this.#port, port) : data));
        if (this.#isDead) this.#deafen(end);
        end.on("error", () => other.destroy());
        end.on("close", () => {
          this.#ends.delete(end);
          if (!this.#deaf.has(end)) other.destroy();
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

  /** Lets nothing through any more, and tells neither end: as when a router forgets. What is connected meanwhile stays dead, too. */
  die() {
    this.#isDead = true;
    for (const end of this.#ends) this.#deafen(end);
  }

  /** Resolves when somebody has tried to connect in vain since it died. */
  async swallowed() {
    if (this.#swallowed === 0) await once(this.#server, "swallowed");
  }

  /** Lets new connections through again. */
  revive() {
    this.#isDead = false;
    this.#swallowed = 0;
  }

  /** @param {import("node:net").Socket} end */
  #deafen(end) {
    this.#deaf.add(end);
    end.removeAllListeners("data");
    end.pause();
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
