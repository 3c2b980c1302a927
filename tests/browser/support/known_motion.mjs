// @ts-check
// A real person who slides to and fro as told, and the number of each picture in its upper edge: a webcam's video to record,
// and the means to read back what was recorded.

import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

import { personVideo } from "./prerequisites.mjs";
import { seekPictures } from "./video_pictures.mjs";

const run = promisify(execFile);

const RATE = 30;
const WIDTH = 640;
const HEIGHT = 480;
/** The numbers' digits, the least first; white is one. */
const DIGITS = 8;
const DIGIT_WIDTH = WIDTH / DIGITS;
const DIGIT_HEIGHT = 32;
const FRAMES = 240;
const PERIOD_FRAMES = 60;
const AMPLITUDE_PX = 90;
/** How long it takes until the numbers start anew, seconds. */
export const LOOP_SECONDS = FRAMES / RATE;
const MOST_BYTES = 64 * 1024 * 1024;

/** How long a picture lasts, seconds. */
export const FRAME_SECONDS = 1 / RATE;
/** How far the person goes to either side, as a part of the picture. */
export const AMPLITUDE = AMPLITUDE_PX / WIDTH;

/**
 * Makes the video; it can be repeated without a jump.
 * @param {string} folder
 * @returns {Promise<string>} its path
 */
export async function makeSlidingPerson(folder) {
  const file = path.join(folder, "sliding.mjpeg");
  const still = "[0:v]select='eq(n,0)',crop=iw:960:0:260,scale=-2:440,loop=loop=-1:size=1,fps=30,setpts=N/30/TB[person]";
  const ground = `color=0x777777:s=${WIDTH}x${HEIGHT}:r=${RATE}:d=${FRAMES / RATE}[ground]`;
  const slide = `[ground][person]overlay=x='(W-w)/2+${AMPLITUDE_PX}*sin(2*PI*t*${RATE / PERIOD_FRAMES})':y=40:shortest=1`;
  const digit = `if(bitand(N,pow(2,floor(X/${DIGIT_WIDTH}))),235,16)`;
  const number = `geq=lum='if(lt(Y,${DIGIT_HEIGHT}),${digit},lum(X,Y))':cb='if(lt(Y,${DIGIT_HEIGHT}),128,cb(X,Y))':cr='if(lt(Y,${DIGIT_HEIGHT}),128,cr(X,Y))'`;
  const filter = `${still};${ground};${slide},${number},format=yuvj420p`;
  await run("ffmpeg", ["-v", "error", "-y", "-i", personVideo(), "-filter_complex", filter, "-frames:v", String(FRAMES), "-c:v", "mjpeg", "-q:v", "3", "-f", "mjpeg", file]);
  return file;
}

/**
 * Reads the numbers of all pictures of a recorded video, with the time of each.
 * @param {string} video its address or path
 * @returns {Promise<{ time: number, number: number }[]>} time in seconds of the video
 */
export async function readNumbers(video) {
  const probing = run("ffprobe", ["-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "json", video], { maxBuffer: MOST_BYTES });
  const filter = `crop=${WIDTH}:${DIGIT_HEIGHT}:0:0,scale=${DIGITS}:1:flags=area,format=gray`;
  const decoding = run("ffmpeg", ["-v", "fatal", "-i", video, "-fps_mode", "passthrough", "-vf", filter, "-f", "rawvideo", "-"], { maxBuffer: MOST_BYTES, encoding: "buffer" });
  const [{ stdout: probed }, { stdout: digits }] = await Promise.all([probing, decoding]);
  /** @type {{ frames: { pts_time: string }[] }} */
  const { frames } = JSON.parse(probed);
  if (digits.length !== frames.length * DIGITS) throw new Error(`${digits.length / DIGITS} pictures decoded of ${frames.length}`);
  return frames.map(({ pts_time: time }, index) => ({ time: Number(time), number: numberOf(digits.subarray(index * DIGITS, (index + 1) * DIGITS)) }));
}

/** @param {Iterable<number>} digits brightness of each, 0 to 255 */
function numberOf(digits) {
  return [...digits].reduce((number, brightness, digit) => number + (brightness > 128 ? 2 ** digit : 0), 0);
}

/**
 * How many pictures later `later` is than `earlier`, the shorter way round.
 * @param {number} later
 * @param {number} earlier
 */
export function picturesBetween(earlier, later) {
  const ahead = (((later - earlier) % FRAMES) + FRAMES) % FRAMES;
  return ahead > FRAMES / 2 ? ahead - FRAMES : ahead;
}

/**
 * Finds, by least squares, how long after their pictures the positions are, and how far they go to either side.
 * @param {{ number: number, x: number }[]} positions of the person in numbered pictures
 * @returns {{ lag: number, amplitude: number }} lag in seconds
 */
export function fitMotion(positions) {
  // x = mean + a sin(phase) + b cos(phase): the normal equations of three unknowns.
  const rows = positions.map(({ number, x }) => ({ x, basis: [1, Math.sin((2 * Math.PI * number) / PERIOD_FRAMES), Math.cos((2 * Math.PI * number) / PERIOD_FRAMES)] }));
  const sums = [0, 1, 2].map((i) => [...[0, 1, 2].map((j) => total(rows.map(({ basis }) => basis[i] * basis[j]))), total(rows.map(({ basis, x }) => basis[i] * x))]);
  const [, a, b] = solve(sums);
  return { lag: (Math.atan2(-b, a) * PERIOD_FRAMES * FRAME_SECONDS) / (2 * Math.PI), amplitude: Math.hypot(a, b) };
}

/** @param {number[]} values */
function total(values) {
  return values.reduce((sum, value) => sum + value, 0);
}

/**
 * Solves linear equations by elimination.
 * @param {number[][]} equations each a row of coefficients with the right-hand side as its last
 */
function solve(equations) {
  const rows = equations.map((row) => [...row]);
  rows.forEach((pivot, index) => {
    const scaled = pivot.map((value) => value / pivot[index]);
    rows.forEach((row, other) => {
      rows[other] = other === index ? scaled : row.map((value, column) => value - scaled[column] * row[index]);
    });
  });
  return rows.map((row) => row[row.length - 1]);
}

/**
 * Notes, in a page that captures, which picture each pose was found in.
 *
 * It listens where the page's own objects tell each other of poses, and reads the number in the very picture.
 * @param {import("playwright-core").Page} page
 */
export async function notePictures(page) {
  await page.evaluate(
    async ({ width, digitHeight, digits }) => {
      const module = "/js/emitter.js";
      const { Emitter } = await import(module);
      const strip = new OffscreenCanvas(digits, 1).getContext("2d", { willReadFrequently: true });
      if (!strip) throw new Error("no canvas");
      strip.imageSmoothingQuality = "high";
      /** @type {{ number: number, timestamp: number, values: number[] }[]} */
      const noted = [];
      Object.assign(window, { notedPictures: noted });
      const emit = Emitter.prototype.emit;
      Emitter.prototype.emit = /** @this {unknown} */ function (/** @type {string} */ name, /** @type {any} */ detail) {
        if (name === "pose" && detail.image) {
          strip.drawImage(detail.image, 0, 0, width, digitHeight, 0, 0, digits, 1);
          const { data } = strip.getImageData(0, 0, digits, 1);
          let number = 0;
          for (let digit = 0; digit < digits; digit += 1) number += data[4 * digit] > 128 ? 2 ** digit : 0;
          noted.push({ number, timestamp: detail.timestamp, values: [...detail.values] });
        }
        emit.call(this, name, detail);
      };
    },
    { width: WIDTH, digitHeight: DIGIT_HEIGHT, digits: DIGITS },
  );
}

/**
 * What was noted so far.
 * @param {import("playwright-core").Page} page
 * @returns {Promise<{ number: number, timestamp: number, values: number[] }[]>}
 */
export function notedPictures(page) {
  return page.evaluate(() => /** @type {any} */ (window).notedPictures);
}

/**
 * Reads which picture the browser shows after it has sought to each of the times.
 * @param {import("playwright-core").Page} page of the video's own server
 * @param {string} address of the video
 * @param {number[]} times seconds of the video
 * @returns {Promise<{ time: number, number: number }[]>} with the time that the browser gives for it
 */
export async function seekNumbers(page, address, times) {
  const { pictures } = await seekPictures(page, address, times, { part: { y: 0, width: WIDTH, height: DIGIT_HEIGHT }, pixels: DIGITS });
  return pictures.map(({ time, row }) => ({ time, number: numberOf(row) }));
}

/**
 * Waits until the camera has gone on for so long.
 * @param {import("playwright-core").Page} page
 * @param {number} seconds
 */
export async function waitForCamera(page, seconds) {
  const from = await page.evaluate(() => performance.now() / 1000);
  await page.waitForFunction((until) => /** @type {any} */ (window).notedPictures.at(-1)?.timestamp > until, from + seconds);
}
