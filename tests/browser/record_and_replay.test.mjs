// @ts-check
// The main job in a real browser, with a real person as the webcam's picture and the real pose model: record on one page,
// find the session on the next, replay it over the webcam on the third.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import { Browser, overlay, screenshot, seekTo, state, waitForNumber, waitForPose, waitForState } from "./support/browser.mjs";
import { agreement } from "./support/reference.mjs";
import { Server } from "./support/server.mjs";

const RECORDED_SECONDS = 8;
const TOLERANCE = 0.05;
const NAME = "Balance, first try";
const HOSTILE_NAME = `<img src=x onerror="window.hacked = true">`;

/** @param {{ pose_data: { persons: { pose: number[][] }[] } }} frame */
function mirrored({ pose_data: { persons } }) {
  return { pose_data: { persons: persons.map(({ pose }) => ({ pose: pose.map(([x, ...rest]) => [1 - x, ...rest]) })) } };
}

describe("a session, from the webcam to its replay", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;
  let sessionId = "";

  before(async () => {
    server = await Server.start();
    browser = await Browser.start();
  });

  after(async () => {
    await browser?.stop();
    if (server) assert.equal(await server.stop(), 0, `the server did not end well:\n${server.log}`);
  });

  test("the recording page shows the live pose and records it", async (t) => {
    const page = await browser.open(`${server.address}/pose_realtime.html`);
    await waitForState(page, { state: "live", connection: "open", source: "camera" });
    await waitForNumber(page, "framesSent", 5);
    await page.fill("#session-name", NAME);
    await page.click("#record");
    await waitForState(page, { state: "recording" });
    await waitForNumber(page, "duration", RECORDED_SECONDS);
    await waitForPose(page, 200);
    await screenshot(page, "1-recording");
    await page.click("#stop");
    await waitForState(page, { state: "finalized" });
    await screenshot(page, "2-recorded");

    const { sessionId: id, framesNotSent, posesPerSecond } = await state(page);
    sessionId = id;
    t.diagnostic(`${posesPerSecond} poses/s, ${framesNotSent} frames not sent`);
    const link = await page.getAttribute("#replay-link", "href");
    assert.equal(link, `/session_replay.html?session=${sessionId}`);
    await page.close();
  });

  test("the stored poses are those of the person before the camera", async (t) => {
    const session = await server.json(`/api/sessions/${sessionId}`);
    assert.equal(session.status, "completed");
    assert.equal(session.name, NAME);
    assert.ok(session.duration >= RECORDED_SECONDS - 1, `it lasts only ${session.duration} s`);

    const frames = await server.frames(sessionId);
    assert.equal(frames.length, session.frame_count);
    assert.ok(frames.length >= 3 * RECORDED_SECONDS, `only ${frames.length} frames in ${session.duration} s`);
    frames.forEach((frame, index) => {
      assert.equal(frame.frame_number, index);
      assert.ok(index === 0 || frame.timestamp > frames[index - 1].timestamp, `time stands still at frame ${index}`);
    });
    assert.equal(frames[0].timestamp, 0);

    const { share, median, variety } = agreement(frames, TOLERANCE);
    t.diagnostic(`${frames.length} frames; ${(100 * share).toFixed(1)} % within ${TOLERANCE} of the reference, median ${median.toFixed(4)}, ${variety} different poses`);
    assert.ok(share >= 0.9, `only ${(100 * share).toFixed(1)} % of the frames are within ${TOLERANCE} of the reference`);
    assert.ok(variety >= 10, `only ${variety} different poses: does the picture move?`);
    assert.ok(agreement(frames.map(mirrored), TOLERANCE).share < 0.5, "the reference does not even tell a mirrored person apart");
  });

  test("the list shows the session, renames it and shows a hostile name as text", async () => {
    const page = await browser.open(`${server.address}/session_list.html`);
    await waitForState(page, { state: "ready", sessionCount: "1" });
    const row = page.locator(`#sessions [data-session-id="${sessionId}"]`);
    assert.equal(await row.locator(".session-name").textContent(), NAME);

    await row.locator('[data-action="rename"]').click();
    await row.locator('input[name="name"]').fill(HOSTILE_NAME);
    await row.locator('input[name="name"]').press("Enter");
    await row.locator(".session-name", { hasText: HOSTILE_NAME }).waitFor();
    await page.reload();
    await waitForState(page, { state: "ready", sessionCount: "1" });
    assert.equal(await row.locator(".session-name").textContent(), HOSTILE_NAME);
    assert.equal((await server.json(`/api/sessions/${sessionId}`)).name, HOSTILE_NAME);
    assert.equal(await page.locator("main img").count(), 0, "the name became an element");
    assert.equal(await page.evaluate(() => "hacked" in window), false, "the name was run");
    await screenshot(page, "3-sessions");

    await page.fill("#search", "no such name");
    await waitForState(page, { state: "ready", sessionCount: "0" });
    await page.fill("#search", "img src");
    await waitForState(page, { state: "ready", sessionCount: "1" });
    await row.locator(".session-name").click();
    await page.waitForURL(`**/session_replay.html?session=${sessionId}`);
    await page.close();
  });

  test("the replay page draws the recorded pose over the webcam: play, pause, seek, step", async () => {
    const page = await browser.open(`${server.address}/session_replay.html?session=${sessionId}`);
    await waitForState(page, { state: "paused", webcam: "live", frameNumber: "0" });
    assert.equal(await page.textContent("#session-name"), HOSTILE_NAME);
    assert.equal(await page.evaluate(() => "hacked" in window), false, "the name was run");
    await waitForPose(page, 200);

    // So slow that it is not over before a busy machine comes to pause it.
    await page.selectOption("#rate", "0.5");
    await page.click("#play");
    await waitForState(page, { state: "playing" });
    await waitForNumber(page, "timestamp", 1.5);
    await screenshot(page, "4-replay");
    await page.click("#play");
    await waitForState(page, { state: "paused" });
    const paused = await state(page);
    assert.ok(Number(paused.timestamp) < RECORDED_SECONDS - 1, "pause came too late to be one");
    assert.ok(await page.locator("#webcam").evaluate((video) => /** @type {HTMLVideoElement} */ (video).currentTime > 0), "the webcam does not run");

    const { frame_count: frameCount } = await server.json(`/api/sessions/${sessionId}`);
    const frames = await server.frames(sessionId);
    const before = await overlay(page);
    const target = frames[Math.floor(frameCount * 0.7)];
    await seekTo(page, target.timestamp + 0.001);
    await waitForState(page, { state: "paused", frameNumber: String(target.frame_number) });
    assert.ok(Number((await state(page)).epoch) > Number(paused.epoch), "a seek starts a new epoch");
    const there = await overlay(page);
    assert.ok(there.drawn > 200, "the frame that was sought is not drawn");
    assert.notEqual(there.digest, before.digest, "another frame looks the same");

    await page.click("#step-back");
    await waitForState(page, { frameNumber: String(target.frame_number - 1) });
    await page.click("#step-forward");
    await waitForState(page, { frameNumber: String(target.frame_number) });
    await screenshot(page, "5-replay-seek");

    await page.selectOption("#rate", "4");
    await page.click("#play");
    await waitForState(page, { state: "ended" });
    assert.equal((await state(page)).frameNumber, String(frameCount - 1));
    await page.selectOption("#rate", "0.5");
    await page.click("#play");
    await waitForState(page, { state: "playing" });
    await page.close();
  });

  test("a deleted session comes back by undo", async () => {
    const page = await browser.open(`${server.address}/session_list.html`);
    await waitForState(page, { state: "ready", sessionCount: "1" });
    await page.locator(`[data-session-id="${sessionId}"] [data-action="delete"]`).click();
    await page.locator("dialog").getByRole("button", { name: "Delete" }).click();
    await waitForState(page, { sessionCount: "0" });
    assert.deepEqual((await server.json("/api/sessions")).sessions, []);
    await screenshot(page, "6-deleted");
    await page.click("#undo-delete");
    await waitForState(page, { state: "ready", sessionCount: "1" });
    assert.equal((await server.frames(sessionId)).length > 0, true, "the frames did not come back");
    await page.close();
  });

  test("the camera's video is recorded beside the poses and can be played and sought", async () => {
    const page = await browser.open(`${server.address}/pose_realtime.html`);
    await waitForState(page, { state: "live", connection: "open", source: "camera" });
    await page.fill("#session-name", "With video");
    await page.check("#with-video");
    await page.click("#record");
    await waitForState(page, { state: "recording" });
    await waitForNumber(page, "duration", 3);
    await page.click("#stop");
    await waitForState(page, { state: "finalized" });
    const address = `/api/sessions/${(await state(page)).sessionId}/video`;
    const part = await fetch(server.address + address, { headers: { Range: "bytes=0-99" } });
    assert.equal(part.status, 206);
    assert.equal((await part.arrayBuffer()).byteLength, 100);
    const played = await page.evaluate(async (source) => {
      const video = document.createElement("video");
      video.muted = true;
      video.src = source;
      await new Promise((resolve, reject) => {
        video.onloadeddata = resolve;
        video.onerror = () => reject(new Error(video.error?.message));
      });
      video.currentTime = 2;
      await new Promise((resolve) => (video.onseeked = resolve));
      return { width: video.videoWidth, height: video.videoHeight, time: video.currentTime };
    }, address);
    assert.deepEqual(played, { width: 640, height: 480, time: 2 });

    const list = await browser.open(`${server.address}/session_list.html`);
    const [download] = await Promise.all([list.waitForEvent("download"), list.getByRole("button", { name: "Download video of With video" }).click()]);
    assert.equal(download.suggestedFilename(), "With video.webm");
    assert.deepEqual(await readFile(await download.path()), Buffer.from(await (await fetch(server.address + address)).arrayBuffer()));
    await list.close();
    await page.close();
  });

  test("no page had an error, broke its security policy or asked another host", () => {
    assert.deepEqual(browser.problems, []);
  });
});
