// @ts-check
// The recording page as the remote control of a stream: every control by mouse, keyboard and finger, and what it says when
// something goes wrong.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { assertAccessible, assertKeyboardReaches, assertNoSidewaysScroll, assertTouchable } from "./support/accessibility.mjs";
import { Browser, emulate, screenshot, state, waitForNumber, waitForPose, waitForState } from "./support/browser.mjs";
import { Cable } from "./support/cable.mjs";
import { LiveStream } from "./support/live_stream.mjs";
import { Server } from "./support/server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const STREAM = "camera 1";
const PAGE = `/pose_realtime.html?source=remote&stream=${encodeURIComponent(STREAM)}`;
const HOSTILE = `<img src=x onerror="window.hacked = true">`;
const LIVE = { connection: "open", source: "remote", state: "live", persons: "1" };
/** What a browser says of a server that is not there. */
const UNREACHABLE = /WebSocket connection to .* failed|ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_SOCKET/;
const WIDTHS = [360, 768, 1280, 1920];

/**
 * @param {Page} page
 * @param {0 | 3 | 5 | 10} seconds
 */
async function chooseCountdown(page, seconds) {
  await page.check(`input[name=countdown][value="${seconds}"]`);
}

/**
 * Notes what a countdown shows and says from now on: a second is over before a busy machine has asked for it.
 * @param {Page} page
 */
async function noteCountdown(page) {
  await page.evaluate(() => {
    const noted = Object.assign(window, { notedCountdown: /** @type {unknown[]} */ ([]) }).notedCountdown;
    const textOf = (/** @type {string} */ id) => document.getElementById(id)?.textContent;
    new MutationObserver(() => {
      if (document.documentElement.dataset.countdown !== "0") noted.push([textOf("countdown"), textOf("status")]);
    }).observe(document.documentElement, { attributeFilter: ["data-countdown"] });
  });
}

/**
 * What was noted so far.
 * @param {Page} page
 * @returns {Promise<[string, string][]>}
 */
function notedCountdown(page) {
  return page.evaluate(() => /** @type {any} */ (window).notedCountdown);
}

/** @param {Page} page */
async function record(page) {
  await chooseCountdown(page, 0);
  await page.click("#record");
  await waitForState(page, { state: "recording" });
  await waitForNumber(page, "frameCount", 5);
  return (await state(page)).sessionId;
}

/**
 * Looks at a state in light and dark, on a phone and on a wall.
 * @param {Page} page
 * @param {string} name
 */
async function look(page, name) {
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    for (const width of WIDTHS) {
      await emulate(page, { colorScheme, viewport: { width, height: width < 700 ? 740 : 900 } });
      await assertNoSidewaysScroll(page);
      await screenshot(page, `record-${name}-${colorScheme}-${width}`);
      if (width === 360 || width === 1920) await assertAccessible(page);
    }
  }
  await emulate(page, { colorScheme: "light", viewport: { width: 1280, height: 900 } });
}

/** @param {Page} page */
const notice = (page) => page.locator("#notice").textContent();

describe("the recording page controls a stream", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;
  /** @type {LiveStream} */
  let stream;
  /** @type {Page} */
  let page;

  before(async () => {
    server = await Server.start();
    browser = await Browser.start({ camera: "none" });
    stream = await LiveStream.start(server, STREAM, { images: true });
  });

  after(async () => {
    stream?.stop();
    await browser?.stop();
    if (server) assert.equal(await server.stop(), 0, `the server did not end well:\n${server.log}`);
  });

  afterEach(async () => {
    await page?.close();
    await stream.client.discardRecording().catch(() => {});
  });

  const open = async () => {
    page = await browser.open(server.address + PAGE);
    await waitForState(page, LIVE);
  };

  test("the streams that are live are suggested", async () => {
    await open();
    await waitForState(page, { liveStreams: "1" });
    const suggested = await page.locator("#known-streams option").evaluateAll((options) => options.map((option) => [option.getAttribute("value"), option.textContent]));
    assert.deepEqual(suggested, [[STREAM, "live now"]]);
  });

  test("by mouse: countdown, pause, resume, marks, stop, report; name, description and tags are kept", async () => {
    await open();
    await waitForPose(page, 200);
    await page.fill("#session-name", "Squat, set 1");
    await page.fill("#session-description", "Left knee after surgery");
    await page.locator("#session-tags").pressSequentially("Knee, follow-up,wrong,knee");
    await page.keyboard.press("Enter");
    await page.click('[aria-label="Remove the tag wrong"]');
    await page.fill("#session-tags", "not ended");
    await look(page, "live");

    await chooseCountdown(page, 3);
    await noteCountdown(page);
    await page.click("#record");
    await waitForState(page, { state: "countdown" });
    await screenshot(page, "record-countdown");
    await waitForState(page, { state: "recording" });
    const said = "Recording starts in 3 seconds";
    assert.deepEqual(await notedCountdown(page), [["3", said], ["2", said], ["1", said]], "it is not said, or more than once");
    assert.equal(await page.isVisible("#countdown"), false);
    await waitForNumber(page, "duration", 1);
    await page.fill("#mark-label", "deepest");
    await page.click("#mark");
    await waitForState(page, { marks: "1" });
    assert.match((await page.textContent("#marks")) ?? "", /^0:0\d\.\ddeepest$/);
    await look(page, "recording");

    await page.click("#pause");
    await waitForState(page, { state: "paused" });
    assert.equal((await page.textContent("#pause"))?.trim(), "Resume");
    await look(page, "paused");
    const { frameCount } = await state(page);
    await page.click("#pause");
    await waitForState(page, { state: "recording" });
    await waitForNumber(page, "frameCount", Number(frameCount) + 10);
    await page.click("#stop");
    await waitForState(page, { state: "finalized", verdict: "good" });
    const { sessionId } = await state(page);
    assert.equal(await page.textContent("#report-title"), "Recorded “Squat, set 1”");
    assert.equal(await page.getAttribute("#replay-link", "href"), `/session_replay.html?session=${sessionId}`);
    await page.click("#report summary");
    assert.match((await page.textContent("#report-figures")) ?? "", /Frames\/s.*Jitter.*Largest gap.*Missing/s);
    await look(page, "report");

    const session = await server.json(`/api/sessions/${sessionId}`);
    assert.equal(session.status, "completed");
    assert.equal(session.description, "Left knee after surgery");
    assert.deepEqual(session.metadata.tags, ["Knee", "follow-up", "not ended"]);
    const found = await server.json("/api/sessions?q=follow-up");
    assert.deepEqual(found.sessions.map((/** @type {{ id: string }} */ { id }) => id), [sessionId], "the list does not find the tag");
    const exported = await fetch(`${server.address}/api/sessions/${sessionId}/export?format=jsonl`);
    const { markers } = JSON.parse((await exported.text()).split("\n")[0]);
    assert.ok(markers.some((/** @type {{ label: string }} */ { label }) => label === "deepest"));
    assert.ok(markers.some((/** @type {{ kind: string }} */ { kind }) => kind === "paused"));
    assert.equal(await page.inputValue("#session-name"), "Squat, set 2", "the next set has no name");
  });

  test("by keyboard alone", async () => {
    await open();
    await assertKeyboardReaches(page);
    await page.keyboard.press("?");
    for (const said of ["Record", "Pause or resume", "Mark this moment", "Cancel the countdown"]) {
      assert.match((await page.textContent("dialog")) ?? "", new RegExp(said));
    }
    await screenshot(page, "record-help");
    await page.keyboard.press("Escape");

    await page.focus("#session-name");
    await page.keyboard.type("r m");
    assert.equal((await state(page)).state, "live", "a letter that was typed has recorded");
    await chooseCountdown(page, 10);
    await page.focus("#session-name");
    await page.keyboard.press("Enter");
    await waitForState(page, { state: "countdown" });
    await page.focus("#session-name");
    await page.keyboard.press("Escape");
    await waitForState(page, { state: "live" });

    await chooseCountdown(page, 0);
    await page.focus("#record");
    await page.keyboard.press("Space");
    await waitForState(page, { state: "recording" });
    await waitForNumber(page, "frameCount", 5);
    await assertKeyboardReaches(page);
    await page.focus("#pause");
    await page.keyboard.press("Space");
    await waitForState(page, { state: "paused" });
    await page.locator("h1").click({ force: true });
    await page.keyboard.press("Space");
    await waitForState(page, { state: "recording" });
    await page.keyboard.press("m");
    await waitForState(page, { marks: "1" });
    await page.keyboard.press("r");
    await waitForState(page, { state: "finalized" });
    assert.equal(await page.evaluate(() => document.activeElement?.id), "report-title", "the report is not gone to");
    await assertKeyboardReaches(page);
    await page.locator("h1").click({ force: true });
    await page.keyboard.press("r");
    await waitForState(page, { state: "recording" });
    assert.equal(await page.isVisible("#report"), false);
    await page.keyboard.press("r");
    await waitForState(page, { state: "finalized" });
  });

  test("the focus goes to Pause when recording starts, and a double click does not stop", async () => {
    await open();
    await chooseCountdown(page, 0);
    await page.dblclick("#record");
    await waitForState(page, { state: "recording" });
    await waitForNumber(page, "frameCount", 10);
    assert.equal((await state(page)).state, "recording");
    assert.equal(await page.evaluate(() => document.activeElement?.id), "pause");
  });

  test("a countdown that is cancelled records nothing", async () => {
    await open();
    const { total: before } = await server.json("/api/sessions");
    await chooseCountdown(page, 5);
    await page.uncheck("#beep");
    await page.click("#record");
    await waitForState(page, { state: "countdown" });
    await page.click("#cancel-countdown");
    await waitForState(page, { state: "live", countdown: "0" });
    await page.click("#record");
    await waitForState(page, { state: "countdown" });
    await page.keyboard.press("r");
    await waitForState(page, { state: "live" });
    assert.equal((await server.json("/api/sessions")).total, before);
    await page.reload();
    await waitForState(page, LIVE);
    assert.equal(await page.isChecked('input[name=countdown][value="5"]'), true, "the choice is forgotten");
    assert.equal(await page.isChecked("#beep"), false);
    await page.check("#beep");
  });

  test("discard asks first", async () => {
    await open();
    const id = await record(page);
    await page.click("#discard");
    await screenshot(page, "record-discard");
    await page.click('dialog button[value="no"]');
    assert.equal((await state(page)).state, "recording");
    await page.click("#discard");
    await page.click('dialog button[value="yes"]');
    await waitForState(page, { state: "live" });
    assert.match((await notice(page)) ?? "", /discarded/);
    assert.equal((await fetch(`${server.address}/api/sessions/${id}`)).status, 404);
  });

  test("hostile words stay words", async () => {
    await open();
    await page.fill("#session-name", HOSTILE);
    await page.fill("#session-tags", `${HOSTILE},`);
    const id = await record(page);
    await page.fill("#mark-label", HOSTILE);
    await page.press("#mark-label", "Enter");
    await waitForState(page, { marks: "1" });
    await page.click("#stop");
    await waitForState(page, { state: "finalized" });
    assert.equal(await page.textContent("#report-title"), `Recorded “${HOSTILE}”`);
    assert.equal(await page.locator("main img").count(), 0, "a word became an element");
    assert.equal(await page.evaluate(() => "hacked" in window), false, "a word was run");
    assert.equal((await server.json(`/api/sessions/${id}`)).metadata.tags[0], HOSTILE);
  });

  test("a recording that others start, end or discard is followed", async () => {
    await open();
    const { session_id: id } = await stream.client.startRecording({ name: "Theirs", stream: STREAM });
    await waitForState(page, { state: "recording", sessionId: id });
    await waitForNumber(page, "frameCount", 5);
    await stream.client.stopRecording({ session_id: id });
    await waitForState(page, { state: "live" });
    await page.locator("#report").waitFor();
    assert.equal(await page.textContent("#report-title"), "Recorded “Theirs”");
    assert.match((await notice(page)) ?? "", /ended by another program/);
    const { session_id: second } = await stream.client.startRecording({ name: "Theirs", stream: STREAM });
    await waitForState(page, { state: "recording", sessionId: second });
    assert.equal(await page.isVisible("#report"), false);
    await stream.client.discardRecording({ session_id: second });
    await waitForState(page, { state: "live" });
    await page.locator("#notice", { hasText: "discarded by another program" }).waitFor();
  });

  test("trouble with the server's disk is said, with what to do, until it is over", async () => {
    let trouble = "the disk is full";
    page = await browser.open(server.address + PAGE);
    await page.routeWebSocket(/\/ws\/pose/, (near) => {
      const far = near.connectToServer();
      far.onMessage((message) => {
        const status = typeof message === "string" && message.includes('"recording_status"') ? JSON.parse(message) : null;
        if (status?.type === "recording_status" && trouble) status.trouble = trouble;
        near.send(status ? JSON.stringify(status) : message);
      });
    });
    await page.goto(server.address + PAGE);
    await waitForState(page, LIVE);
    await record(page);
    await waitForState(page, { trouble });
    assert.match((await notice(page)) ?? "", /cannot store.*the disk is full.*has room.*safe/);
    await screenshot(page, "record-trouble");
    trouble = "";
    await waitForState(page, { trouble: "" });
    assert.match((await notice(page)) ?? "", /stores again/);
    await page.click("#stop");
    await waitForState(page, { state: "finalized" });
  });

  test("without a camera it says so, and a stream can be watched instead", async () => {
    page = await browser.open(`${server.address}/pose_realtime.html`);
    await waitForState(page, { source: "failed", sourceError: "no_camera", connection: "open" });
    assert.match((await notice(page)) ?? "", /connect one, then try again/);
    assert.equal(await page.isDisabled("#record"), true);
    await look(page, "no-camera");
    await page.click("#source-retry");
    await waitForState(page, { source: "failed" });
    await page.click("#use-remote");
    await page.fill("#stream-name", STREAM);
    await screenshot(page, "record-settings");
    await page.keyboard.press("Enter");
    await waitForState(page, LIVE);
    assert.equal(await page.isVisible("#source-retry"), false);
  });

  test("no page had an error, broke its security policy or asked another host", () => {
    assert.deepEqual(browser.problems, []);
  });
});

describe("the recording page on a phone", { timeout: 900_000 }, () => {
  test("by finger: record, pause, mark, stop, watch the report", async () => {
    const server = await Server.start();
    const browser = await Browser.start({ camera: "none", touch: true, viewport: { width: 360, height: 740 } });
    const stream = await LiveStream.start(server, STREAM);
    try {
      const page = await browser.open(server.address + PAGE);
      await waitForState(page, LIVE);
      await assertTouchable(page);
      await assertNoSidewaysScroll(page);
      await page.locator("label", { has: page.locator('input[name=countdown][value="0"]') }).tap();
      const place = await page.locator("#record").boundingBox();
      await page.tap("#record");
      await waitForState(page, { state: "recording" });
      const now = await page.locator("#stop").boundingBox();
      for (const side of /** @type {const} */ (["x", "y", "width", "height"])) {
        assert.ok(Math.abs((now?.[side] ?? NaN) - (place?.[side] ?? NaN)) < 1, `Stop is not where Record was: ${JSON.stringify([place, now])}`);
      }
      await waitForNumber(page, "frameCount", 10);
      await assertTouchable(page);
      await assertNoSidewaysScroll(page);
      await page.tap("#mark");
      await waitForState(page, { marks: "1" });
      await page.tap("#pause");
      await waitForState(page, { state: "paused" });
      await screenshot(page, "record-phone-paused");
      await page.tap("#pause");
      await waitForState(page, { state: "recording" });
      await page.tap("#stop");
      await waitForState(page, { state: "finalized" });
      await assertTouchable(page);
      await page.tap("#settings summary");
      await assertTouchable(page);
      await assertNoSidewaysScroll(page);
      await screenshot(page, "record-phone-report");
      assert.deepEqual(browser.problems, []);
    } finally {
      stream.stop();
      await browser.stop();
      await server.stop();
    }
  });
});

describe("a connection that is lost while recording", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;
  /** @type {LiveStream} */
  let stream;

  before(async () => {
    server = await Server.start();
    browser = await Browser.start({ camera: "none" });
    stream = await LiveStream.start(server, STREAM);
  });

  after(async () => {
    stream?.stop();
    await browser?.stop();
    await server?.stop();
  });

  test("is said at once and healed: the same recording goes on", async () => {
    const cable = await Cable.to(server);
    try {
      const page = await browser.open(cable.address + PAGE);
      await waitForState(page, LIVE);
      const id = await record(page);
      cable.pull();
      await waitForState(page, { connection: "lost" });
      assert.equal(await page.isVisible("#alarm"), true);
      assert.match((await page.textContent("#alarm [role=alert]")) ?? "", /Connection lost.*goes on at the server/);
      assert.equal((await state(page)).state, "recording", "the page gives the recording up");
      assert.equal(await page.isDisabled("#stop"), true);
      await look(page, "connection-lost");
      cable.plug();
      await page.click("#reconnect");
      await waitForState(page, { connection: "open", state: "recording", sessionId: id });
      assert.equal(await page.isVisible("#alarm"), false);
      const { frameCount } = await state(page);
      await waitForNumber(page, "frameCount", Number(frameCount) + 5);
      await page.click("#stop");
      await waitForState(page, { state: "finalized", sessionId: id });
      assert.equal((await server.json(`/api/sessions/${id}`)).status, "completed");
      await page.close();
    } finally {
      cable.stop();
    }
  });

  test("and one that falls silent is said, too", async () => {
    const cable = await Cable.to(server);
    try {
      const page = await browser.open(cable.address + PAGE);
      await waitForState(page, LIVE);
      const id = await record(page);
      cable.stall();
      await waitForState(page, { connection: "silent" });
      assert.match((await page.textContent("#alarm [role=alert]")) ?? "", /does not answer/);
      await screenshot(page, "record-silent");
      cable.flow();
      await waitForState(page, { connection: "open", state: "recording", sessionId: id });
      assert.equal(await page.isVisible("#alarm"), false);
      await page.click("#stop");
      await waitForState(page, { state: "finalized" });
      await page.close();
    } finally {
      cable.stop();
    }
  });

  test("a server that crashed and is back has ended the recording: the page says where it is", async () => {
    const page = await browser.open(server.address + PAGE);
    await waitForState(page, LIVE);
    const id = await record(page);
    await server.crash();
    await waitForState(page, { connection: "lost" });
    await server.startAgain();
    await waitForState(page, { connection: "open", state: "live" });
    await page.locator("#report").waitFor();
    assert.match((await notice(page)) ?? "", /server ended the recording.*kept/i);
    assert.equal(await page.getAttribute("#replay-link", "href"), `/session_replay.html?session=${id}`);
    assert.equal((await state(page)).verdict, "attention");
    await screenshot(page, "record-server-restarted");
    assert.equal((await server.json(`/api/sessions/${id}`)).status, "interrupted");
    await page.close();
  });

  test("no page had another error", () => {
    // Whether an attempt fails depends on how soon the server is back.
    assert.deepEqual(browser.problems.filter((problem) => !UNREACHABLE.test(problem)), []);
  });
});
