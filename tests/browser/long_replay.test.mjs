// @ts-check
// A page that replays for an hour holds as much memory at the end as after its first minutes. `make test` watches a shorter
// stretch, `make test-long` the whole hour.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Browser, state, waitForState } from "./support/browser.mjs";
import { heldBytes, playAt, slope } from "./support/instruments.mjs";
import { seedSession } from "./support/seed.mjs";
import { Server } from "./support/server.mjs";

const IS_LONG = process.env.POSESESSION_LONG_TESTS === "1";
const SECONDS = IS_LONG ? 3600 : 480;
const RATE = 16;
const SAMPLES = IS_LONG ? 60 : 12;
/** Samples in which caches fill and code is compiled. */
const WARMING = SAMPLES / 4;
/** A frame that is kept has more than 500 bytes; what comes and goes counts less the longer it is watched. */
const MOST_HELD_PER_FRAME = IS_LONG ? 20 : 250;

describe("a long replay", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;

  before(async () => {
    server = await Server.start();
    browser = await Browser.start({ camera: "none" });
  });

  after(async () => {
    await browser?.stop();
    await server?.stop();
  });

  test(`of ${SECONDS} s holds no more memory at its end`, async () => {
    const id = await seedSession(server, { name: "Long", seconds: SECONDS, fps: 30 });
    const page = await browser.open(`${server.address}/session_replay.html?session=${id}`);
    await waitForState(page, { state: "paused", frameNumber: "0" });
    await playAt(page, RATE);
    /** @type {{ x: number, y: number }[]} */
    const points = [];
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      await new Promise((resolve) => setTimeout(resolve, (1000 * SECONDS) / RATE / (SAMPLES + 2)));
      const y = await heldBytes(page);
      points.push({ x: Number((await state(page)).frameNumber), y });
      if (sample % 8 === 7) console.log(`long replay: ${sample + 1} of ${SAMPLES} samples`);
    }
    await waitForState(page, { state: "ended" });
    const perFrame = slope(points.slice(WARMING));
    const mib = points.map(({ y }) => (y / 1024 / 1024).toFixed(2));
    console.log(`proof: long replay: ${SECONDS} s at ${RATE} times the speed, ${perFrame.toFixed(2)} bytes stay of a frame; MiB held, from frame ${points[0].x} to ${points.at(-1)?.x}: ${mib.join(" ")}`);
    assert.ok(perFrame < MOST_HELD_PER_FRAME, `each frame leaves ${perFrame.toFixed(1)} bytes behind: ${mib.join(", ")} MiB`);
    await page.close();
    assert.deepEqual(browser.problems, []);
  });
});
