// @ts-check
// What a browser recorded, sought in a browser after the server has rewritten it: the right picture at every session time.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import { RecordClient } from "../../posesession-server/web/js/record_client.js";
import { Browser } from "./support/browser.mjs";
import { openSocket } from "./support/prerequisites.mjs";
import { Server } from "./support/server.mjs";
import { seekPictures } from "./support/video_pictures.mjs";

/** 2.6 s of a canvas by MediaRecorder; a square wanders from left to right by 20 px a second. */
const WEBM = new URL("../../testdata/video/media_recorder.webm", import.meta.url);
const FPS = 30;
/** The streamer's clock at the first pose; the first picture was taken half a second later. */
const CLOCK = 1000;
const START = 0.5;

/** @type {{ server: Server, browser: Browser }} */
let world;

/**
 * Records a session with the video; a pause takes 0.5 s of the streamer's clock.
 * @param {{ pause_at?: number, bytes?: number }} [options]
 */
async function record({ pause_at: pauseAt = Infinity, bytes = Infinity } = {}) {
  const client = new RecordClient({ url: world.server.recordAddress, openSocket: openSocket() });
  await client.connect();
  await client.publish({ skeleton: "coco_17", fps: FPS, publisher: "films" });
  await client.startRecording({ name: "filmed", video: { mime: "video/webm;codecs=vp8" } });
  let paused = false;
  for (let number = 0; number / FPS < 3.2; number++) {
    if (number / FPS > pauseAt && !paused) {
      paused = true;
      await client.pauseRecording();
      await client.resumeRecording();
      number += FPS / 2 - 1;
    }
    client.sendFrame({ timestamp: CLOCK + number / FPS, frame_number: number, values: new Float32Array(17 * 3), person_ids: [0] });
  }
  const video = await readFile(WEBM);
  assert.ok(client.sendVideo(new Uint8Array(video).slice(0, bytes).buffer, 0, CLOCK + START));
  const { session } = await client.stopRecording();
  client.close();
  return session;
}

/**
 * Seeks to session times and returns where the square is then, as pixels.
 * @param {import("../../posesession-server/web/js/session_api.js").SessionRecording} session
 * @param {number[]} times
 */
async function squares(session, times) {
  const page = await world.browser.open(`${world.server.address}/session_list.html`);
  const videoTimes = times.map((time) => time - Number(videoOf(session).start));
  const { pictures, duration, seekable } = await seekPictures(page, `/api/sessions/${session.id}/video`, videoTimes, { part: { y: 23, width: 64, height: 1 }, pixels: 64 });
  await page.close();
  const places = pictures.map(({ row }) => {
    const bright = row.flatMap((brightness, x) => (brightness > 140 ? [x] : []));
    return bright.reduce((sum, x) => sum + x, 0) / bright.length;
  });
  return { places, duration, seekable };
}

/** @param {import("../../posesession-server/web/js/session_api.js").SessionRecording} session */
function videoOf(session) {
  return /** @type {Record<string, unknown>} */ (session.metadata.video);
}

describe("a recorded video", { timeout: 900_000 }, () => {
  before(async () => {
    world = { server: await Server.start(), browser: await Browser.start() };
  });

  after(async () => {
    await world?.browser.stop();
    if (world) assert.equal(await world.server.stop(), 0, `the server did not end well:\n${world.server.log}`);
  });

  test("has a length and shows the right picture wherever it is sought", async (t) => {
    const session = await record();
    assert.deepEqual(videoOf(session), { mime: "video/webm;codecs=vp8", start: START });
    const { places, duration, seekable } = await squares(session, [2.8, 0.7, 2.0, 1.3]);
    assert.equal(seekable, duration);
    assert.ok(duration > 2.55 && duration < 2.75, `${duration} s`);
    t.diagnostic(`the square at 2.8, 0.7, 2.0, 1.3 s: ${places.map((x) => x.toFixed(1))} px`);
    assert.ok(places[1] < places[3] && places[3] < places[2] && places[2] < places[0], `${places}`);
  });

  test("has no time in which the recording was paused", async () => {
    const whole = await record();
    const paused = await record({ pause_at: 1.5 });
    assert.deepEqual(videoOf(paused), { mime: "video/webm;codecs=vp8", start: START });
    const { places: early, duration: long } = await squares(whole, [1.2, 2.2, 2.8]);
    const { places: late, duration: short } = await squares(paused, [1.2, 1.7 + 1 / FPS, 2.3 + 1 / FPS]);
    assert.ok(Math.abs(long - short - (0.5 - 1 / FPS)) < 0.002, `${long} s, with the pause ${short} s`);
    for (const [at, x] of early.entries()) assert.ok(Math.abs(x - late[at]) <= 1, `${early} px, with the pause ${late} px`);
  });

  test("that broke off plays to the break", async () => {
    const session = await record({ bytes: 3001 });
    const { places, duration } = await squares(session, [2.3, 1.0]);
    assert.ok(duration > 1.8 && duration < 2.1, `${duration} s`);
    assert.ok(places[0] > places[1], `${places}`);
  });

  test("nothing went wrong in the pages", () => {
    assert.deepEqual(world.browser.problems, []);
  });
});
