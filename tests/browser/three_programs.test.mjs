// @ts-check
// The camera, the controls and the server as three programs: the Python streamer publishes a real video, the page watches
// that stream and records it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { Browser, screenshot, state, waitForNumber, waitForPose, waitForState } from "./support/browser.mjs";
import { personVideo, ROOT, streamerPython } from "./support/prerequisites.mjs";
import { Server } from "./support/server.mjs";

const STREAM = "camera 1";

describe("a streamer, and a page as its remote control", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;
  /** @type {import("node:child_process").ChildProcess} */
  let streamer;
  let streamerSaid = "";

  before(async () => {
    server = await Server.start();
    browser = await Browser.start();
    streamer = spawn(
      streamerPython(),
      [
        "-W", "ignore", path.join(ROOT, "examples", "pose_streamer.py"),
        "--server", server.address, "--source", personVideo(), "--stream", STREAM, "--loop", "--real-time",
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    streamer.stderr?.on("data", (data) => (streamerSaid += data));
  });

  after(async () => {
    if (streamer?.exitCode === null) streamer.kill("SIGKILL");
    await browser?.stop();
    if (server) assert.equal(await server.stop(), 0, `the server did not end well:\n${server.log}`);
  });

  test("the page shows and records what the streamer sees", async () => {
    const page = await browser.open(`${server.address}/pose_realtime.html?source=remote&stream=${encodeURIComponent(STREAM)}`);
    await waitForState(page, { connection: "open", source: "remote", state: "live", persons: "1" });
    await waitForPose(page, 200);
    await page.fill("#session-name", "From another program");
    await page.click("#record");
    await waitForState(page, { state: "recording" });
    await waitForNumber(page, "frameCount", 30);
    await screenshot(page, "7-remote-stream");
    await page.click("#stop");
    await waitForState(page, { state: "finalized" });
    const { sessionId } = await state(page);
    await page.close();

    const session = await server.json(`/api/sessions/${sessionId}`);
    assert.equal(session.status, "completed");
    assert.equal(session.name, "From another program");
    const frames = await server.frames(sessionId);
    assert.ok(frames.length >= 30, `only ${frames.length} frames`);
    assert.ok(frames.every(({ pose_data: { persons } }) => persons.length <= 1));
    assert.ok(frames.filter(({ pose_data: { persons } }) => persons.length === 1).length >= 0.9 * frames.length, "the person is missing");
    for (const { frame_number: number } of [frames[0], /** @type {any} */ (frames.at(-1))]) {
      const image = await fetch(`${server.address}/api/sessions/${sessionId}/frames/${number}/image`);
      assert.equal(image.status, 200);
      const start = new Uint8Array(await image.arrayBuffer()).subarray(0, 3);
      assert.deepEqual([...start], [0xff, 0xd8, 0xff], "the picture is not a JPEG");
    }
  });

  test("the streamer was told, and Ctrl-C ends it", async () => {
    const exited = once(streamer, "exit");
    streamer.kill("SIGINT");
    assert.deepEqual(await exited, [0, null], streamerSaid);
    assert.match(streamerSaid, /recording started: /);
    assert.match(streamerSaid, /recording stopped: /);
  });

  test("no page had an error, broke its security policy or asked another host", () => {
    assert.deepEqual(browser.problems, []);
  });
});
