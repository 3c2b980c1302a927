// @ts-check
// Pose and picture in step: a person who slides to and fro in numbered pictures is recorded with video by the page; then each
// stored pose is compared with the picture that the stored video shows at its time.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";

import { Browser, waitForNumber, waitForState } from "./support/browser.mjs";
import { AMPLITUDE, fitMotion, FRAME_SECONDS, LOOP_SECONDS, makeSlidingPerson, notedPictures, notePictures, picturesBetween, readNumbers, seekNumbers, waitForCamera } from "./support/known_motion.mjs";
import { Server } from "./support/server.mjs";

const SECONDS_BEFORE_PAUSE = 5;
const PAUSE_SECONDS = 3;
const RECORDED_SECONDS = 10;
/** The first pictures keep the model busy for long. */
const WARM_POSES = 30;
/** WebM's resolution of time. */
const TICK_SECONDS = 0.001;
const SEEKS = 12;
const SHOULDERS_AND_HIPS = [11, 12, 23, 24];

/**
 * @typedef {object} Pair a stored pose and its picture
 * @property {number} timestamp of the pose, seconds of the session
 * @property {number} taken when, seconds of the page, which go on in a pause
 * @property {number} x of the torso, as a part of the picture
 * @property {number} number of the picture in which it was found
 */

/**
 * Tells poses apart: no two have the same.
 * @param {number[]} values of the first keypoints
 */
function key(values) {
  return values.slice(0, 8).map(Math.fround).join(" ");
}

/**
 * @param {number[]} values
 * @param {number} part
 */
function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}

/** @param {number[]} seconds */
function distribution(seconds) {
  const [least, fifth, median, ninetyFifth, most] = [0, 0.05, 0.5, 0.95, 1].map((part) => (1000 * quantile(seconds, part)).toFixed(1));
  return `least ${least}, 5 % ${fifth}, median ${median}, 95 % ${ninetyFifth}, most ${most} ms`;
}

describe("pose and picture in step", { timeout: 900_000 }, () => {
  /** @type {Server} */
  let server;
  /** @type {Browser} */
  let browser;
  let folder = "";
  let address = "";
  /** @type {Pair[]} */
  let pairs = [];
  let start = 0;
  /** @type {{ time: number, number: number }[]} */
  let pictures = [];
  /** The last pose before the pause and the first after it, seconds of the session. */
  let pause = { before: 0, after: 0 };

  /**
   * The picture that a player shows at a time of the session.
   * @param {number} timestamp
   */
  function pictureAt(timestamp) {
    return pictures.findLast(({ time }) => start + time <= timestamp + TICK_SECONDS);
  }

  /**
   * The picture in which a pose was found; of those with its number, which comes round again, the nearest.
   *
   * Never one from beyond the pause: it has no length in the session, so that a pause about as long as a round has the same
   * numbers soon again after it, and a pose whose picture the encoder left out would be given such a one.
   * @param {Pair} pair
   */
  function pictureOf({ timestamp, number }) {
    const away = (/** @type {{ time: number }} */ { time }) => Math.abs(start + time - timestamp);
    const isHere = (/** @type {{ time: number }} */ { time }) => (timestamp <= pause.before ? start + time < pause.after - TICK_SECONDS : start + time > pause.before + TICK_SECONDS);
    const same = pictures.filter((picture) => picture.number === number && away(picture) < LOOP_SECONDS / 2 && isHere(picture));
    return same.sort((a, b) => away(a) - away(b)).at(0);
  }

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "posesession-sliding-"));
    server = await Server.start();
    browser = await Browser.start({ camera: await makeSlidingPerson(folder) });
  });

  after(async () => {
    await browser?.stop();
    if (folder) await rm(folder, { recursive: true, force: true });
    if (server) assert.equal(await server.stop(), 0, `the server did not end well:\n${server.log}`);
  });

  test("a session is recorded with its video, and with a pause", async (t) => {
    const page = await browser.open(`${server.address}/pose_realtime.html`);
    await waitForState(page, { state: "live", connection: "open", source: "camera" });
    await waitForNumber(page, "framesSent", WARM_POSES);
    await notePictures(page);
    await page.check("#with-video");
    await page.click("#record");
    await waitForState(page, { state: "recording" });
    await waitForNumber(page, "duration", SECONDS_BEFORE_PAUSE);
    await page.click("#pause");
    await waitForState(page, { state: "paused" });
    await waitForCamera(page, PAUSE_SECONDS);
    await page.click("#pause");
    await waitForState(page, { state: "recording" });
    await waitForNumber(page, "duration", RECORDED_SECONDS);
    await page.click("#stop");
    await waitForState(page, { state: "finalized" });
    const { sessionId, posesPerSecond } = await page.evaluate(() => ({ ...document.documentElement.dataset }));
    const noted = await notedPictures(page);
    await page.close();

    const session = await server.json(`/api/sessions/${sessionId}`);
    start = session.metadata.video.start;
    address = `${server.address}/api/sessions/${sessionId}/video`;
    pictures = await readNumbers(address);
    const numbers = new Map(noted.map(({ number, timestamp, values }) => [key(values), { number, taken: timestamp }]));
    const frames = await server.frames(String(sessionId));
    /** @type {Pair[]} */
    const found = frames.flatMap(({ timestamp, pose_data: { persons } }) => {
      const note = persons.length > 0 ? numbers.get(key(persons[0].pose.flat())) : undefined;
      if (note === undefined) return [];
      const x = SHOULDERS_AND_HIPS.reduce((sum, keypoint) => sum + persons[0].pose[keypoint][0], 0) / SHOULDERS_AND_HIPS.length;
      return [{ timestamp, x, ...note }];
    });
    t.diagnostic(`${posesPerSecond} poses/s; ${frames.length} poses and ${pictures.length} pictures stored in ${session.duration} s; video from ${start} s`);
    assert.ok(found.length >= 0.95 * frames.length, `only ${found.length} of ${frames.length} poses are those that the page found`);
    pairs = found.filter(({ timestamp }) => timestamp >= start);
    assert.ok(pairs.length >= 0.5 * found.length, `the video begins after ${found.length - pairs.length} of ${found.length} poses`);
    assert.equal(session.status, "completed");
    // Where the page's time went on most beyond the session's.
    const skipped = found.slice(1).map(({ timestamp, taken }, index) => taken - found[index].taken - (timestamp - found[index].timestamp));
    const longest = Math.max(...skipped);
    assert.ok(longest >= PAUSE_SECONDS - 1, `the longest pause took only ${longest} s`);
    const last = skipped.indexOf(longest);
    pause = { before: found[last].timestamp, after: found[last + 1].timestamp };
    t.diagnostic(`pause of ${longest.toFixed(3)} s between ${pause.before} and ${pause.after} s`);
  });

  test("a picture's time in the session is the time of the pose that was found in it, within one frame", (t) => {
    const offsets = pairs.flatMap((pair) => {
      const picture = pictureOf(pair);
      return picture ? [start + picture.time - pair.timestamp] : [];
    });
    t.diagnostic(`picture after pose: ${distribution(offsets)}; ${offsets.length} of ${pairs.length} poses have their picture in the video`);
    assert.ok(offsets.length >= 0.9 * pairs.length, `only ${offsets.length} of ${pairs.length} poses have their picture in the video`);
    for (const offset of offsets) assert.ok(Math.abs(offset) <= FRAME_SECONDS, `a picture is ${(1000 * offset).toFixed(1)} ms after its pose`);
  });

  test("the picture that the video shows at a pose's time is the one in which the pose was found", (t) => {
    const late = pairs.flatMap(({ timestamp, number }) => {
      const shown = pictureAt(timestamp);
      return shown ? [picturesBetween(shown.number, number)] : [];
    });
    assert.equal(late.length, pairs.length);
    const same = late.filter((pictures) => pictures === 0).length;
    const counts = [...new Set(late)].sort((a, b) => a - b).map((pictures) => `${pictures}: ${late.filter((each) => each === pictures).length}`);
    t.diagnostic(`${same} of ${late.length} poses are shown with their very picture; pictures that the video is behind: ${counts.join(", ")}`);
    // What the encoder could not do in time is not in the video: then the picture before stands.
    assert.ok(same >= 0.9 * late.length, `only ${same} of ${late.length} poses are shown with their own picture`);
  });

  test("the person is where the pose is: the known motion has no more than one frame between them", (t) => {
    const seen = pairs.flatMap(({ timestamp, x }) => {
      const shown = pictureAt(timestamp);
      return shown ? [{ number: shown.number, x }] : [];
    });
    const inVideo = fitMotion(seen);
    const inModel = fitMotion(pairs);
    const milliseconds = (/** @type {number} */ seconds) => `${(1000 * seconds).toFixed(1)} ms`;
    t.diagnostic(`pose after the motion shown: ${milliseconds(inVideo.lag)}; of it by the model's own smoothing ${milliseconds(inModel.lag)}; the person goes ${inModel.amplitude.toFixed(4)} to either side`);
    assert.ok(Math.abs(inModel.amplitude / AMPLITUDE - 1) < 0.1, `the poses do not follow the person: they go ${inModel.amplitude} to either side`);
    assert.ok(Math.abs(inVideo.lag) <= FRAME_SECONDS, `the pose is ${milliseconds(inVideo.lag)} behind the picture`);
    assert.ok(Math.abs(inVideo.lag - inModel.lag) <= FRAME_SECONDS / 4, `the recording adds ${milliseconds(inVideo.lag - inModel.lag)} to the model's lag`);
  });

  test("a browser that seeks shows each picture at its time", async (t) => {
    const page = await browser.open(`${server.address}/session_list.html`);
    const times = pairs.filter((_, index, { length }) => index % Math.ceil(length / SEEKS) === 0).map(({ timestamp }) => timestamp - start + TICK_SECONDS);
    const shown = await seekNumbers(page, new URL(address).pathname, times);
    // Chromium takes a picture to last as long as the average one: it may show the one before.
    t.diagnostic(`shown before the time sought: ${distribution(shown.map(({ time }, index) => times[index] - time))}`);
    for (const { time, number } of shown) {
      const there = pictures.filter((picture) => Math.abs(picture.time - time) <= TICK_SECONDS).map((picture) => picture.number);
      assert.ok(there.includes(number), `at ${time} s the browser shows picture ${number}, the video has ${there}`);
    }
    await page.close();
  });

  test("no page had an error, broke its security policy or asked another host", () => {
    assert.deepEqual(browser.problems, []);
  });
});
