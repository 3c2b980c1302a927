// @ts-check
// A server that was built and started without the browser's pose model: the page says what to do, and the rest works.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Browser, screenshot, waitForState } from "./support/browser.mjs";
import { Server } from "./support/server.mjs";

describe("a server without the pose model", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;

  before(async () => {
    server = await Server.start({ vision: "/nonexistent/vision" });
    browser = await Browser.start();
  });

  after(async () => {
    await browser?.stop();
    await server?.stop();
  });

  test("the recording page names the command that fetches it", async () => {
    const page = await browser.open(`${server.address}/pose_realtime.html`);
    await waitForState(page, { source: "failed", sourceError: "vision_unavailable", connection: "open" });
    assert.match((await page.textContent("#notice")) ?? "", /make vision/);
    assert.equal(await page.isDisabled("#record"), true);
    await screenshot(page, "8-without-model");
    await page.close();
  });

  test("the list says how the first session is made", async () => {
    const page = await browser.open(server.address);
    await waitForState(page, { state: "ready", sessionCount: "0" });
    assert.equal(new URL(page.url()).pathname, "/session_list.html");
    assert.equal(await page.isVisible("#empty"), true);
    await page.close();
  });

  test("no page had an error, broke its security policy or asked another host", () => {
    assert.deepEqual(browser.problems, []);
  });
});
