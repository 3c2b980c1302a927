// @ts-check
// What a viewer feels: poses drawn at the display's rate and in time, also after the page was hidden. Figures are printed; what
// is asserted holds on any machine.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Browser, waitForState } from "./support/browser.mjs";
import { addInstruments, playAt, setHidden, spread, takeAccount, whileFrozen } from "./support/instruments.mjs";
import { seedSession } from "./support/seed.mjs";
import { Server } from "./support/server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const SMOOTH_SECONDS = 6;
const AWAY_MS = 3000;

/** @param {number} ms */
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * How late each drawn pose was, ms: from its place in time, as the earliest arrivals tell it, to the end of its drawing.
 * @param {import("./support/instruments.mjs").Account} account
 */
function lateness({ arrivals, repaints }) {
  const start = Math.min(...arrivals.map(({ at, timestamp }) => at - 1000 * timestamp));
  return repaints.map(({ drawnAt, timestamp }) => drawnAt - 1000 * timestamp - start);
}

describe("a replay of 60 poses a second", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;
  /** @type {Page} */
  let page;

  before(async () => {
    server = await Server.start();
    browser = await Browser.start();
    const id = await seedSession(server, { name: "60 poses a second", seconds: 60, fps: 60 });
    page = await browser.open(`${server.address}/session_replay.html?session=${id}`, { prepare: addInstruments });
    await waitForState(page, { state: "paused", webcam: "live", frameNumber: "0" });
  });

  after(async () => {
    await browser?.stop();
    await server?.stop();
  });

  test("is drawn at the display's rate", async (t) => {
    await playAt(page, 1);
    await wait(500);
    await takeAccount(page);
    await wait(1000 * SMOOTH_SECONDS);
    const account = await takeAccount(page);
    const { arrivals, repaints, display } = account;
    const drawn = new Set(repaints.map(({ timestamp }) => timestamp)).size;
    t.diagnostic(`${display} repaints in ${SMOOTH_SECONDS} s; ${arrivals.length} frames came, ${drawn} were shown (${((100 * drawn) / arrivals.length).toFixed(1)} %)`);
    t.diagnostic(`scripts per repaint: ${spread(repaints.map(({ cost }) => cost), "ms")}`);
    t.diagnostic(`from a frame's arrival to the canvas: ${spread(repaints.map(({ sinceArrival }) => sinceArrival), "ms")}`);
    t.diagnostic(`from a frame's place in time to the canvas: ${spread(lateness(account), "ms")}`);
    assert.ok(arrivals.length > 0 && repaints.length > 0, "nothing was drawn");
    assert.ok(repaints.length <= display, "a pose was drawn more often than the display shows it");
    assert.ok(repaints.every(({ timestamp }, index) => index === 0 || timestamp >= repaints[index - 1].timestamp), "time went backwards");
  });

  for (const [what, away] of /** @type {const} */ ([
    ["hidden", async () => {
      await setHidden(page, true);
      await wait(AWAY_MS);
      await takeAccount(page);
      await setHidden(page, false);
    }],
    ["frozen", () => whileFrozen(page, () => wait(AWAY_MS))],
  ])) {
    test(`is in time at once after the page was ${what}`, async (t) => {
      await page.evaluate(() => /** @type {any} */ (document.querySelector("pose-replay")).fastSeek?.(0));
      await playAt(page, 1);
      await takeAccount(page);
      await wait(500);
      const before = await takeAccount(page);
      const start = Math.min(...before.arrivals.map(({ at, timestamp }) => at - 1000 * timestamp));
      await away();
      await wait(1000);
      const { repaints } = await takeAccount(page);
      const late = repaints.map(({ drawnAt, timestamp }) => drawnAt - 1000 * timestamp - start);
      t.diagnostic(`the first poses drawn after ${AWAY_MS} ms were ${late.slice(0, 4).map((ms) => ms.toFixed(1)).join(", ")} ms late`);
      // Old poses that are shown one after the other would each be late by less than the one before.
      const outOfTime = late.filter((ms) => ms > AWAY_MS / 2).length;
      assert.ok(outOfTime <= 1, `${outOfTime} old poses were shown first`);
      assert.ok(late.length > 0, "nothing was drawn afterwards");
    });
  }

  test("no page had an error", () => assert.deepEqual(browser.problems, []));
});
