// @ts-check
// What the recording page does for the promise that nothing is lost silently: it notices a dead connection, says where the server
// or this browser keeps nothing, and finishes after a reload what it had begun, video included.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { assertAccessible, assertNoSidewaysScroll } from "./support/accessibility.mjs";
import { Browser, debuggerOf, emulate, screenshot, state, waitForNumber, waitForState } from "./support/browser.mjs";
import { Cable } from "./support/cable.mjs";
import { memoryFolder } from "./support/prerequisites.mjs";
import { assertAllCounted, record } from "./support/recording.mjs";
import { Server } from "./support/server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const LIVE = { connection: "open", source: "camera", state: "live" };
const UNREACHABLE = /WebSocket connection to .* failed|ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_SOCKET/;
const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

/** @param {Page} page */
const notice = (page) => page.locator("#notice").textContent();

/**
 * Looks at the page on a desk and on a phone.
 * @param {Page} page
 * @param {string} name
 */
async function look(page, name) {
  for (const viewport of [PHONE, DESK]) {
    await emulate(page, { viewport });
    await assertNoSidewaysScroll(page);
    await screenshot(page, `record-${name}-${viewport.width}`);
  }
}

describe("what is recorded is kept, or it is said", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;

  before(async () => {
    server = await Server.start();
    browser = await Browser.start();
  });

  after(async () => {
    await browser?.stop();
    if (server) assert.equal(await server.stop(), 0, `the server did not end well:\n${server.log}`);
  });

  test("a connection that dies without a word is noticed, and so is one that dies before its greeting; all frames are stored", async () => {
    const cable = await Cable.to(server);
    try {
      const page = await browser.open(`${cable.address}/pose_realtime.html`);
      await waitForState(page, LIVE);
      const id = await record(page);
      cable.die();
      await waitForState(page, { connection: "lost", state: "recording" });
      assert.match((await page.textContent("#alarm [role=alert]")) ?? "", /Connection lost.*poses.*goes on by itself/);
      const kept = Number((await state(page)).unackedFrames);
      assert.ok(kept > 50, `only ${kept} frames are kept of ten seconds`);
      // A try meanwhile is swallowed, too, and must not be waited for: only a later one gets through.
      await cable.swallowed();
      cable.revive();
      await waitForState(page, { connection: "open", state: "recording", sessionId: id });
      await waitForState(page, { unackedFrames: "0" });
      await page.click("#stop");
      await waitForState(page, { state: "finalized", sessionId: id });
      const { status, report, frame_count: stored } = await server.json(`/api/sessions/${id}`);
      assert.equal(status, "completed");
      assertAllCounted(report);
      assert.equal(report.missing, 0);
      assert.equal(report.stored, stored);
      assert.ok(stored > kept, `${stored} stored, ${kept} were kept`);
      assert.ok(report.reconnects >= 1);
      console.log(`proof: page on a dead connection: ${kept} frames kept, ${stored} of ${report.sent} stored, 0 missing`);
      await page.close();
    } finally {
      cable.stop();
    }
  });

  test("a page that is reloaded while it records video uploads the rest: frames are complete, and the video plays", async () => {
    const cable = await Cable.to(server);
    try {
      const page = await browser.open(`${cable.address}/pose_realtime.html`);
      await waitForState(page, LIVE);
      await page.check("#with-video");
      const id = await record(page);
      await page.waitForFunction(() => !/^(–|0 B)?$/.test(document.getElementById("video-stored")?.textContent ?? ""));
      cable.pull();
      await waitForState(page, { connection: "lost" });
      const { unackedFrames: before, duration: uploaded } = await state(page);
      await waitForNumber(page, "unackedFrames", Number(before) + 90);
      const kept = Number((await state(page)).unackedFrames);
      cable.plug();
      await page.reload();
      await waitForState(page, { cutOff: "1", source: "camera", connection: "open" });
      assert.match((await page.textContent("#cut-off-text")) ?? "", /[\d,]+ poses are not uploaded yet, and part of the video\./);
      await look(page, "cut-off-video");
      await assertAccessible(page);
      await page.click("#upload");
      await waitForState(page, { cutOff: "0" });
      await page.locator("#record:enabled").waitFor();
      const { status, report, duration, frame_count: stored } = await server.json(`/api/sessions/${id}`);
      assert.equal(status, "completed");
      assertAllCounted(report);
      assert.equal(report.missing, 0);
      assert.ok(stored >= kept, `${stored} of at least ${kept}`);
      await page.goto(`${cable.address}/session_replay.html?session=${id}`);
      await waitForState(page, { state: "paused" });
      const length = await page.evaluate(async (address) => {
        const video = document.createElement("video");
        video.src = address;
        await new Promise((resolve, reject) => {
          video.onloadedmetadata = resolve;
          video.onerror = () => reject(new Error(video.error?.message));
        });
        video.currentTime = Math.max(0, video.duration - 0.2);
        await new Promise((resolve) => (video.onseeked = resolve));
        return video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA ? video.duration : 0;
      }, `/api/sessions/${id}/video`);
      // What the encoder still had in hand is gone with the page; how much that is, is the machine's pace.
      assert.ok(length > Number(uploaded), `the video has ${length} s of ${duration} s, of which ${uploaded} s came before the outage`);
      console.log(`proof: page reloaded with video: ${stored} frames, 0 missing; ${length.toFixed(1)} s of video of ${duration.toFixed(1)} s`);
      await page.close();
    } finally {
      cable.stop();
    }
  });

  test("a browser without room for a copy says so and records on; an outage costs nothing as long as the page is open", async () => {
    const cable = await Cable.to(server);
    try {
      const page = await browser.open(`${cable.address}/pose_realtime.html`);
      await waitForState(page, LIVE);
      const session = await debuggerOf(page);
      await session.send("Storage.overrideQuotaForOrigin", { origin: cable.address, quotaSize: 1 });
      const id = await record(page);
      cable.pull();
      await waitForState(page, { connection: "lost", keeps: "full" });
      assert.equal(await page.isVisible("#not-kept"), true);
      assert.match((await page.textContent("#not-kept")) ?? "", /no more room.*keep this page open/i);
      await waitForNumber(page, "unackedFrames", 40);
      await look(page, "no-room");
      await assertAccessible(page);
      // Room again: what is still waiting is written down after all.
      await session.send("Storage.overrideQuotaForOrigin", { origin: cable.address });
      await waitForState(page, { keeps: "all" });
      assert.equal(await page.isVisible("#not-kept"), false);
      cable.plug();
      await waitForState(page, { connection: "open", state: "recording", sessionId: id });
      await waitForState(page, { unackedFrames: "0" });
      await page.click("#stop");
      await waitForState(page, { state: "finalized", sessionId: id });
      const { report } = await server.json(`/api/sessions/${id}`);
      assertAllCounted(report);
      assert.equal(report.missing, 0);
      await page.reload();
      await waitForState(page, { ...LIVE, cutOff: "0" });
      await page.close();
    } finally {
      cable.stop();
    }
  });

  test("of two pages one finishes what a third has left, and the other keeps off its stream meanwhile", async () => {
    const cable = await Cable.to(server);
    try {
      const page = await browser.open(`${cable.address}/pose_realtime.html`);
      await waitForState(page, LIVE);
      const id = await record(page);
      cable.pull();
      await waitForNumber(page, "unackedFrames", 40);
      await page.goto("about:blank");
      cable.plug();
      const first = await browser.open(`${cable.address}/pose_realtime.html`);
      await waitForState(first, { cutOff: "1", connection: "open" });
      const second = await browser.open(`${cable.address}/pose_realtime.html`);
      await waitForState(second, { cutOff: "0", connection: "open", source: "camera" });
      await second.locator("#take-over").waitFor();
      assert.match((await notice(second)) ?? "", /has a recording of it to finish/);
      assert.equal((await state(second)).state, "live", "the second page goes on with the recording of the first");
      await first.click("#upload");
      await waitForState(first, { cutOff: "0" });
      const { status, report } = await server.json(`/api/sessions/${id}`);
      assert.equal(status, "completed");
      assertAllCounted(report);
      assert.equal(report.missing, 0);
      assert.deepEqual(report.dropped, {});
      await first.close();
      await second.click("#take-over");
      await second.locator("#record:enabled").waitFor();
      for (const one of [page, second]) await one.close();
    } finally {
      cable.stop();
    }
  });

  test("no page had an error, broke its security policy or asked another host", () => {
    // Whether an attempt to connect again fails depends on how soon the cable is plugged in.
    assert.deepEqual(browser.problems.filter((problem) => !UNREACHABLE.test(problem)), []);
  });
});

test("a server that cannot promise durability: the page says so before anything is recorded", { timeout: 300_000 }, async () => {
  const server = await Server.start({ within: memoryFolder() });
  const browser = await Browser.start();
  try {
    const page = await browser.open(`${server.address}/pose_realtime.html`);
    await waitForState(page, { ...LIVE, durable: "false" });
    const warning = page.getByRole("alert").filter({ hasText: "may not survive" });
    await warning.waitFor();
    assert.match((await warning.textContent()) ?? "", /power failure/);
    await page.click("#durability summary");
    assert.match((await page.textContent("#durability-why")) ?? "", /lies on tmpfs, which is memory/);
    await assertAccessible(page);
    await look(page, "not-durable");
    await record(page);
    assert.equal(await warning.isVisible(), true, "the warning is gone while recording");
    await page.click("#stop");
    await waitForState(page, { state: "finalized" });
    assert.deepEqual(browser.problems, []);
  } finally {
    await browser.stop();
    await server.stop();
  }
});
