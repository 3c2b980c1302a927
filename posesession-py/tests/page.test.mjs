// @ts-check
// Python and the browser's page, over a server that is the wheel's own: what Python records the page shows, what JavaScript
// records Python reads.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";

import { Browser, overlay, screenshot, waitForState } from "../../tests/browser/support/browser.mjs";
import { seedSession } from "../../tests/browser/support/seed.mjs";
import { Server } from "../../tests/browser/support/server.mjs";

const HERE = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);

/**
 * Runs a program of this folder with the Python in which the wheel is installed; returns what it prints.
 * @param {string} program
 * @param {string[]} args
 */
async function python(program, ...args) {
  const interpreter = process.env.POSESESSION_PYTHON;
  assert.ok(interpreter, "POSESESSION_PYTHON names the Python with the wheel: run scripts/test_wheel.sh");
  const { stdout } = await promisify(execFile)(interpreter, [path.join(HERE, program), ...args]);
  return JSON.parse(stdout);
}

describe("Python and the page", { timeout: 180_000 }, () => {
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
    if (server) assert.equal(await server.stop(), 0, `the server did not end well:\n${server.log}`);
  });

  test("the page shows what Python recorded", async () => {
    const { id, frame_count } = await python("record_walk.py", server.address);
    assert.equal(frame_count, 120);
    const page = await browser.open(`${server.address}/session_replay.html?session=${id}`);
    await waitForState(page, { state: "paused", frameNumber: "0" });
    await page.keyboard.press("Space");
    await waitForState(page, { state: "ended", frameNumber: "119" });
    assert.ok((await overlay(page)).drawn > 200, "the pose is not drawn");
    await screenshot(page, "python-session");
    await page.close();
    assert.deepEqual(browser.problems, []);
  });

  test("Python reads what JavaScript recorded", async () => {
    const id = await seedSession(server, { name: "From JavaScript", seconds: 2, fps: 30, persons: 2, markers: [{ label: "deep", at: 1 }] });
    const { frames } = await server.json(`/api/sessions/${id}/frames?from=40&to=41`);
    const read = await python("read_session.py", server.address, id, "40");
    assert.equal(read.name, "From JavaScript");
    assert.deepEqual(read.shape.slice(1), [2, 33, 4]);
    assert.deepEqual(read.markers, ["deep"]);
    assert.equal(read.timestamp, frames[0].timestamp);
    const persons = frames[0].pose_data.persons.map((/** @type {{ pose: number[][] }} */ person) => person.pose.map((keypoint) => keypoint.map(Math.fround)));
    assert.deepEqual(read.keypoints, persons);
  });
});
