// @ts-check
// The recording page with a camera: what it says and does when the camera, the connection or its stream is taken away.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { assertNoSidewaysScroll } from "./support/accessibility.mjs";
import { Browser, emulate, screenshot, state, waitForNumber, waitForState } from "./support/browser.mjs";
import { Cable } from "./support/cable.mjs";
import { LiveStream } from "./support/live_stream.mjs";
import { assertAllCounted, record } from "./support/recording.mjs";
import { Server } from "./support/server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const LIVE = { connection: "open", source: "camera", state: "live" };
const UNREACHABLE = /WebSocket connection to .* failed|ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_SOCKET/;

/** @param {Page} page */
const notice = (page) => page.locator("#notice").textContent();

/**
 * Looks at the page on a desk and on a phone.
 * @param {Page} page
 * @param {string} name
 */
async function look(page, name) {
  for (const viewport of [{ width: 360, height: 740 }, { width: 1280, height: 900 }]) {
    await emulate(page, { viewport });
    await assertNoSidewaysScroll(page);
    await screenshot(page, `record-${name}-${viewport.width}`);
  }
}

describe("the recording page and its camera", { timeout: 900_000 }, () => {
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

  test("a lost connection is said at once; the same recording goes on without a gap", async () => {
    const cable = await Cable.to(server);
    try {
      const page = await browser.open(`${cable.address}/pose_realtime.html`);
      await waitForState(page, LIVE);
      assert.match((await page.textContent("#runs-on")) ?? "", /model on the [CG]PU/);
      await page.fill("#session-name", "With a loss");
      await page.selectOption("#pre-roll", "2");
      await waitForNumber(page, "framesSent", 40);
      const id = await record(page);
      assert.match((await notice(page)) ?? "", /begins [12]\.\d s before/);
      cable.pull();
      await waitForState(page, { connection: "lost" });
      assert.match((await page.textContent("#alarm [role=alert]")) ?? "", /Connection lost.*poses.*goes on by itself/);
      await waitForNumber(page, "unackedFrames", 10);
      await look(page, "outage");
      cable.plug();
      await waitForState(page, { connection: "open", state: "recording", sessionId: id });
      await waitForState(page, { unackedFrames: "0" });
      await page.click("#stop");
      await waitForState(page, { state: "finalized", sessionId: id });
      await page.click("#report summary");
      await look(page, "report-after-outage");
      const { status, report } = await server.json(`/api/sessions/${id}`);
      assert.equal(status, "completed");
      assertAllCounted(report);
      assert.equal(report.missing, 0);
      assert.equal(report.reconnects, 1);
      await page.close();
    } finally {
      cable.stop();
    }
  });

  test("a server that is killed and started again goes on with the recording, and nothing is missing", async () => {
    const page = await browser.open(`${server.address}/pose_realtime.html`);
    await waitForState(page, LIVE);
    const id = await record(page);
    await server.crash();
    await waitForState(page, { connection: "lost", state: "recording" });
    await waitForNumber(page, "unackedFrames", 10);
    await server.startAgain();
    await waitForState(page, { connection: "open", state: "recording", sessionId: id });
    const { frameCount } = await state(page);
    await waitForNumber(page, "frameCount", Number(frameCount) + 20);
    await page.click("#stop");
    await waitForState(page, { state: "finalized", sessionId: id });
    const { status, report, frame_count: stored } = await server.json(`/api/sessions/${id}`);
    assert.equal(status, "completed");
    assertAllCounted(report);
    assert.equal(report.missing, 0);
    assert.deepEqual(report.dropped, {});
    assert.ok(report.stored_before > 0, "nothing was stored before the server was killed");
    assert.equal(stored, report.stored_before + report.stored);
    console.log(`proof: page and killed server: ${report.stored_before} frames before, ${report.stored} after, 0 missing`);
    await page.click("#replay-link");
    await page.click("#quality summary");
    assert.match((await page.textContent("#quality-figures")) ?? "", /Frames sent.*Missing\s*0.*Stored before a restart/s);
    await page.locator("#quality").scrollIntoViewIfNeeded();
    await look(page, "kept-report");
    await page.close();
  });

  test("a page that goes in mid-recording finishes its upload when it is opened again", async () => {
    const cable = await Cable.to(server);
    try {
      const page = await browser.open(`${cable.address}/pose_realtime.html`);
      await waitForState(page, LIVE);
      const id = await record(page);
      cable.pull();
      await waitForState(page, { connection: "lost" });
      await waitForNumber(page, "unackedFrames", 40);
      const kept = Number((await state(page)).unackedFrames);
      await page.goto("about:blank");
      cable.plug();
      await page.goto(`${cable.address}/pose_realtime.html`);
      await waitForState(page, { cutOff: "1", source: "camera", connection: "open" });
      assert.match((await page.textContent("#cut-off")) ?? "", /A recording was cut off\s+[\d,]+ poses are not uploaded yet\./);
      assert.ok(Number(/(\d+) poses/.exec((await page.textContent("#cut-off-text")) ?? "")?.[1]) >= kept - 20, "more than the last moment is lost");
      assert.equal(await page.isDisabled("#record"), true);
      await look(page, "cut-off");
      const other = await page.context().newPage();
      await other.goto(`${cable.address}/pose_realtime.html?source=remote&stream=other`);
      await waitForState(other, { connection: "open", cutOff: "0" });
      await other.close();
      await page.click("#upload");
      await waitForState(page, { cutOff: "0" });
      await page.locator("#record:enabled").waitFor();
      const { status, report, frame_count: stored } = await server.json(`/api/sessions/${id}`);
      assert.equal(status, "completed");
      assertAllCounted(report);
      assert.equal(report.missing, 0);
      assert.ok(stored >= kept - 20, `${stored} of at least ${kept}`);
      await page.reload();
      await waitForState(page, { ...LIVE, cutOff: "0" });
      await page.close();
    } finally {
      cable.stop();
    }
  });

  test("what a page has left can be discarded, and is counted", async () => {
    const cable = await Cable.to(server);
    try {
      const page = await browser.open(`${cable.address}/pose_realtime.html`);
      await waitForState(page, LIVE);
      const id = await record(page);
      cable.pull();
      await waitForNumber(page, "unackedFrames", 40);
      await page.goto("about:blank");
      cable.plug();
      await page.goto(`${cable.address}/pose_realtime.html`);
      await waitForState(page, { cutOff: "1", connection: "open" });
      await page.click("#discard-kept");
      await page.click('dialog button[value="yes"]');
      await waitForState(page, { cutOff: "0", ...LIVE });
      await page.locator("#record:enabled").waitFor();
      const { status, report } = await server.json(`/api/sessions/${id}`);
      assert.equal(status, "completed");
      assertAllCounted(report);
      assert.ok(report.dropped.discarded > 0, JSON.stringify(report));
      await page.close();
    } finally {
      cable.stop();
    }
  });

  test("a camera that is unplugged is said; started again, it goes on with the recording", async () => {
    const page = await browser.open(`${server.address}/pose_realtime.html`);
    await waitForState(page, LIVE);
    await page.check("#with-video");
    const id = await record(page);
    await page.evaluate(() => {
      const camera = /** @type {HTMLVideoElement} */ (document.getElementById("camera"));
      for (const track of /** @type {MediaStream} */ (camera.srcObject).getTracks()) track.dispatchEvent(new Event("ended"));
    });
    await waitForState(page, { source: "failed", sourceError: "no_camera", state: "recording" });
    assert.match((await notice(page)) ?? "", /disconnected; connect it/);
    await screenshot(page, "record-camera-unplugged");
    const { frameCount } = await state(page);
    await page.click("#source-retry");
    await waitForState(page, { source: "camera", state: "recording", sessionId: id });
    await waitForNumber(page, "frameCount", Number(frameCount) + 5);
    await page.click("#stop");
    await waitForState(page, { state: "finalized", sessionId: id });
    assert.match((await page.textContent("#report-findings")) ?? "", /video ends before|No video was stored/);
    await page.close();
  });

  test("another program on the stream is said, and the stream can be taken over", async () => {
    const other = await LiveStream.start(server, "default", { take_over: true });
    try {
      const page = await browser.open(`${server.address}/pose_realtime.html`);
      await waitForState(page, { connection: "open", source: "camera" });
      await page.locator("#take-over").waitFor();
      assert.match((await notice(page)) ?? "", /Another program already sends poses/);
      assert.equal(await page.isDisabled("#record"), true);
      await screenshot(page, "record-stream-busy");
      await page.click("#take-over");
      await page.locator("#record:enabled").waitFor();
      await record(page);

      const thief = await LiveStream.start(server, "default", { take_over: true });
      await page.locator("#take-over").waitFor();
      assert.match((await notice(page)) ?? "", /has taken over the stream/);
      await screenshot(page, "record-stream-taken");
      await thief.client.discardRecording({});
      thief.stop();
      await page.close();
    } finally {
      other.stop();
    }
  });

  test("a page that was hidden says what it cost", async () => {
    const page = await browser.open(`${server.address}/pose_realtime.html`);
    await waitForState(page, { connection: "open", source: "camera" });
    await page.locator("#record:enabled, #take-over:not([hidden])").first().waitFor();
    if (await page.isVisible("#take-over")) await page.click("#take-over");
    await page.locator("#record:enabled").waitFor();
    await record(page);
    const hide = (/** @type {boolean} */ hidden) =>
      page.evaluate((value) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    await hide(true);
    const { frameCount } = await state(page);
    await waitForNumber(page, "frameCount", Number(frameCount) + 20);
    await hide(false);
    await page.locator("#notice", { hasText: "out of view" }).waitFor();
    assert.match((await notice(page)) ?? "", /out of view for \d+ s.*\d+ poses came.*Keep it in view/);
    await screenshot(page, "record-hidden");
    await page.click("#stop");
    await waitForState(page, { state: "finalized" });
    await page.close();
  });

  test("no page had an error, broke its security policy or asked another host", () => {
    // Whether an attempt to connect again fails depends on how soon the cable is plugged in.
    assert.deepEqual(browser.problems.filter((problem) => !UNREACHABLE.test(problem)), []);
  });
});

test("a camera that is not allowed: the page says where to allow it", { timeout: 120_000 }, async () => {
  const server = await Server.start();
  const browser = await Browser.start({ camera: "denied" });
  try {
    const page = await browser.open(`${server.address}/pose_realtime.html`);
    await waitForState(page, { source: "failed", sourceError: "camera_denied", connection: "open" });
    assert.match((await notice(page)) ?? "", /allow it in the address bar/);
    assert.equal(await page.isVisible("#source-retry"), true);
    assert.equal(await page.isDisabled("#record"), true);
    await screenshot(page, "record-camera-denied");
    assert.deepEqual(browser.problems, []);
  } finally {
    await browser.stop();
    await server.stop();
  }
});
