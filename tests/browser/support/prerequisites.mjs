// @ts-check
// What the tests need from outside: its place, or an error that says how to get it. Nothing is skipped.

import { accessSync, constants, existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

export const ROOT = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../../..");
export const SCREENSHOTS = path.join(ROOT, "target", "screenshots");
const WEB = path.join(ROOT, "posesession-server", "web");
const FETCH_PACKAGES = "npm ci --prefix posesession-server/web";

/**
 * @param {string} file
 * @param {string} what
 * @param {string} command
 */
function needed(file, what, command) {
  if (!existsSync(file)) throw new Error(`${what} is missing (${file}): run ${command}`);
  return file;
}

/** The server's program: `POSESESSION_BIN`, else the release build. */
export function serverBinary() {
  const binary = process.env.POSESESSION_BIN ?? path.join(ROOT, "target", "release", "posesession");
  needed(binary, "the server", "cargo build --release -p posesession-server");
  accessSync(binary, constants.X_OK);
  return binary;
}

/** Debian's Chromium, or `CHROMIUM_BIN`. */
export function chromiumBinary() {
  return needed(process.env.CHROMIUM_BIN ?? "/usr/bin/chromium", "Chromium", "scripts/setup_system.sh");
}

/** The folder with the pose model for browsers: `POSESESSION_VISION`, else `./vision`. */
export function visionFolder() {
  const folder = process.env.POSESESSION_VISION ?? path.join(ROOT, "vision");
  needed(path.join(folder, "pose_landmarker_lite.task"), "the pose model", "make vision (scripts/fetch_vision.py)");
  return folder;
}

/** The real video that plays as a webcam. */
export function webcamVideo() {
  return needed(path.join(ROOT, "target", "media", "balance.mjpeg"), "the webcam's video", "scripts/fetch_video.py webcam");
}

/** The same person as a video file, for the streamer. */
export function personVideo() {
  return needed(path.join(ROOT, "target", "media", "balance.mp4"), "the video", "scripts/fetch_video.py balance");
}

/** A folder in memory, which no database in it survives. */
export function memoryFolder() {
  return needed("/dev/shm", "a file system in memory", "mount -t tmpfs tmpfs /dev/shm");
}

/** Python with what `examples/pose_streamer.py` imports. */
export function streamerPython() {
  return needed(path.join(ROOT, ".venv", "streamer", "bin", "python"), "the streamer's environment", "scripts/setup_python.sh");
}

/** The real video of walking people from which `testdata/recordings/walk_mediapipe_33.jsonl` is. */
export function walkersVideo() {
  return needed(path.join(ROOT, "target", "media", "walkers.mp4"), "the video", "scripts/fetch_video.py walkers");
}

/** @returns {typeof import("playwright-core")} */
export function playwright() {
  return webPackage("playwright-core");
}

/**
 * Opens WebSockets for our own clients outside a browser: the package `ws`, since Node 20 has one of its own only behind a
 * switch that every `node --test` would have to be given.
 * @returns {import("../../../posesession-server/web/js/command_socket.js").OpenSocket}
 */
export function openSocket() {
  const { WebSocket } = webPackage("ws");
  return (url, protocols) => new WebSocket(url, protocols, { perMessageDeflate: false });
}

/** The file with axe-core, as a page runs it. */
export function axeSource() {
  return needed(path.join(WEB, "node_modules", "axe-core", "axe.min.js"), "axe-core", FETCH_PACKAGES);
}

/**
 * @param {string} name
 * @returns {any}
 */
function webPackage(name) {
  needed(path.join(WEB, "node_modules", name), name, FETCH_PACKAGES);
  return createRequire(path.join(WEB, "package.json"))(name);
}
