// @ts-check
// Every page in each of its main states: no violation that axe knows, in light and dark, on a phone and on a wall; all of it
// within reach of keyboard and finger.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { assertAccessible, assertKeyboardReaches, assertNoSidewaysScroll, assertTouchable } from "./support/accessibility.mjs";
import { Browser, emulate, screenshot, waitForNumber, waitForState } from "./support/browser.mjs";
import { SeedRecording, seedSession } from "./support/seed.mjs";
import { Server } from "./support/server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const PHONE = { width: 360, height: 740 };
const WALL = { width: 1920, height: 1080 };
const DESK = { width: 1280, height: 960 };
const HOSTILE_NAME = `<img src=x onerror="window.hacked = true"> ${"a-very-long-name-without-a-space".repeat(3)}`;

/**
 * Judges a state of a page in all its looks, and keeps pictures of it. Fails with all that it found.
 * @param {Page} page
 * @param {string} name
 */
async function judge(page, name) {
  /** @type {string[]} */
  const faults = [];
  /** @param {string} look @param {Promise<unknown>} verdict */
  const check = (look, verdict) =>
    verdict.catch((error) => {
      if (!(error instanceof assert.AssertionError)) throw error;
      faults.push(`${name}, ${look}: ${error.message}`);
    });
  for (const viewport of [PHONE, WALL]) {
    const width = `${viewport.width} px`;
    await emulate(page, { viewport, colorScheme: "light" });
    await screenshot(page, `${name}-${viewport.width}-light`);
    await check(width, assertNoSidewaysScroll(page));
    await check(`${width}, light`, assertAccessible(page));
    await emulate(page, { colorScheme: "dark" });
    await screenshot(page, `${name}-${viewport.width}-dark`);
    // Other colours are all that differs.
    await check(`${width}, dark`, assertAccessible(page, { rules: ["color-contrast"] }));
  }
  await emulate(page, { viewport: PHONE, touch: true, colorScheme: "light" });
  await check("by finger", assertTouchable(page));
  await emulate(page, { viewport: DESK, touch: false });
  await check("by keyboard", assertKeyboardReaches(page));
  assert.deepEqual(faults, []);
}

/**
 * Judges the colours of what is under the mouse.
 * @param {Page} page
 * @param {string} selector
 */
async function judgeHovered(page, selector) {
  await page.hover(selector);
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await emulate(page, { colorScheme });
    await assertAccessible(page, { rules: ["color-contrast"] });
  }
  await page.mouse.move(0, 0);
  await emulate(page, { colorScheme: "light" });
}

/**
 * Starts a countdown whose first second does not end: ten seconds are not enough to judge it on a busy machine.
 * @param {Page} page
 */
async function startEndlessCountdown(page) {
  await page.evaluate(() => {
    const { setTimeout } = window;
    try {
      Object.assign(window, { setTimeout: () => 0 });
      document.getElementById("record")?.click();
    } finally {
      Object.assign(window, { setTimeout });
    }
  });
}

describe("the pages are for everybody", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;
  /** @type {Browser} */
  let withoutCamera;

  before(async () => {
    server = await Server.start();
    // Colours that fade into one another have no contrast to be measured on the way.
    browser = await Browser.start({ reducedMotion: "reduce" });
    withoutCamera = await Browser.start({ reducedMotion: "reduce", camera: "denied" });
  });

  after(async () => {
    await browser?.stop();
    await withoutCamera?.stop();
    await server?.stop();
  });

  describe("session_list.html", () => {
    /** @type {Page} */
    let page;

    const open = async () => {
      page = await browser.open(`${server.address}/session_list.html`);
      await waitForState(page, { state: "ready" });
    };

    test("empty", async () => {
      await open();
      await judge(page, "list-empty");
      await page.close();
    });

    test("filled", async () => {
      await seedSession(server, { name: HOSTILE_NAME, description: "Both knees, slowly.", markers: [{ label: "deep", at: 1 }] });
      await seedSession(server, { name: "Two people", persons: 2, images: true, pause: { at: 1, seconds: 0.1 } });
      await seedSession(server, { name: "Nobody", persons: 0, seconds: 1 });
      const broken = await SeedRecording.start(server, { name: "Still recording" });
      await broken.record(2);
      await broken.settle();
      broken.close();
      await open();
      await judge(page, "list-filled");
    });

    test("searching what is not there", async () => {
      await page.fill("#search", "no such session");
      await waitForState(page, { state: "ready", sessionCount: "0" });
      await judge(page, "list-nothing-found");
      await page.fill("#search", "");
      await waitForState(page, { state: "ready", sessionCount: "4" });
    });

    test("renaming", async () => {
      await page.locator('[data-action="rename"]').first().click();
      await judge(page, "list-renaming");
      await page.keyboard.press("Escape");
    });

    test("about to delete several", async () => {
      await page.check("#select-all");
      await judge(page, "list-selected");
      await page.click("#delete-selected");
      await page.waitForSelector("dialog[open]");
      await judge(page, "list-deleting");
      await judgeHovered(page, "dialog button.record");
      await page.keyboard.press("Escape");
      await page.close();
    });
  });

  describe("pose_realtime.html", () => {
    test("live, counting down, recording, recorded", async () => {
      const page = await browser.open(`${server.address}/pose_realtime.html`);
      await waitForState(page, { state: "live", connection: "open", source: "camera" });
      await waitForNumber(page, "framesSent", 3);
      await judge(page, "record-live");

      await page.check('[name="countdown"][value="10"]');
      await startEndlessCountdown(page);
      await waitForState(page, { state: "countdown" });
      await judge(page, "record-countdown");
      await page.click("#cancel-countdown");
      await waitForState(page, { state: "live" });

      await page.check('[name="countdown"][value="0"]');
      await page.click("#record");
      await waitForState(page, { state: "recording" });
      await judge(page, "record-recording");

      await page.click("#stop");
      await waitForState(page, { state: "finalized" });
      await judge(page, "record-report");
      await page.close();
    });

    test("a camera that is not allowed", async () => {
      const page = await withoutCamera.open(`${server.address}/pose_realtime.html`);
      await waitForState(page, { source: "failed", connection: "open" });
      await judge(page, "record-camera-denied");
      await page.close();
    });
  });

  describe("session_replay.html", () => {
    test("paused, with help, playing", async () => {
      const id = await seedSession(server, {
        name: "A walk",
        seconds: 30,
        skeleton: "mediapipe_33_world",
        markers: [{ label: "turns round", at: 3.9 }],
        pause: { at: 10, seconds: 0.1 },
        gap: { at: 20, seconds: 1 },
        images: true,
      });
      const page = await browser.open(`${server.address}/session_replay.html?session=${id}`);
      await waitForState(page, { state: "paused", webcam: "live" });
      await judge(page, "replay-paused");
      await judgeHovered(page, "#play");
      await judgeHovered(page, "#backwards");

      await page.locator("body").press("?");
      await page.waitForSelector("dialog[open]");
      await judge(page, "replay-help");
      await page.keyboard.press("Escape");

      await page.click("#play");
      await waitForState(page, { state: "playing" });
      await judge(page, "replay-playing");
      await page.close();
    });

    test("without a webcam", async () => {
      const id = await seedSession(server, { name: "Alone" });
      const page = await withoutCamera.open(`${server.address}/session_replay.html?session=${id}`);
      await waitForState(page, { state: "paused", webcam: "none" });
      await judge(page, "replay-no-webcam");
      await page.close();
    });

    test("a session that is not there", async () => {
      const page = await withoutCamera.open(`${server.address}/session_replay.html?session=01890000-0000-7000-8000-000000000000`);
      await waitForState(page, { state: "failed" });
      await judge(page, "replay-not-found");
      await page.close();
    });
  });

  test("no page had an error, broke its security policy or asked another host", () => {
    assert.deepEqual([...browser.problems, ...withoutCamera.problems], []);
  });
});
