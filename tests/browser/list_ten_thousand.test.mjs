// @ts-check
// The list with 10,000 sessions: found, paged through to the end, each exactly once and in order. Figures are told, not judged.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Browser, screenshot, waitForState } from "./support/browser.mjs";
import { numberedName, seedMany } from "./support/seed.mjs";
import { Server } from "./support/server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const COUNT = 10_000;

/** @param {Page} page */
function names(page) {
  return page.locator("#sessions .session-name").allTextContents();
}

/**
 * Waits until the list says this about how many it shows.
 * @param {Page} page
 * @param {string} text
 */
async function waitForRange(page, text) {
  await page.waitForFunction((wanted) => document.documentElement.dataset.state === "ready" && document.getElementById("range")?.textContent === wanted, text);
}

describe("the list of 10,000 sessions", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;

  before(async () => {
    server = await Server.start();
    await seedMany(server, COUNT);
    browser = await Browser.start();
  });

  after(async () => {
    await browser?.stop();
    if (server) assert.equal(await server.stop(), 0, `the server did not end well:\n${server.log}`);
  });

  test("the first rows are there at once, with their pictures", async (t) => {
    const start = performance.now();
    const page = await browser.open(`${server.address}/session_list.html`);
    await waitForRange(page, "1–50 of 10,000 sessions");
    t.diagnostic(`first rows after ${Math.round(performance.now() - start)} ms from opening the page`);
    await page.locator("[data-picture=drawn]").nth(4).waitFor();
    t.diagnostic(`first pictures after ${Math.round(performance.now() - start)} ms`);
    assert.equal((await names(page)).length, 50);
    await screenshot(page, "list-10000");
    await page.close();
  });

  test("a search finds the one that is meant", async (t) => {
    const page = await browser.open(`${server.address}/session_list.html`);
    await waitForState(page, { state: "ready" });
    const start = performance.now();
    await page.fill("#search", "07315");
    await waitForRange(page, "1 session");
    t.diagnostic(`found after ${Math.round(performance.now() - start)} ms from the last key`);
    assert.deepEqual(await names(page), [numberedName(7315)]);
    await page.close();
  });

  test("paging to the end shows each exactly once, sorted, and back again", async (t) => {
    const page = await browser.open(`${server.address}/session_list.html?sort=name+asc`);
    await waitForState(page, { state: "ready" });
    await page.selectOption("#page-size", "200");
    await waitForRange(page, "1–200 of 10,000 sessions");
    const all = await names(page);
    const times = [];
    for (let first = 201; first <= COUNT; first += 200) {
      const start = performance.now();
      await page.keyboard.press("n");
      await waitForRange(page, `${first.toLocaleString("en")}–${(first + 199).toLocaleString("en")} of 10,000 sessions`);
      times.push(performance.now() - start);
      all.push(...(await names(page)));
    }
    t.diagnostic(`a page of 200: median ${Math.round(times.sort((a, b) => a - b)[Math.floor(times.length / 2)])} ms, most ${Math.round(times.at(-1) ?? 0)} ms`);
    assert.deepEqual(all, Array.from({ length: COUNT }, (_, index) => numberedName(index)));
    assert.equal(await page.isDisabled("#next-page"), true);

    await page.reload();
    await waitForRange(page, "9,801–10,000 of 10,000 sessions");
    await page.click("#previous-page");
    await waitForRange(page, "9,601–9,800 of 10,000 sessions");
    assert.deepEqual(await names(page), all.slice(9600, 9800));
    await page.goBack();
    await waitForRange(page, "9,801–10,000 of 10,000 sessions");
    await page.close();
  });

  test("each order is the one that it says", async () => {
    const page = await browser.open(`${server.address}/session_list.html`);
    await waitForState(page, { state: "ready" });
    await page.selectOption("#page-size", "200");
    for (const [order, field] of [["duration desc", "duration"], ["duration asc", "duration"], ["frame_count desc", "frame_count"], ["created_at asc", "created_at"], ["name desc", "name"]]) {
      await page.selectOption("#sort", order);
      await page.waitForFunction((wanted) => document.documentElement.dataset.state === "ready" && (new URL(location.href).searchParams.get("sort") ?? "") === wanted, order);
      const shown = await page.locator("#sessions > li").evaluateAll((cards) => cards.map((card) => /** @type {HTMLElement} */ (card).dataset.sessionId));
      const values = await Promise.all(shown.filter((_, index) => index % 20 === 0).map(async (id) => (await server.json(`/api/sessions/${id}`))[field]));
      const sorted = [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
      assert.deepEqual(values, order.endsWith("desc") ? sorted.reverse() : sorted, order);
    }
    await page.close();
  });

  test("no page had an error, broke its security policy or asked another host", () => {
    assert.deepEqual(browser.problems, []);
  });
});
