// @ts-check
// The real server on a port of its own, with a data folder of its own.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

import { serverBinary, visionFolder } from "./prerequisites.mjs";

const STOP_TIMEOUT_MS = 15_000;

/** A running server. */
export class Server {
  #child;
  #options;
  #log;

  /**
   * @param {import("node:child_process").ChildProcess} child
   * @param {{ folder: string, vision: string, switches: string[] }} options
   * @param {string} address
   * @param {string[]} log
   */
  constructor(child, options, address, log) {
    this.#child = child;
    this.#options = options;
    this.#log = log;
    this.address = address;
  }

  /**
   * Starts it and waits until it listens.
   * @param {{ vision?: string, switches?: string[], within?: string }} [options] the folder with the browser's pose model; more of `serve`'s
   *   switches; where its data folder is made
   */
  static async start({ vision = visionFolder(), switches = [], within = tmpdir() } = {}) {
    const folder = await mkdtemp(path.join(within, "posesession-browser-"));
    const options = { folder, vision, switches };
    /** @type {string[]} */
    const log = [];
    const { child, address } = await run(options, "127.0.0.1:0", log);
    return new Server(child, options, address, log);
  }

  /** Ends it at once, as if its machine had lost its power; its data stay. */
  async crash() {
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  /** Starts it again after a crash, where it was and with what it had. */
  async startAgain() {
    const { child } = await run(this.#options, new URL(this.address).host, this.#log);
    this.#child = child;
  }

  get log() {
    return this.#log.join("");
  }

  /** The address of the record protocol. */
  get recordAddress() {
    return `${this.address.replace("http", "ws")}/ws/pose`;
  }

  /**
   * Asks the HTTP interface.
   * @param {string} target
   * @returns {Promise<any>}
   */
  async json(target) {
    const answer = await fetch(this.address + target);
    if (!answer.ok) throw new Error(`${target}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /**
   * Reads all frames of a session, page by page.
   * @param {string} id
   * @returns {Promise<any[]>}
   */
  async frames(id) {
    const all = [];
    let from = 0;
    for (;;) {
      const { frames, next } = await this.json(`/api/sessions/${id}/frames?from=${from}&limit=100`);
      all.push(...frames);
      if (next === null) return all;
      from = next;
    }
  }

  /** Stops it as a user does, and returns its exit code. */
  async stop() {
    const exited = this.#child.exitCode === null ? once(this.#child, "exit") : Promise.resolve([this.#child.exitCode]);
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    const [code] = await exited;
    clearTimeout(timer);
    await rm(this.#options.folder, { recursive: true, force: true });
    return code;
  }
}

/**
 * @param {{ folder: string, vision: string, switches: string[] }} options
 * @param {string} listen
 * @param {string[]} log
 * @returns {Promise<{ child: import("node:child_process").ChildProcess, address: string }>}
 */
async function run({ folder, vision, switches }, listen, log) {
  const child = spawn(
    serverBinary(),
    ["serve", "--listen", listen, "--data", path.join(folder, "data"), "--vision", vision, ...switches],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  child.stderr?.on("data", (data) => log.push(String(data)));
  const address = await new Promise((resolve, reject) => {
    const lines = createInterface({ input: /** @type {import("node:stream").Readable} */ (child.stdout) });
    lines.once("line", (line) => {
      const found = /http:\/\/\S+/.exec(line);
      if (found) resolve(found[0].replace(/\/$/, ""));
      else reject(new Error(`the server's first line has no address: ${line}`));
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it listened:\n${log.join("")}`)));
  });
  return { child, address };
}
