// @ts-check
// <pose-replay> in a page of another site, as examples/embed.html shows it: every method, property and event against a real
// session, the recorded video in step, and what happens when the server, the session or the camera goes away.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { Browser, debuggerOf, overlay, screenshot, waitForPose } from "./support/browser.mjs";
import { codedFrames, seedCodedVideo, VIDEO_START } from "./support/coded_video.mjs";
import { ROOT } from "./support/prerequisites.mjs";
import { SeedRecording, seedSession } from "./support/seed.mjs";
import { Server } from "./support/server.mjs";

/** @typedef {import("../../posesession-server/web/js/pose_replay.js").PoseReplayElement} PoseReplayElement */

const HOSTILE_NAME = `<img src=x onerror="window.hacked = true">`;
const SECONDS = 4;
/** Nine of them never come. */
const FRAMES = 30 * SECONDS - 9;
const CODED_FRAMES = 200;
const REFUSED = /blocked by CORS policy|ERR_FAILED|Failed to fetch|status of 403|403 \(|: 403$|code: 403/;
const GONE = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|WebSocket connection/;

/** A site of its own, with the example and, for pages that bring the library along, the scripts. */
async function startSite() {
  const site = createServer(async ({ url = "/" }, answer) => {
    const { pathname } = new URL(url, "http://site");
    const file = pathname.startsWith("/js/") ? path.join("posesession-server/web", pathname) : path.join("examples", pathname);
    try {
      const body = pathname === "/empty.html" ? "<!doctype html><title>Empty</title>" : await readFile(path.join(ROOT, file));
      answer.setHeader("content-type", pathname.endsWith(".js") ? "text/javascript" : "text/html").end(body);
    } catch {
      answer.writeHead(204).end();
    }
  });
  await new Promise((listening) => site.listen(0, "127.0.0.1", () => listening(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (site.address());
  return { address: `http://127.0.0.1:${port}`, stop: () => new Promise((closed) => site.close(closed).closeAllConnections()) };
}

/**
 * Makes a page whose only content is the element, and waits until it is in one of these states.
 * @param {import("playwright-core").Page} page
 * @param {string} server
 * @param {Record<string, string>} attributes
 * @param {string[]} [statuses]
 */
async function show(page, server, attributes, statuses = ["paused"]) {
  await page.evaluate(
    async ({ library, attributes }) => {
      await import(library);
      const replay = document.createElement("pose-replay");
      for (const [name, value] of Object.entries(attributes)) replay.setAttribute(name, value);
      replay.style.width = "640px";
      document.body.replaceChildren(replay);
      Object.assign(window, { replay });
    },
    { library: `${server}/js/posesession.js`, attributes },
  );
  await settled(page, statuses);
}

/**
 * @param {import("playwright-core").Page} page
 * @param {string[]} statuses
 */
async function settled(page, statuses) {
  await page.waitForFunction((wanted) => {
    const { replay } = /** @type {{ replay: PoseReplayElement }} */ (/** @type {unknown} */ (window));
    return wanted.includes(replay.status) && (replay.frame !== null || replay.status === "failed" || replay.frameCount === 0 || replay.status === "connecting");
  }, statuses);
}

/**
 * Runs a function of the element in its page.
 * @template T
 * @param {import("playwright-core").Page} page
 * @param {(replay: PoseReplayElement) => T | Promise<T>} action
 * @returns {Promise<T>}
 */
function of(page, action) {
  return page.evaluate(`(${action})(window.replay)`);
}

describe("<pose-replay> in a page of another site", { timeout: 900_000 }, () => {
  /** @type {Awaited<ReturnType<typeof startSite>>} */
  let site;
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;
  let host = "";
  let session = "";

  before(async () => {
    site = await startSite();
    server = await Server.start({ switches: ["--allow-origin", site.address] });
    host = new URL(server.address).host;
    browser = await Browser.start();
    session = await seedSession(server, { name: HOSTILE_NAME, seconds: SECONDS, markers: [{ label: "deep", at: 2 }], gap: { at: 3, seconds: 0.3 } });
  });

  after(async () => {
    await browser?.stop();
    await site?.stop();
    if (server) assert.equal(await server.stop(), 0, `the server did not end well:\n${server.log}`);
  });

  /** @param {RegExp[]} [expect] */
  function openEmpty(expect = []) {
    return browser.open(`${site.address}/empty.html`, { hosts: [host], expect });
  }

  test("the example shows a session, plays it, and a hostile name stays text", async () => {
    const page = await browser.open(`${site.address}/embed.html?server=${server.address}&session=${session}`, { hosts: [host] });
    await page.waitForFunction(() => document.getElementById("about")?.textContent?.includes("poses in"));
    assert.equal(await page.textContent("#about"), `${HOSTILE_NAME}: ${FRAMES} poses in 4.0 seconds.`);
    assert.equal(await page.evaluate(() => "hacked" in window), false, "the name was run");
    await waitForPose(page, 100);
    await page.getByRole("button", { name: "Play" }).click();
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector("pose-replay")).currentTime > 0.5);
    await page.getByRole("button", { name: "Pause" }).waitFor();
    await page.click("#slow");
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector("pose-replay")).playbackRate === 0.5);
    await screenshot(page, "embed-1");
    await page.click("#webcam");
    await page.waitForFunction(() => /** @type {any} */ (document.querySelector("pose-replay")).webcamState === "live");
    await screenshot(page, "embed-2-webcam");
    await page.close();
  });

  test("without a session in its address the example shows the latest", async () => {
    const page = await browser.open(`${site.address}/embed.html?server=${server.address}`, { hosts: [host] });
    await page.waitForFunction(() => document.getElementById("about")?.textContent?.includes("poses in"));
    await page.close();
  });

  test("before the recording is known nothing is claimed about it, then everything is", async () => {
    const page = await openEmpty();
    const before = await page.evaluate(async (library) => {
      await import(library);
      const { currentTime, duration, paused, ended, readyState, error, recording, skeleton, frame, frameCount, status, message, range } = /** @type {PoseReplayElement} */ (document.createElement("pose-replay"));
      return { currentTime, duration: String(duration), paused, ended, readyState, error, recording, skeleton, frame, frameCount: String(frameCount), status, message, range };
    }, `${server.address}/js/posesession.js`);
    assert.deepEqual(before, {
      currentTime: 0, duration: "NaN", paused: true, ended: false, readyState: 0, error: null, recording: null, skeleton: null, frame: null,
      frameCount: "NaN", status: "closed", message: "No session is chosen.", range: { start: null, end: null, loop: "none" },
    });
    await show(page, server.address, { session });
    const known = await of(page, ({ session, server, duration, readyState, recording, skeleton, markers, gaps, frameCount, frameNumber, live, message }) => ({
      session, server, duration, readyState, name: recording?.name, skeleton: skeleton?.name, markers: markers.map(({ kind, label }) => [kind, label]), gaps: gaps.length, frameCount, frameNumber, live, message,
    }));
    const { duration, ...rest } = known;
    assert.ok(Math.abs(duration - SECONDS) < 0.1);
    assert.deepEqual(rest, {
      session, server: server.address, readyState: 4, name: HOSTILE_NAME, skeleton: "mediapipe_33",
      markers: rest.markers, gaps: 1, frameCount: FRAMES, frameNumber: 0, live: false, message: "",
    });
    assert.ok(rest.markers.some(([kind, label]) => kind === "user" && label === "deep"));
    await page.close();
  });

  test("what a page set before the element was known is heeded", async () => {
    const page = await openEmpty();
    await page.evaluate((session) => {
      const replay = Object.assign(document.createElement("pose-replay"), { session, mirrored: true, lineWidth: 3 });
      Object.assign(window, { replay });
      document.body.append(replay);
    }, session);
    await page.evaluate(
      async ({ library, server }) => {
        /** @type {any} */ (window).replay.server = server;
        await import(library);
      },
      { library: `${server.address}/js/posesession.js`, server: server.address },
    );
    await settled(page, ["paused"]);
    assert.deepEqual(await of(page, (replay) => [replay.getAttribute("session"), replay.mirrored, replay.lineWidth]), [session, true, 3]);
    await page.close();
  });

  test("it plays, pauses, seeks, steps and ends with a media element's events", async () => {
    const page = await openEmpty();
    await page.evaluate(() => {
      /** @type {string[]} */
      const events = [];
      Object.assign(window, { events });
      const names = "loadstart durationchange loadedmetadata loadeddata canplay play playing pause waiting timeupdate seeking seeked ratechange ended error emptied statechange recordingchange rangechange frame placementchange";
      for (const name of names.split(" ")) document.addEventListener(name, (event) => events.push(event.type), true);
    });
    const take = () => page.evaluate(() => /** @type {any} */ (window).events.splice(0));
    const without = (/** @type {string[]} */ events, /** @type {string[]} */ ...names) => events.filter((name) => !names.includes(name));

    await show(page, server.address, { session });
    assert.deepEqual(without(await take(), "statechange", "frame"), ["loadstart", "recordingchange", "durationchange", "loadedmetadata", "loadeddata", "canplay"]);

    await of(page, (replay) => replay.play());
    assert.equal(await of(page, (replay) => replay.paused), false);
    await page.waitForFunction(() => /** @type {any} */ (window).replay.currentTime > 0.8);
    await of(page, (replay) => replay.pause());
    await page.waitForFunction(() => /** @type {any} */ (window).replay.paused);
    const played = await take();
    assert.deepEqual(without(played, "frame", "timeupdate"), ["play", "statechange", "playing", "statechange", "pause"]);
    assert.ok(played.filter((/** @type {string} */ name) => name === "timeupdate").length >= 2, "timeupdate did not come");

    const sought = await of(page, async (replay) => {
      const seeked = new Promise((resolve) => replay.addEventListener("seeked", resolve, { once: true }));
      replay.currentTime = 1.5;
      const during = [replay.seeking, replay.currentTime];
      await seeked;
      return [...during, replay.seeking];
    });
    assert.deepEqual(sought, [true, 1.5, false]);
    assert.deepEqual(without(await take(), "frame"), ["seeking", "timeupdate", "seeked"]);
    await page.waitForFunction(() => /** @type {any} */ (window).replay.frameNumber === 45);

    for (const [target, frameNumber] of /** @type {const} */ ([[{ frame_number: 10 }, 10], [{ fraction: 0.5 }, 59], [{ marker: "deep" }, 60], [{ timestamp: 1, mode: "exact" }, 30]])) {
      await page.evaluate((target) => /** @type {any} */ (window).replay.seek(target), target);
      await page.waitForFunction((wanted) => /** @type {any} */ (window).replay.frameNumber === wanted, frameNumber);
    }
    const refused = await of(page, (replay) => replay.seek({ marker: "nowhere" }).then(() => "", (error) => error.code));
    assert.equal(refused, "marker_not_found");

    const epoch = await of(page, (replay) => replay.epoch);
    await of(page, (replay) => replay.step(-3));
    await page.waitForFunction(() => /** @type {any} */ (window).replay.frameNumber === 27);
    assert.ok((await of(page, (replay) => replay.epoch)) > epoch);

    await take();
    await of(page, async (replay) => {
      await replay.setRate(8);
      await replay.play();
    });
    await page.waitForFunction(() => /** @type {any} */ (window).replay.ended);
    const ended = await take();
    assert.ok(ended.includes("ratechange"));
    assert.deepEqual(ended.slice(-2), ["pause", "ended"]);
    assert.equal(await of(page, (replay) => replay.frameNumber), FRAMES - 1);
    assert.equal(await of(page, (replay) => replay.setRate(99).then(() => "", (error) => error.code)), "out_of_range");
    await page.close();
  });

  test("a range is played, in a loop or to and fro; loop and autoplay are attributes", async () => {
    const page = await openEmpty();
    await show(page, server.address, { session, autoplay: "", loop: "" }, ["playing"]);
    assert.deepEqual(await of(page, (replay) => replay.range), { start: null, end: null, loop: "loop" });
    const turned = await of(page, async (replay) => {
      await replay.setRange({ start: 1, end: 1.5, loop: "ping_pong" });
      const rates = new Set();
      const times = [];
      for (let sample = 0; sample < 40; sample += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        rates.add(replay.playbackRate);
        times.push(replay.frame?.timestamp ?? NaN);
      }
      return { rates: [...rates].sort(), least: Math.min(...times), most: Math.max(...times), range: replay.range };
    });
    assert.deepEqual(turned.rates, [-1, 1]);
    assert.ok(turned.least >= 0.99 && turned.most <= 1.51, JSON.stringify(turned));
    assert.deepEqual(turned.range, { start: 1, end: 1.5, loop: "ping_pong" });
    const code = await of(page, (replay) => replay.setRange({ start: 2, end: 1 }).then(() => "", (error) => error.code));
    assert.equal(code, "out_of_range");
    assert.deepEqual(await of(page, (replay) => replay.range), turned.range);
    await of(page, (replay) => replay.setRange({ start: 3 }));
    await page.waitForFunction(() => /** @type {any} */ (window).replay.currentTime >= 2.99);
    await of(page, (replay) => replay.setRange());
    assert.deepEqual(await of(page, (replay) => replay.range), { start: null, end: null, loop: "loop" });
    await page.close();
  });

  test("the pose is placed by hand, by wheel, by two fingers, and to a live torso", async () => {
    const page = await openEmpty();
    await show(page, server.address, { session, adjustable: "" });
    const placement = () => of(page, (replay) => replay.placement);
    const box = await page.locator("#overlay").boundingBox();
    assert.ok(box);
    const before = await overlay(page);
    await page.mouse.move(box.x + 100, box.y + 100);
    await page.mouse.down();
    await page.mouse.move(box.x + 100 + box.width / 4, box.y + 100 + box.height / 10, { steps: 5 });
    await page.mouse.up();
    const moved = await placement();
    assert.ok(Math.abs(moved.x - 0.25) < 0.01 && Math.abs(moved.y - 0.1) < 0.01 && moved.scale === 1, JSON.stringify(moved));
    assert.notEqual((await overlay(page)).digest, before.digest);
    await page.mouse.wheel(0, -300);
    await page.waitForFunction(() => /** @type {any} */ (window).replay.placement.scale > 1.3);

    await of(page, (replay) => (replay.placement = { scale: 1, x: 0, y: 0 }));
    const chrome = await debuggerOf(page);
    const touch = (/** @type {string} */ type, /** @type {number} */ apart) =>
      chrome.send("Input.dispatchTouchEvent", {
        type: /** @type {any} */ (type),
        touchPoints: apart === 0 ? [] : [{ x: box.x + 200 - apart, y: box.y + 100, id: 1 }, { x: box.x + 200 + apart, y: box.y + 100, id: 2 }],
      });
    await touch("touchStart", 20);
    for (const apart of [25, 30, 35, 40]) await touch("touchMove", apart);
    await touch("touchEnd", 0);
    assert.ok(Math.abs((await placement()).scale - 2) < 0.1, JSON.stringify(await placement()));

    const fitted = await of(page, (replay) => {
      replay.placement = { scale: 1, x: 0, y: 0 };
      let changes = 0;
      replay.addEventListener("placementchange", () => (changes += 1));
      const torso = { left_shoulder: [0.6, 0.3], right_shoulder: [0.4, 0.3], left_hip: [0.57, 0.7], right_hip: [0.43, 0.7] };
      return { fits: replay.fitTo(torso), changes, placement: replay.placement, misfit: replay.fitTo({}) };
    });
    assert.deepEqual([fitted.fits, fitted.changes, fitted.misfit], [true, 1, false]);
    assert.ok(fitted.placement.scale > 1.5, "the recorded torso is smaller");
    await screenshot(page, "element-fitted");

    const look = await of(page, (replay) => {
      Object.assign(replay, { poseOpacity: 0.4, lineWidth: 2, mirrored: true, placement: { scale: NaN, x: 99 } });
      return [replay.poseOpacity, replay.lineWidth, replay.mirrored, replay.getAttribute("mirrored"), replay.placement.x];
    });
    assert.deepEqual(look, [0.4, 2, true, "", 2]);
    await page.close();
  });

  test("the recorded video is in step with the pose, paused and while it plays", async (t) => {
    const coded = await seedCodedVideo(server, CODED_FRAMES);
    const page = await openEmpty();
    await show(page, server.address, { session: coded, picture: "beside" });
    await page.waitForFunction(() => /** @type {any} */ (window).replay.pictureKind === "video");
    for (const wanted of [99, 17, 150, 60, 61]) {
      await page.evaluate((frame) => /** @type {any} */ (window).replay.seek({ frame_number: frame }), wanted);
      // Either may come first.
      await page.waitForFunction((frame) => /** @type {any} */ (window).replay.frameNumber === frame, wanted);
      await page.waitForFunction((shown) => Math.abs(/** @type {any} */ (window).replay.statistics.picture_timestamp - shown) < 0.01, wanted / 30);
      assert.deepEqual(await codedFrames(page, { count: CODED_FRAMES, samples: 1 }), [{ picture: wanted, pose: wanted }]);
    }
    for (const rate of [1, 2, 0.5, -1]) {
      await page.evaluate(async (rate) => {
        const { replay } = /** @type {{ replay: PoseReplayElement }} */ (/** @type {unknown} */ (window));
        await replay.seek({ timestamp: rate > 0 ? 1 : 6 });
        await replay.setRate(rate);
        await replay.play();
      }, rate);
      await page.waitForFunction((start) => Math.abs(/** @type {any} */ (window).replay.currentTime - start) > 0.3, rate > 0 ? 1 : 6);
      const seen = await codedFrames(page, { count: CODED_FRAMES, samples: 60 });
      const apart = seen.map(({ picture, pose }) => Math.abs(picture - pose));
      const share = apart.filter((frames) => frames <= 1).length / apart.length;
      t.diagnostic(`rate ${rate}: ${(100 * share).toFixed(0)} % of the repaints within one frame, at most ${Math.max(...apart)} apart`);
      assert.ok(share > 0.5, `at rate ${rate} pose and picture are apart by ${apart} frames`);
      assert.ok(new Set(seen.map(({ picture }) => picture)).size > 3, "the picture stands still");
    }
    await screenshot(page, "element-video-beside");
    await of(page, async (replay) => {
      await replay.pause();
      await replay.seek({ timestamp: 0 });
    });
    await page.waitForFunction((start) => /** @type {any} */ (window).replay.statistics.picture_timestamp === start, VIDEO_START);
    await of(page, (replay) => (replay.picture = "none"));
    assert.equal(await of(page, (replay) => replay.pictureKind), "none");
    await page.close();
  });

  test("without a video the frames' images are the recorded picture", async () => {
    const pictured = await seedSession(server, { seconds: 1, images: true });
    const page = await openEmpty();
    await show(page, server.address, { session: pictured, picture: "below", mirrored: "" });
    await page.waitForFunction(() => /** @type {any} */ (window).replay.statistics.picture_timestamp === 0);
    assert.equal(await of(page, (replay) => replay.pictureKind), "images");
    await of(page, (replay) => replay.seek({ frame_number: 21 }));
    await page.waitForFunction(() => Math.abs(/** @type {any} */ (window).replay.statistics.picture_timestamp - 0.7) < 0.001);
    await screenshot(page, "element-images-below");
    await page.close();
  });

  test("it follows a live recording to its end", async () => {
    const recording = await SeedRecording.start(server, { name: "Live" });
    await recording.record(2);
    await recording.settle();
    const page = await openEmpty();
    await show(page, server.address, { session: recording.id });
    assert.equal(await of(page, (replay) => replay.live), true);
    await of(page, (replay) => replay.play());
    await page.waitForFunction(() => /** @type {any} */ (window).replay.status === "buffering");
    assert.equal(await of(page, (replay) => replay.message), "Waiting for the recording to go on.");
    await recording.record(3);
    await page.waitForFunction(() => /** @type {any} */ (window).replay.duration > 2.5);
    await recording.stop();
    recording.close();
    await page.waitForFunction(() => !(/** @type {any} */ (window).replay.live) && /** @type {any} */ (window).replay.ended);
    assert.equal(await of(page, (replay) => replay.frameNumber), 89);
    await page.close();
  });

  test("a session without frames, and one that is not there, say so", async () => {
    const empty = await seedSession(server, { seconds: 0 });
    const page = await openEmpty();
    await show(page, server.address, { session: empty });
    assert.equal(await page.textContent("#message"), "Nothing was recorded in this session.");
    await show(page, server.address, { session: "01900000-0000-7000-8000-000000000000" }, ["failed"]);
    assert.equal(await page.textContent("#message"), "There is no such session: it may have been deleted.");
    assert.equal(await of(page, (replay) => replay.error?.code), "session_not_found");
    assert.equal(await of(page, (replay) => replay.play().then(() => "", (error) => error.code)), "session_not_found");
    await page.evaluate((id) => (/** @type {any} */ (window).replay.session = id), session);
    await settled(page, ["paused"]);
    assert.equal(await of(page, (replay) => replay.error), null);
    assert.equal(await page.locator("#message").isVisible(), false);
    await page.close();
  });

  test("taken out of the page it lets go of everything, and back in it is where it was", async () => {
    const page = await openEmpty();
    await show(page, server.address, { session, webcam: "" });
    await page.waitForFunction(() => /** @type {any} */ (window).replay.webcamState === "live");
    await of(page, (replay) => replay.seek({ timestamp: 2.5 }));
    const away = await of(page, async (replay) => {
      const track = /** @type {MediaStream} */ (replay.webcamVideo.srcObject).getTracks()[0];
      replay.remove();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return [track.readyState, replay.webcamState, replay.status, replay.frame, replay.currentTime];
    });
    assert.deepEqual(away, ["ended", "off", "closed", null, 2.5]);
    await of(page, (replay) => document.body.append(replay));
    await settled(page, ["paused"]);
    await page.waitForFunction(() => /** @type {any} */ (window).replay.frameNumber === 75);
    await page.waitForFunction(() => /** @type {any} */ (window).replay.webcamState === "live");
    await page.close();
  });

  test("without a camera it says which reason there is, and shows the pose alone", async () => {
    const blind = await Browser.start({ camera: "none" });
    try {
      const page = await blind.open(`${site.address}/empty.html`, { hosts: [host] });
      await show(page, server.address, { session, webcam: "" });
      await page.waitForFunction(() => /** @type {any} */ (window).replay.webcamState === "failed");
      assert.equal(await of(page, (replay) => replay.webcamError?.code), "no_camera");
      await waitForPose(page, 100);
      assert.deepEqual(blind.problems, []);
    } finally {
      await blind.stop();
    }
  });

  test("a server that is gone and comes back is played on from where it was lost", async () => {
    const page = await openEmpty([GONE]);
    await show(page, server.address, { session });
    await of(page, async (replay) => {
      await replay.setRange({ start: 1, end: 3.5, loop: "loop" });
      await replay.setRate(0.25);
      await replay.play();
    });
    await page.waitForFunction(() => /** @type {any} */ (window).replay.currentTime > 1.2);
    await server.crash();
    await page.waitForFunction(() => /** @type {any} */ (window).replay.status === "connecting");
    const { lostAt, paused } = await of(page, (replay) => ({ lostAt: replay.currentTime, paused: replay.paused }));
    assert.ok(lostAt >= 1.2);
    assert.equal(paused, false);
    await page.waitForFunction(() => /** @type {any} */ (window).replay.message.includes("The connection was lost"));
    await screenshot(page, "element-lost");
    await server.startAgain();
    await settled(page, ["playing"]);
    const again = await of(page, ({ currentTime, playbackRate, range, message }) => ({ currentTime, playbackRate, range, message }));
    assert.ok(again.currentTime >= lostAt - 0.05 && again.currentTime < lostAt + 1, JSON.stringify([lostAt, again]));
    assert.deepEqual([again.playbackRate, again.range, again.message], [0.25, { start: 1, end: 3.5, loop: "loop" }, ""]);
    await page.close();
  });

  test("a site that is not let in is told what to do", async () => {
    const stranger = await startSite();
    try {
      const page = await browser.open(`${stranger.address}/embed.html?server=${server.address}`, { hosts: [host], expect: [REFUSED] });
      await page.waitForFunction((origin) => document.getElementById("about")?.textContent?.includes(`--allow-origin ${origin}`), stranger.address);
      await page.close();
      const own = await browser.open(`${stranger.address}/empty.html`, { hosts: [host], expect: [REFUSED] });
      await show(own, stranger.address, { session, server: server.address }, ["connecting"]);
      await own.waitForFunction((origin) => /** @type {any} */ (window).replay.message.includes(`posesession serve --allow-origin ${origin}`), stranger.address);
      await own.close();
    } finally {
      await stranger.stop();
    }
  });

  test("no page had an error or asked another host, but for what was provoked", () => {
    assert.deepEqual(browser.problems, []);
  });
});
