// @ts-check
// The replay page: every control by mouse, keyboard and finger; what its timeline and its plot show.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Browser, debuggerOf, overlay, screenshot, seekTo, state, waitForNumber, waitForState } from "./support/browser.mjs";
import { seedSession } from "./support/seed.mjs";
import { Server } from "./support/server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const HOSTILE = `<img src=x onerror="window.hacked = true">`;
const SECONDS = 8;
const FPS = 30;
const PAUSE = { at: 3, seconds: 0.5 };
const GAP = { at: 6, seconds: 0.8 };
const MARK_AT = 4;
const FRAME = 1 / FPS;
/** So slow that what is played is still playing when a busy machine comes back to it. */
const SLOW = 0.1;
/** How far a pointer may be beside a moment: a pixel of a narrow timeline, and the frame before. */
const NEAR = 0.15;

/**
 * @param {Page} page
 * @param {number} seconds
 * @param {number} [duration]
 */
async function pointOnTimeline(page, seconds, duration = SECONDS) {
  const rail = await page.locator("#timeline .rail").boundingBox();
  assert.ok(rail);
  return { x: rail.x + (seconds / duration) * rail.width, y: rail.y + rail.height / 2 };
}

/** @param {Page} page */
function position(page) {
  return page.evaluate(() => /** @type {import("../../posesession-server/web/js/pose_replay.js").PoseReplayElement} */ (document.getElementById("replay")).currentTime);
}

/**
 * @param {Page} page
 * @param {number} seconds
 * @param {number} [tolerance]
 */
async function waitForPosition(page, seconds, tolerance = NEAR) {
  try {
    await page.waitForFunction(
      ([wanted, within]) => {
        const { currentTime, seeking } = /** @type {import("../../posesession-server/web/js/pose_replay.js").PoseReplayElement} */ (document.getElementById("replay"));
        return !seeking && Math.abs(currentTime - wanted) <= within;
      },
      /** @type {const} */ ([seconds, tolerance]),
    );
  } catch (error) {
    throw new Error(`the replay is not at ${seconds} s but at ${await position(page)} s`, { cause: error });
  }
}

/**
 * Records what frames a page shows while something happens.
 * @param {Page} page
 * @param {(frames: { timestamp: number, rate: number }[]) => boolean} enough judges in the page
 * @param {string} [selector]
 * @returns {Promise<{ timestamp: number, rate: number }[]>}
 */
async function framesUntil(page, enough, selector = "#replay") {
  return page.evaluate(
    ([judge, which]) =>
      new Promise((resolve, reject) => {
        const replay = /** @type {import("../../posesession-server/web/js/pose_replay.js").PoseReplayElement} */ (document.querySelector(which));
        /** @type {{ timestamp: number, rate: number }[]} */
        const frames = [];
        const isEnough = new Function("frames", `return (${judge})(frames)`);
        const timer = setTimeout(() => reject(new Error(`not enough after ${JSON.stringify(frames)}`)), 30_000);
        const hear = () => {
          frames.push({ timestamp: replay.frame?.timestamp ?? NaN, rate: replay.playbackRate });
          if (!isEnough(frames)) return;
          clearTimeout(timer);
          replay.removeEventListener("frame", hear);
          resolve(frames);
        };
        replay.addEventListener("frame", hear);
      }),
    /** @type {const} */ ([String(enough), selector]),
  );
}

/**
 * @param {Page} page
 * @param {"touchStart" | "touchMove" | "touchEnd"} type
 * @param {{ x: number, y: number }[]} touchPoints
 */
async function touch(page, type, touchPoints) {
  await (await debuggerOf(page)).send("Input.dispatchTouchEvent", { type, touchPoints });
}

/**
 * Taps until it is heard: on a busy machine a finger may rest so long that the browser takes it for a long press.
 * @param {Page} page
 * @param {string} selector
 * @param {Record<string, string>} wanted
 */
async function tapFor(page, selector, wanted) {
  for (let taps = 0; taps < 4; taps += 1) {
    await page.tap(selector);
    const heard = await page
      .waitForFunction((entries) => entries.every(([name, value]) => document.documentElement.dataset[name] === value), Object.entries(wanted), { timeout: 5000 })
      .then(() => true, () => false);
    if (heard) return;
  }
  await waitForState(page, wanted);
}

/**
 * The interior angle at the middle one of three keypoints, in the picture.
 * @param {number[][]} points normalised x, y
 * @param {number} aspect
 */
function degrees([a, b, c], aspect) {
  const [u, v] = [a, c].map(([x, y]) => [(x - b[0]) * aspect, y - b[1]]);
  return (Math.acos((u[0] * v[0] + u[1] * v[1]) / (Math.hypot(...u) * Math.hypot(...v))) * 180) / Math.PI;
}

describe("the replay page", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;
  let id = "";

  /** @param {string} [query] */
  const open = async (query = "") => {
    const page = await browser.open(`${server.address}/session_replay.html?session=${id}${query}`);
    await waitForState(page, { sessionId: id });
    await page.locator("#angles canvas").first().waitFor();
    return page;
  };

  before(async () => {
    server = await Server.start();
    browser = await Browser.start();
    id = await seedSession(server, {
      name: HOSTILE,
      seconds: SECONDS,
      fps: FPS,
      pause: PAUSE,
      gap: GAP,
      markers: [{ label: HOSTILE, at: MARK_AT }],
    });
  });

  after(async () => {
    await browser?.stop();
    if (server) assert.equal(await server.stop(), 0, `the server did not end well:\n${server.log}`);
  });

  test("an address opens at its moment, with its part, rate and loop", async () => {
    const page = await open("&t=4.5&a=4&b=5&rate=0.5&loop=ping_pong");
    await waitForState(page, { state: "paused", rate: "0.5", loop: "ping_pong", rangeStart: "4", rangeEnd: "5" });
    await waitForPosition(page, 4.5, 0.01);
    assert.equal(await page.inputValue("#rate"), "0.5");
    assert.equal(await page.getAttribute("#ping-pong", "aria-pressed"), "true");
    await screenshot(page, "replay-address");
    await page.close();

    const plain = await open("&t=never&a=5&b=2&rate=0&loop=round");
    await waitForState(plain, { state: "paused", rate: "1", loop: "loop", rangeStart: "5", rangeEnd: "" });
    await plain.close();
  });

  test("the mouse plays, steps, turns round and changes the rate", async () => {
    const page = await open("&rate=0.25");
    await waitForState(page, { state: "paused", frameNumber: "0" });
    await page.click("#play");
    await waitForState(page, { state: "playing" });
    assert.equal(await page.textContent("#play"), "Pause");
    await waitForNumber(page, "timestamp", 0.5);
    await screenshot(page, "replay-playing");
    await page.click("#play");
    await waitForState(page, { state: "paused" });
    const { frameNumber } = await state(page);
    await page.click("#step-forward");
    await waitForState(page, { frameNumber: String(Number(frameNumber) + 1) });
    await page.click("#step-back");
    await waitForState(page, { frameNumber });
    await page.selectOption("#rate", "0.1");
    await waitForState(page, { rate: "0.1" });
    await page.selectOption("#rate", "4");
    await page.click("#backwards");
    await waitForState(page, { rate: "-4" });
    await page.click("#play");
    await waitForState(page, { state: "ended", frameNumber: "0" });
    await page.click("#backwards");
    await waitForState(page, { rate: "4" });
    await page.selectOption("#rate", String(SLOW));
    await waitForState(page, { rate: String(SLOW) });
    await page.click("#replay");
    await waitForState(page, { state: "playing" });
    await page.click("#replay");
    await waitForState(page, { state: "paused" });
    // Faster than the server answers: there and back, and there again.
    await page.evaluate(() => {
      for (let click = 0; click < 3; click += 1) document.getElementById("backwards")?.click();
    });
    await waitForState(page, { rate: String(-SLOW) });
    await page.evaluate(() => {
      for (let click = 0; click < 3; click += 1) document.getElementById("backwards")?.click();
    });
    await waitForState(page, { rate: String(SLOW) });
    await page.close();
  });

  test("A and B choose a part, which loops, goes to and fro, and is given up again", async () => {
    const page = await open("&t=1");
    await waitForPosition(page, 1, 0.01);
    await page.click("#set-a");
    await waitForState(page, { loop: "loop" });
    await seekTo(page, 2);
    await page.click("#set-b");
    await page.waitForFunction(() => document.documentElement.dataset.rangeEnd !== "");
    const { rangeStart, rangeEnd } = await state(page);
    assert.ok(Math.abs(Number(rangeStart) - 1) < 0.05 && Math.abs(Number(rangeEnd) - 2) < 0.05, `${rangeStart} to ${rangeEnd}`);
    // The timeline shows it with the display's next picture.
    await page.locator("#timeline .handle").filter({ visible: true }).nth(1).waitFor();

    await page.selectOption("#rate", "4");
    await page.click("#play");
    const looped = await framesUntil(page, (frames) => frames.filter(({ timestamp }, index) => index > 0 && timestamp < frames[index - 1].timestamp).length >= 3);
    const times = looped.map(({ timestamp }) => timestamp);
    assert.ok(Math.min(...times) > 0.95 && Math.max(...times) < 2.05, `it left the part: ${Math.min(...times)} to ${Math.max(...times)}`);
    assert.ok(looped.every(({ rate }) => rate > 0));

    await page.click("#ping-pong");
    await waitForState(page, { loop: "ping_pong" });
    const swung = await framesUntil(page, (frames) => frames.filter(({ rate }, index) => index > 0 && Math.sign(rate) !== Math.sign(frames[index - 1].rate)).length >= 4);
    assert.ok(swung.every(({ timestamp }) => timestamp > 0.95 && timestamp < 2.05));
    assert.ok(swung.some(({ rate }) => rate < 0), "it never went back");
    await screenshot(page, "replay-ping-pong");
    await page.click("#clear-range");
    await waitForState(page, { loop: "none", rangeStart: "", rangeEnd: "" });
    await page.close();
  });

  test("the edges of the part are moved by mouse and keyboard", async () => {
    const page = await open("&a=1&b=3");
    await waitForState(page, { state: "paused", rangeEnd: "3" });
    const handle = await page.locator("#timeline .handle").nth(1).boundingBox();
    assert.ok(handle);
    await page.mouse.move(handle.x + handle.width / 2, handle.y + handle.height - 4);
    await page.mouse.down();
    await page.mouse.move((await pointOnTimeline(page, 5)).x, handle.y, { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction(() => Math.abs(Number(document.documentElement.dataset.rangeEnd) - 5) < 0.15);
    await page.locator("#timeline .handle").nth(0).focus();
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction(() => Math.abs(Number(document.documentElement.dataset.rangeStart) - 1.1) < 0.01);
    await page.close();
  });

  test("the timeline seeks where it is clicked and dragged, and plays on when it played", async () => {
    const page = await open("&rate=0.25");
    await waitForState(page, { state: "paused" });
    const there = await pointOnTimeline(page, 2);
    await page.mouse.click(there.x, there.y);
    await waitForPosition(page, 2);
    await page.click("#play");
    await waitForState(page, { state: "playing" });
    await page.mouse.move(there.x, there.y);
    await page.mouse.down();
    const end = await pointOnTimeline(page, 5);
    await page.mouse.move(end.x, end.y, { steps: 10 });
    await waitForState(page, { state: "paused" });
    await waitForPosition(page, 5);
    await page.mouse.up();
    await waitForState(page, { state: "playing" });
    await waitForNumber(page, "timestamp", 5.2);
    await page.close();
  });

  test("markers, pauses and gaps stand on the timeline, and the pose under the pointer is shown", async () => {
    const page = await open();
    await waitForState(page, { state: "paused", markerCount: "3" });
    const colours = await page.locator("#timeline").evaluate((timeline, { duration, marked }) => {
      const canvas = /** @type {HTMLCanvasElement} */ (timeline.shadowRoot?.querySelector("canvas.signs"));
      const rail = /** @type {HTMLElement} */ (timeline.shadowRoot?.querySelector(".rail"));
      const scale = canvas.width / canvas.clientWidth;
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      const drawnAt = (/** @type {number} */ seconds, /** @type {number} */ width) => {
        const x = (rail.offsetLeft + (seconds / duration) * rail.clientWidth) * scale;
        const { data } = context.getImageData(x - width / 2, 0, width, canvas.height);
        return data.some((value, index) => index % 4 === 3 && value > 100);
      };
      return Object.fromEntries(Object.entries(marked).map(([name, seconds]) => [name, drawnAt(seconds, 6)]));
    }, { duration: SECONDS - FRAME, marked: { mark: MARK_AT, pause: PAUSE.at, gap: GAP.at + GAP.seconds / 2, nothing: 1.5, nothingElse: 7.5 } });
    assert.deepEqual(colours, { mark: true, pause: true, gap: true, nothing: false, nothingElse: false });

    const at = await pointOnTimeline(page, MARK_AT, SECONDS - FRAME);
    await page.mouse.move(at.x + 2, at.y);
    const preview = page.locator("#timeline .preview");
    await preview.waitFor();
    await page.waitForFunction((hostile) => document.getElementById("timeline")?.shadowRoot?.querySelector(".preview .label")?.textContent === hostile, HOSTILE);
    await page.waitForFunction(() => {
      const canvas = /** @type {HTMLCanvasElement} */ (document.getElementById("timeline")?.shadowRoot?.querySelector(".preview canvas"));
      const { data } = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, index) => index % 4 === 3 && value > 200).length > 100;
    });
    assert.equal(await preview.locator("output").textContent(), "0:04.0");
    assert.equal(await position(page), 0, "looking is not seeking");
    await screenshot(page, "replay-preview");
    await page.mouse.move(5, 5);
    await preview.waitFor({ state: "hidden" });

    const entries = page.locator("#markers button");
    assert.equal(await entries.count(), 3);
    await entries.nth(1).click();
    await waitForPosition(page, MARK_AT, 0.05);
    assert.ok((await entries.nth(1).textContent())?.includes(HOSTILE));
    assert.equal(await page.textContent("#session-name"), HOSTILE);
    assert.equal(await page.evaluate(() => "hacked" in window || document.querySelector("main img") !== null), false, "a name was run");
    await page.close();
  });

  test("the plot shows the angles that the frames have, and seeks where it is clicked", async () => {
    const page = await open();
    await waitForState(page, { state: "paused" });
    const session = await server.json(`/api/sessions/${id}`);
    /** @type {string[]} */
    const names = session.skeleton.components[0].keypoints;
    const aspect = session.metadata.image_width / session.metadata.image_height;
    const frames = await server.frames(id);
    for (const frame of [frames[20], frames[100], frames.at(-1)]) {
      await seekTo(page, frame.timestamp);
      for (const side of ["left", "right"]) {
        const points = ["hip", "knee", "ankle"].map((name) => frame.pose_data.persons[0].pose[names.indexOf(`${side}_${name}`)]);
        const expected = `${Math.round(degrees(points, aspect))}°`;
        await page.waitForFunction(
          ([series, text]) => document.querySelector(`[data-series="${series}_knee"] .value`)?.textContent === text,
          /** @type {const} */ ([side, expected]),
        );
      }
    }
    const strips = await page.locator("#angles .strips").boundingBox();
    assert.ok(strips);
    await page.mouse.click(strips.x + strips.width * 0.25, strips.y + strips.height - 20);
    await waitForPosition(page, SECONDS * 0.25);
    assert.equal(await page.locator("#angles .tip strong").textContent(), "0:01.9");
    await screenshot(page, "replay-plot");

    await page.click("#choose-angles summary");
    await page.check('#angle-choices [value="elbow"]');
    await page.locator('[data-series="right_elbow"]').waitFor();
    await page.uncheck('#angle-choices [value="left"]');
    await page.locator('[data-series="left_elbow"]').waitFor({ state: "detached" });
    await page.keyboard.press("Escape");
    await screenshot(page, "replay-angles-chosen");
    await page.reload();
    await page.locator('[data-series="right_elbow"]').waitFor();
    assert.equal(await page.locator("#angles .strip").count(), 2, "the choice was not kept");
    await page.click("#choose-angles summary");
    await page.check('#angle-choices [value="left"]');
    await page.uncheck('#angle-choices [value="elbow"]');
    await page.locator('[data-series="left_knee"]').waitFor();

    await page.click("#set-a");
    await seekTo(page, 3);
    await page.click("#set-b");
    await page.waitForFunction(() => document.querySelector("#angles .axis .last")?.textContent?.startsWith("0:0"));
    await page.close();
  });

  test("a plot has holes where nobody was recorded", async () => {
    const page = await open();
    const canvas = page.locator("#angles canvas").first();
    const drawn = await canvas.evaluate((element, { gap, duration }) => {
      const plot = /** @type {HTMLCanvasElement} */ (element);
      const context = /** @type {CanvasRenderingContext2D} */ (plot.getContext("2d"));
      const scale = plot.width / plot.clientWidth;
      // Between the lines of the grid, which go through.
      const coloured = (/** @type {number} */ seconds) => {
        const { data } = context.getImageData((seconds / duration) * plot.width - 1, 12 * scale, 2, plot.height - 24 * scale);
        return data.some((value, index) => index % 4 === 3 && value > 100);
      };
      return { within: coloured(gap.at + gap.seconds / 2), before: [3.4, 3.6, 3.8, 4.2, 4.4].some(coloured) };
    }, { gap: GAP, duration: SECONDS - FRAME });
    assert.deepEqual(drawn, { within: false, before: true });
    await page.close();
  });

  test("every key does what the help says", async () => {
    const page = await open();
    await waitForState(page, { state: "paused", frameNumber: "0" });
    const press = (/** @type {string} */ key) => page.keyboard.press(key);
    await press("ArrowRight");
    await waitForPosition(page, 1, 0.05);
    await press("Shift+ArrowRight");
    await waitForPosition(page, 6, 0.9);
    await press("Shift+ArrowLeft");
    await waitForPosition(page, 1, 0.9);
    await press("Home");
    await waitForState(page, { frameNumber: "0" });
    await press(".");
    await waitForState(page, { frameNumber: "1" });
    await press(",");
    await waitForState(page, { frameNumber: "0" });
    await press("ArrowUp");
    await waitForState(page, { rate: "1.5" });
    await press("ArrowDown");
    await press("ArrowDown");
    await waitForState(page, { rate: "0.75" });
    await press("n");
    await waitForPosition(page, PAUSE.at, 0.05);
    await press("n");
    await waitForPosition(page, MARK_AT, 0.05);
    await press("p");
    await waitForPosition(page, PAUSE.at, 0.05);
    await press("[");
    await waitForState(page, { loop: "loop" });
    await press("ArrowRight");
    await waitForPosition(page, PAUSE.at + 1, 0.1);
    await press("]");
    await page.waitForFunction(() => document.documentElement.dataset.rangeEnd !== "");
    await press("\\");
    await waitForState(page, { loop: "none", rangeStart: "", rangeEnd: "" });
    for (const slower of ["0.5", "0.25", String(SLOW)]) {
      await press("ArrowDown");
      await waitForState(page, { rate: slower });
    }
    await press(" ");
    await waitForState(page, { state: "playing" });
    await press(" ");
    await waitForState(page, { state: "paused" });
    // A key that is held goes on or back, but switches only once.
    await page.keyboard.down(" ");
    await page.keyboard.down(" ");
    await waitForState(page, { state: "playing" });
    await page.keyboard.up(" ");
    await press(" ");
    await waitForState(page, { state: "paused" });
    await press("Home");
    await waitForState(page, { frameNumber: "0" });
    await page.keyboard.down(".");
    await page.keyboard.down(".");
    await page.keyboard.up(".");
    await waitForState(page, { frameNumber: "2" });
    await page.focus("#opacity");
    await press("Home");
    assert.equal(await page.inputValue("#opacity"), await page.getAttribute("#opacity", "min"));
    await press("End");
    assert.equal(await page.inputValue("#opacity"), await page.getAttribute("#opacity", "max"));
    await waitForState(page, { frameNumber: "2" });
    await page.focus("#play");
    await press("End");
    await waitForPosition(page, SECONDS - FRAME, 0.05);
    const mirrored = await page.isChecked("#mirror");
    await press("m");
    assert.equal(await page.isChecked("#mirror"), !mirrored);
    await press("m");
    await press("f");
    await waitForState(page, { fullScreen: "true" });
    await screenshot(page, "replay-full-screen");
    await press("f");
    await waitForState(page, { fullScreen: "false" });
    await press("?");
    const help = page.locator("dialog[open]");
    await help.waitFor();
    for (const text of ["Play or pause", "Full screen", "Mirror", "One frame on"]) assert.ok((await help.textContent())?.includes(text), text);
    await screenshot(page, "replay-help");
    await press("Escape");
    await help.waitFor({ state: "detached" });

    await page.locator("#timeline .track").focus();
    await press("Home");
    await waitForState(page, { frameNumber: "0" });
    await press("PageUp");
    await waitForPosition(page, 8 - FRAME, 0.1);
    await press("ArrowLeft");
    await waitForPosition(page, 7 - FRAME, 0.1);
    const spoken = await page.getAttribute("#timeline .track", "aria-valuetext");
    assert.match(spoken ?? "", /^0:0[67]\.\d of 0:07\.9/);
    await page.close();
  });

  test("the look is changed by hand, fitted to me, put back, and kept", async () => {
    // The model saw the walker nearly twice as tall at first as in all that follows.
    const page = await open("&t=2");
    await waitForState(page, { state: "paused", webcam: "live" });
    await waitForPosition(page, 2, 0.05);
    const before = await overlay(page);
    await page.locator("#size").fill("1");
    await waitForState(page, { scale: "2" });
    assert.notEqual((await overlay(page)).digest, before.digest, "a larger pose looks the same");
    await page.locator("#move-x").fill("0.1");
    await waitForState(page, { placeX: "0.1" });
    await page.locator("#move-y").fill("-0.1");
    await waitForState(page, { placeY: "-0.1" });
    await page.click("#reset-placement");
    await waitForState(page, { scale: "1", placeX: "0", placeY: "0" });

    await page.click("#by-hand");
    const stage = await page.locator("div.stage").boundingBox();
    assert.ok(stage);
    const [x, y] = [stage.x + stage.width / 2, stage.y + stage.height / 2];
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 100, y + 50, { steps: 5 });
    await page.mouse.up();
    await page.waitForFunction(() => Number(document.documentElement.dataset.placeX) > 0.05);
    await page.mouse.wheel(0, -300);
    await page.waitForFunction(() => Number(document.documentElement.dataset.scale) > 1);
    await waitForState(page, { state: "paused" });
    await page.click("#by-hand");
    await page.click("#reset-placement");

    await page.click("#fit");
    await waitForState(page, { fit: "done" });
    const { scale } = await state(page);
    assert.ok(Number(scale) > 1.2, `the person before the webcam is larger than the walker, the pose is only ${scale} times as large`);
    await screenshot(page, "replay-fitted");

    await page.locator("#opacity").fill("0.5");
    await page.locator("#line-width").fill("2");
    await page.uncheck("#mirror");
    await page.uncheck("#use-webcam");
    await waitForState(page, { webcam: "none" });
    await page.reload();
    await waitForState(page, { state: "paused", webcam: "none" });
    assert.equal(await page.inputValue("#opacity"), "0.5");
    assert.equal(await page.inputValue("#line-width"), "2");
    assert.equal(await page.isChecked("#mirror"), false);
    await page.check("#use-webcam");
    await waitForState(page, { webcam: "live" });
    await page.check("#mirror");
    await page.locator("#opacity").fill("1");
    await page.locator("#line-width").fill("1");
    await page.close();
  });

  test("a link to this moment is copied", async () => {
    const page = await open("&t=2.5&a=2&b=3&loop=ping_pong");
    await waitForPosition(page, 2.5, 0.01);
    await page.evaluate(() => {
      Object.assign(navigator.clipboard, { writeText: async (/** @type {string} */ text) => Object.assign(window, { copied: text }) });
    });
    await page.click("#copy-link");
    await page.waitForFunction(() => "copied" in window);
    const link = new URL(await page.evaluate(() => /** @type {any} */ (window).copied));
    const { t, ...rest } = Object.fromEntries(link.searchParams);
    assert.ok(Math.abs(Number(t) - 2.5) < 0.01, t);
    assert.deepEqual(rest, { session: id, a: "2", b: "3", loop: "ping_pong" });
    assert.equal(link.pathname, "/session_replay.html");
    await page.evaluate(() => {
      Object.assign(navigator.clipboard, { writeText: () => Promise.reject(new Error("not allowed")) });
    });
    await page.click("#copy-link");
    const field = page.locator("dialog[open] input");
    assert.equal(await field.inputValue(), link.href);
    await page.close();
  });

  test("fingers tap and drag all of it", async () => {
    const phone = await Browser.start({ viewport: { width: 360, height: 740 }, touch: true });
    try {
      const page = await phone.open(`${server.address}/session_replay.html?session=${id}&rate=${SLOW}`);
      await waitForState(page, { state: "paused", webcam: "live" });
      await tapFor(page, "#play", { state: "playing" });
      await tapFor(page, "#play", { state: "paused" });
      await page.tap("#step-forward");
      const there = await pointOnTimeline(page, 2);
      await page.touchscreen.tap(there.x, there.y);
      await waitForPosition(page, 2);
      await touch(page, "touchStart", [there]);
      for (const seconds of [2.5, 3.5, 4.5]) await touch(page, "touchMove", [await pointOnTimeline(page, seconds)]);
      await page.locator("#timeline .preview").waitFor();
      await screenshot(page, "replay-phone-scrubbing");
      await touch(page, "touchEnd", []);
      await waitForPosition(page, 4.5);
      await page.locator("#timeline .preview").waitFor({ state: "hidden" });
      await tapFor(page, "#set-a", { loop: "loop" });
      await tapFor(page, "#ping-pong", { loop: "ping_pong" });
      await tapFor(page, "#clear-range", { loop: "none" });
      await tapFor(page, "#backwards", { rate: String(-SLOW) });
      await page.tap("#backwards");
      await tapFor(page, "#full-screen", { fullScreen: "true" });
      await screenshot(page, "replay-phone-full-screen");
      await tapFor(page, "#full-screen", { fullScreen: "false" });
      await page.locator("#by-hand").scrollIntoViewIfNeeded();
      await page.tap("#by-hand");
      await page.evaluate(() => scrollTo(0, 0));
      const stage = await page.locator("div.stage").boundingBox();
      assert.ok(stage);
      const at = (/** @type {number} */ dx) => ({ x: stage.x + stage.width / 2 + dx, y: stage.y + stage.height / 2 });
      await touch(page, "touchStart", [{ ...at(-30) }, { ...at(30) }]);
      await touch(page, "touchMove", [{ ...at(-60) }, { ...at(60) }]);
      await touch(page, "touchEnd", []);
      await page.waitForFunction(() => Number(document.documentElement.dataset.scale) > 1.3);
      await page.locator("#mirror").scrollIntoViewIfNeeded();
      await page.tap("#mirror");
      await page.locator("#angles canvas").first().scrollIntoViewIfNeeded();
      await page.evaluate(() => document.querySelector("#angles canvas")?.scrollIntoView({ block: "center" }));
      const strip = await page.locator("#angles canvas").first().boundingBox();
      assert.ok(strip);
      await page.touchscreen.tap(strip.x + strip.width / 2, strip.y + strip.height / 2);
      await waitForPosition(page, SECONDS / 2);
      assert.deepEqual(phone.problems, []);
    } finally {
      await phone.stop();
    }
  });

  test("the element's own controls play, scrub and mirror on any page", async () => {
    const page = await browser.open(`${server.address}/session_list.html`);
    await page.evaluate(async (session) => {
      const script = document.createElement("script");
      script.type = "module";
      script.src = "/js/pose_replay.js";
      document.head.append(script);
      await customElements.whenDefined("pose-replay");
      const replay = document.createElement("pose-replay");
      replay.id = "embedded";
      replay.style.height = "360px";
      for (const [name, value] of Object.entries({ session, controls: "" })) replay.setAttribute(name, value);
      document.querySelector("main")?.prepend(replay);
    }, id);
    const controls = page.locator("#embedded .controls");
    await controls.getByRole("button", { name: "Play" }).click();
    await framesUntil(page, (frames) => frames.length > 5, "#embedded");
    await controls.getByRole("button", { name: "Pause" }).click();
    await controls.getByRole("button", { name: "Mirrored" }).click();
    assert.equal(await page.getAttribute("#embedded", "mirrored"), "");
    const rail = await page.locator("#embedded .rail").boundingBox();
    assert.ok(rail);
    await page.mouse.click(rail.x + rail.width / 2, rail.y + 4);
    await page.waitForFunction((wanted) => {
      const { currentTime, seeking } = /** @type {import("../../posesession-server/web/js/pose_replay.js").PoseReplayElement} */ (document.getElementById("embedded"));
      return !seeking && Math.abs(currentTime - wanted) < 0.15;
    }, (SECONDS - FRAME) / 2);
    await screenshot(page, "replay-element-controls");
    await page.close();
  });

  test("no page had an error, broke its security policy or asked another host", () => {
    assert.deepEqual(browser.problems, []);
  });
});
