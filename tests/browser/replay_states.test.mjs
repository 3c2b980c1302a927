// @ts-check
// What the replay page says and does where there is less than usual: no webcam, no session, no frames, no server; or more.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Browser, emulate, screenshot, seekTo, waitForNumber, waitForPose, waitForState } from "./support/browser.mjs";
import { seedCodedVideo, VIDEO_START } from "./support/coded_video.mjs";
import { SeedRecording, seedSession } from "./support/seed.mjs";
import { Server } from "./support/server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const NOBODY = "01900000-0000-7000-8000-000000000001";
const HOUR = 3600;

/**
 * @param {Page} page
 * @param {string} title
 */
async function waitForNothing(page, title) {
  await page.getByRole("heading", { name: title }).waitFor();
  assert.equal(await page.locator("#replay-area").isVisible(), false);
  assert.equal(await page.locator("#nothing").getByRole("link").getAttribute("href"), "/session_list.html");
}

describe("the replay page says what happened and what to do", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;
  let id = "";

  /** @param {string} session */
  const address = (session) => `${server.address}/session_replay.html?session=${session}`;

  before(async () => {
    server = await Server.start();
    browser = await Browser.start();
    id = await seedSession(server, { name: "A walk", seconds: 6, images: true });
  });

  after(async () => {
    await browser?.stop();
    if (server) assert.equal(await server.stop(), 0, `the server did not end well:\n${server.log}`);
  });

  for (const [camera, says] of /** @type {const} */ ([["none", /no camera was found/i], ["denied", /not allowed to use the camera/i]])) {
    test(`a webcam that is ${camera === "none" ? "not there" : "not allowed"} leaves the pose alone`, async () => {
      const other = await Browser.start({ camera });
      try {
        const page = await other.open(address(id));
        await waitForState(page, { state: "paused", webcam: "none", frameNumber: "0" });
        const note = page.locator("#webcam-note");
        assert.match((await note.textContent()) ?? "", says);
        assert.match((await note.textContent()) ?? "", /pose is shown alone/);
        assert.equal(await page.isChecked("#use-webcam"), false);
        await waitForPose(page, 50);
        await page.click("#play");
        await waitForNumber(page, "timestamp", 0.5);
        await page.click("#fit");
        await page.locator("#fit-note", { hasText: "needs the live webcam" }).waitFor();
        await page.click("#use-webcam");
        await page.waitForFunction(() => !(/** @type {HTMLInputElement} */ (document.getElementById("use-webcam")).checked));
        await screenshot(page, `replay-webcam-${camera}`);
        assert.deepEqual(other.problems, []);
      } finally {
        await other.stop();
      }
    });
  }

  test("a webcam that is switched faster than it opens is on or off as was said last, and none is left running", async () => {
    const page = await browser.open(address(id));
    await waitForState(page, { webcam: "live" });
    await page.evaluate(() => {
      const given = Object.assign(window, { given: /** @type {MediaStreamTrack[]} */ ([]) }).given;
      const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        const stream = await ask(wanted);
        given.push(...stream.getTracks());
        return stream;
      };
    });
    const switchTo = (/** @type {boolean[]} */ states) =>
      page.evaluate((wanted) => {
        for (const on of wanted) document.getElementById("replay")?.toggleAttribute("webcam", on);
      }, states);
    const waitForLive = (/** @type {number} */ asked, /** @type {number} */ live) =>
      page.waitForFunction(
        ([all, running]) => {
          const { given } = /** @type {{ given: MediaStreamTrack[] }} */ (/** @type {unknown} */ (window));
          return given.length === all && given.filter(({ readyState }) => readyState === "live").length === running;
        },
        [asked, live],
      );
    await switchTo([false, true, false, true]);
    await waitForState(page, { webcam: "live" });
    await waitForLive(2, 1);
    await switchTo([false, true, false]);
    await waitForState(page, { webcam: "none" });
    await waitForLive(3, 0);
    await page.close();
  });

  test("the recorded video stands where the replay does when it comes late, and comes after all when it failed", async () => {
    const filmed = await seedCodedVideo(server, 90);
    let answers = false;
    /** @type {Promise<unknown>} */
    let failed = Promise.resolve();
    const prepare = async (/** @type {Page} */ opened) => {
      failed = opened.waitForEvent("requestfailed");
      await opened.route(`**/api/sessions/${filmed}`, async (route) => {
        await new Promise((resolve) => setTimeout(resolve, 500));
        await (answers ? route.continue() : route.abort());
      });
      await opened.addInitScript(() => {
        const Socket = WebSocket;
        const sockets = Object.assign(window, { sockets: /** @type {WebSocket[]} */ ([]) }).sockets;
        window.WebSocket = class extends Socket {
          /** @param {[string | URL, (string | string[])?]} address */
          constructor(...address) {
            super(...address);
            sockets.push(this);
          }
        };
      });
    };
    const page = await browser.open(`${address(filmed)}&t=2`, { expect: [/Failed to load resource/], prepare });
    await waitForState(page, { state: "paused", picture: "none", frameNumber: "60" });
    await failed;
    answers = true;
    await page.evaluate(() => /** @type {{ sockets: WebSocket[] }} */ (/** @type {unknown} */ (window)).sockets[0].close());
    await waitForState(page, { picture: "video" });
    await page.waitForFunction((wanted) => {
      const video = document.querySelector("pose-replay")?.shadowRoot?.querySelector("#picture video");
      return video instanceof HTMLVideoElement && Math.abs(video.currentTime - wanted) < 0.05;
    }, 2 - VIDEO_START);
    await page.close();
  });

  test("an address without a session, or with one that is not there, leads to the list", async () => {
    const page = await browser.open(`${server.address}/session_replay.html`);
    await waitForNothing(page, "No session is chosen");
    await screenshot(page, "replay-no-session");
    await page.close();
    for (const [session, expect] of /** @type {[string, RegExp[]][]} */ ([[NOBODY, []], ["squat", [/404|WebSocket/]]])) {
      const lost = await browser.open(address(session), { expect });
      await waitForNothing(lost, "There is no such session");
      assert.equal(await lost.locator("#restore").isVisible(), false);
      await screenshot(lost, "replay-not-found");
      await lost.close();
    }
  });

  test("a session without frames says so and cannot be played", async () => {
    const empty = await SeedRecording.start(server, { name: "Nothing" });
    await empty.stop();
    empty.close();
    const page = await browser.open(address(empty.id));
    await waitForState(page, { frameCount: "0" });
    await page.locator("#replay #message", { hasText: "Nothing was recorded" }).waitFor();
    assert.equal(await page.isDisabled("#play"), true);
    await screenshot(page, "replay-empty");
    await page.close();
  });

  test("a session that is still being recorded grows, and is followed live", async () => {
    const recording = await SeedRecording.start(server, { name: "Still going on" });
    await recording.record(4);
    await recording.settle();
    const page = await browser.open(address(recording.id));
    await waitForState(page, { state: "paused", live: "true" });
    await page.locator("#to-live").waitFor();
    await recording.record(30);
    await recording.settle();
    await page.waitForFunction(() => Number(document.getElementById("timeline")?.shadowRoot?.querySelector(".track")?.ariaValueMax) > 29);
    await page.waitForFunction(() => [...document.querySelectorAll("#angles .axis span")].some(({ textContent }) => textContent === "0:25.0"));
    await screenshot(page, "replay-live");
    await page.click("#to-live");
    await waitForNumber(page, "timestamp", 29.5);
    await page.locator("#to-live", { hasText: "Live" }).waitFor();
    await recording.record(33);
    await waitForNumber(page, "timestamp", 30.5);
    await recording.stop();
    recording.close();
    await waitForState(page, { live: "false" });
    await page.locator("#to-live").waitFor({ state: "hidden" });
    await page.close();
  });

  test("a session deleted meanwhile can be brought back", async () => {
    const gone = await seedSession(server, { name: "Deleted meanwhile", seconds: 2 });
    const page = await browser.open(address(gone));
    await waitForState(page, { state: "paused", frameNumber: "0" });
    await fetch(`${server.address}/api/sessions/${gone}`, { method: "DELETE" });
    await waitForNothing(page, "This session was deleted");
    await screenshot(page, "replay-deleted");
    await page.click("#restore");
    await waitForState(page, { state: "paused", frameNumber: "0" });
    assert.equal(await page.locator("#replay-area").isVisible(), true);
    await page.close();
    // Which requests still meet the deleted session is up to chance.
    browser.problems = browser.problems.filter((problem) => !(problem.includes(gone) && problem.includes("404")));
  });

  test("a server that is gone is said at once, and the replay goes on when it is back", async () => {
    const page = await browser.open(`${server.address}/session_list.html`);
    /** @type {import("playwright-core").WebSocketRoute[]} */
    const sockets = [];
    let isGone = false;
    await page.routeWebSocket(/\/ws\/replay\//, (socket) => {
      if (isGone) {
        void socket.close({ code: 1011 });
        return;
      }
      socket.connectToServer();
      sockets.push(socket);
    });
    await page.goto(`${address(id)}&t=3`);
    await waitForState(page, { state: "paused" });
    await page.waitForFunction(() => Math.abs(Number(document.documentElement.dataset.timestamp) - 3) < 0.05);
    isGone = true;
    for (const socket of sockets) await socket.close({ code: 1011 });
    await waitForState(page, { state: "connecting" });
    await page.locator("#replay #message", { hasText: "connection was lost" }).waitFor();
    assert.equal(await page.isDisabled("#step-forward"), true);
    await screenshot(page, "replay-server-gone");
    isGone = false;
    await waitForState(page, { state: "paused" });
    await page.click("#step-forward");
    await page.waitForFunction(() => Number(document.documentElement.dataset.timestamp) > 3);
    await page.close();
  });

  test("the recorded picture stands beside or below the pose", async () => {
    const page = await browser.open(address(id));
    await waitForState(page, { state: "paused", picture: "images" });
    await page.locator("#picture-choice").waitFor();
    await seekTo(page, 2);
    await page.waitForTimeout(300);
    await screenshot(page, "replay-picture-beside");
    await page.selectOption("#picture", "below");
    assert.equal(await page.getAttribute("#replay", "picture"), "below");
    await waitForState(page, { picture: "images" });
    await page.waitForTimeout(300);
    await screenshot(page, "replay-picture-below");
    await page.selectOption("#picture", "none");
    await waitForState(page, { picture: "none" });
    assert.equal(await page.locator("#picture-choice").isVisible(), true);
    await page.reload();
    await waitForState(page, { state: "paused", picture: "none" });
    await page.selectOption("#picture", "beside");
    await page.close();
  });

  test("an hour with many markers is sought and plotted like a minute", async (t) => {
    const markers = Array.from({ length: 300 }, (_, index) => ({ label: `Mark ${index}`, at: 1 + 11.9 * index }));
    const hour = await seedSession(server, { name: "An hour", seconds: HOUR, fps: 10, markers });
    const page = await browser.open(address(hour));
    await waitForState(page, { state: "paused", markerCount: "300" });
    await page.locator('[data-series="left_knee"]').waitFor();
    const rail = await page.locator("#timeline .rail").boundingBox();
    assert.ok(rail);
    const begun = Date.now();
    await page.mouse.click(rail.x + rail.width / 2, rail.y + 4);
    await page.waitForFunction((wanted) => Math.abs(Number(document.documentElement.dataset.timestamp) - wanted) < 10, HOUR / 2);
    t.diagnostic(`a click on the timeline of an hour is answered in ${Date.now() - begun} ms`);
    assert.equal(await page.locator("#markers button").count(), 300);
    // A point of the plot stands for many frames, what is written for the one that is shown.
    await page.waitForFunction(() => /^\d+°$/.test(document.querySelector('[data-series="left_knee"] .value')?.textContent ?? ""));
    await screenshot(page, "replay-hour");
    await page.close();
  });

  test("it looks right from a phone to a wall, light and dark", async () => {
    const page = await browser.open(`${address(id)}&t=2&a=1&b=4`);
    await waitForState(page, { state: "paused", webcam: "live" });
    await page.locator('[data-series="left_knee"]').waitFor();
    for (const [width, height] of [[360, 740], [740, 360], [768, 1024], [1280, 800], [1920, 1080]]) {
      for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
        await emulate(page, { viewport: { width, height }, colorScheme });
        await page.waitForTimeout(400);
        const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(sideways <= 0, `${width} px: the page is ${sideways} px too wide`);
        await screenshot(page, `replay-${width}-${colorScheme}`);
      }
    }
    await page.close();
  });

  test("no page had an error that nobody expected", () => {
    assert.deepEqual(browser.problems, []);
  });
});
