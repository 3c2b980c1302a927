// @ts-check
// Takes the pictures of the pages that README shows, from a real run: a real person as the webcam, the real pose model, real
// recordings. They replace those in docs/images.
//
// usage: node scripts/take_pictures.mjs    (POSESESSION_BIN: the server, else target/release/posesession)

import { mkdir, stat, writeFile } from "node:fs/promises";
import path from "node:path";

import { Browser, debuggerOf, emulate, waitForNumber, waitForState } from "../tests/browser/support/browser.mjs";
import { ROOT } from "../tests/browser/support/prerequisites.mjs";
import { SeedRecording, seedSession } from "../tests/browser/support/seed.mjs";
import { Server } from "../tests/browser/support/server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const FOLDER = path.join(ROOT, "docs", "images");
const SCREEN = { width: 1280, height: 860 };
/** Text stays sharp on displays of today, and the files small. */
const SCALE = 1.5;
const QUALITY = 82;
const RECORDED_SECONDS = 12;

/** Of the display's pixels none are the scroll bar's. @param {Page} page */
async function prepare(page) {
  await (await debuggerOf(page)).send("Emulation.setScrollbarsHidden", { hidden: true });
}

/**
 * @param {Page} page
 * @param {string} name
 */
async function take(page, name) {
  await page.mouse.move(0, 0);
  const session = await debuggerOf(page);
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await emulate(page, { colorScheme });
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: QUALITY });
    const file = path.join(FOLDER, `${name}_${colorScheme}.webp`);
    await writeFile(file, Buffer.from(data, "base64"));
    console.log(`${path.relative(ROOT, file)}: ${((await stat(file)).size / 1000).toFixed(0)} kB`);
  }
}

/** @param {Server} server */
async function seed(server) {
  await seedSession(server, { name: "Jumping jacks, set 1", description: "Outdoors, own pace.", seconds: 9.2, metadata: { tags: ["warm-up"] } });
  await seedSession(server, { name: "Jumping jacks, two people", persons: 2, seconds: 14, metadata: { tags: ["warm-up"] } });
  await seedSession(server, { name: "Arms, 60 poses a second", seconds: 6.1, fps: 60, skeleton: "mediapipe_33_world", metadata: { tags: ["shoulder"] } });
  await seedSession(server, { name: "From another estimator", skeleton: "coco_17", seconds: 21, metadata: { tags: ["warm-up"] } });
  await seedSession(server, {
    name: "Jumping jacks, set 2",
    description: "Arms all the way up.",
    seconds: 34.5,
    markers: [{ label: "slower", at: 8 }],
    metadata: { tags: ["warm-up", "shoulder", "follow-up"] },
  });
}

/**
 * Records the person before the camera, with video, and takes the picture meanwhile. Returns the session's id.
 * @param {Browser} browser
 * @param {Server} server
 */
async function record(browser, server) {
  const page = await browser.open(`${server.address}/pose_realtime.html`, { prepare });
  await waitForState(page, { state: "live", connection: "open", source: "camera" });
  await waitForNumber(page, "framesSent", 20);
  await page.fill("#session-name", "Balance on one leg");
  await page.fill("#session-tags", "balance,");
  await page.check("#with-video");
  await page.check('[name="countdown"][value="0"]');
  await page.click("#record");
  await waitForState(page, { state: "recording" });
  for (const [label, seconds] of /** @type {const} */ ([["leg up", 3], ["arms out", 5]])) {
    await waitForNumber(page, "duration", seconds);
    await page.fill("#mark-label", label);
    await page.click("#mark");
  }
  await waitForNumber(page, "duration", 6);
  await take(page, "pose_realtime");
  await waitForNumber(page, "duration", RECORDED_SECONDS);
  await page.click("#stop");
  await waitForState(page, { state: "finalized" });
  const id = await page.evaluate(() => document.documentElement.dataset.sessionId ?? "");
  await page.close();
  return id;
}

const server = await Server.start();
const browser = await Browser.start({ viewport: SCREEN, scale: SCALE, reducedMotion: "reduce" });
try {
  await mkdir(FOLDER, { recursive: true });
  await seed(server);
  const id = await record(browser, server);
  const live = await SeedRecording.start(server, { name: "In the other room", metadata: { tags: ["live"] } });
  await live.record(5);
  await live.settle();

  const list = await browser.open(`${server.address}/session_list.html`, { prepare });
  await waitForState(list, { state: "ready", sessionCount: "7" });
  await list.waitForFunction(() => [...document.querySelectorAll("[data-session-id]")].every((card) => /** @type {HTMLElement} */ (card).dataset.picture === "drawn"));
  await take(list, "session_list");
  await list.close();
  await live.stop();
  live.close();

  const replay = await browser.open(`${server.address}/session_replay.html?session=${id}&t=4`, { prepare });
  await waitForState(replay, { state: "paused", webcam: "live" });
  await replay.selectOption("select#picture", "beside");
  await replay.click("#play");
  await waitForNumber(replay, "timestamp", 6.5);
  await take(replay, "session_replay");
  if (browser.problems.length > 0) throw new Error(`the pages had problems:\n${browser.problems.join("\n")}`);
} finally {
  await browser.stop();
  await server.stop();
}
