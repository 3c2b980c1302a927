#!/usr/bin/env node
// A canvas in, testdata/video/media_recorder*.webm out: what Chromium's MediaRecorder yields, for the store's tests.

import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";

const { chromium } = createRequire(new URL("../posesession-server/web/package.json", import.meta.url))("playwright-core");
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage();

/** @param {boolean} alpha a canvas that can be transparent makes block groups, another one simple blocks */
async function sample(alpha) {
  const base64 = await page.evaluate(async (alpha) => {
    const canvas = document.createElement("canvas");
    canvas.width = 64;
    canvas.height = 48;
    const brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha }));
    const recorder = new MediaRecorder(canvas.captureStream(30), {
      mimeType: "video/webm;codecs=vp8",
      videoBitsPerSecond: 40_000,
      videoKeyFrameIntervalDuration: 1000,
    });
    /** @type {Blob[]} */
    const pieces = [];
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve));
    recorder.start(500);
    for (let picture = 0; picture < 50; picture++) {
      brush.fillStyle = "#204060";
      brush.fillRect(0, 0, 64, 48);
      brush.fillStyle = "#e0c040";
      brush.fillRect(picture, 20, 6, 6);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    recorder.stop();
    await stopped;
    const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
    return btoa(String.fromCharCode(...bytes));
  }, alpha);
  return Buffer.from(base64, "base64");
}

const folder = new URL("../testdata/video/", import.meta.url);
await writeFile(new URL("media_recorder.webm", folder), await sample(false));
await writeFile(new URL("media_recorder_alpha.webm", folder), await sample(true));
await browser.close();
