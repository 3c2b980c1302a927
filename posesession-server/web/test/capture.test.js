// @ts-check
// When a picture was taken, and whether a graphics processor is worth it.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { isSoftwareRenderer, rememberDelegate, rememberedDelegate, Trial } from "../js/delegate.js";
import { takenAt } from "../js/picture.js";

/**
 * @param {number[]} durations of inferences, ms
 */
function verdict(durations) {
  const trial = new Trial();
  const said = durations.map((duration) => trial.push(duration));
  return said.find((each) => each !== "trying") ?? "trying";
}

test("a picture was taken when its frame was, by the camera's account where there is one", () => {
  assert.equal(takenAt({ captureTime: 995, mediaTime: 2 }, 1010), 995);
  assert.equal(takenAt({ mediaTime: 2 }, 1010), 1010);
});

test("a picture that is ahead of the announced frame has its own time", () => {
  assert.equal(takenAt({ captureTime: 995, mediaTime: 2 }, 1010, 2_000_000), 995);
  assert.equal(takenAt({ captureTime: 995, mediaTime: 2 }, 1010, 2_033_000), 1028);
});

test("a picture with a clock of its own has the announced frame's time", () => {
  assert.equal(takenAt({ captureTime: 995, mediaTime: 2 }, 1010, 0), 995);
});

test("a graphics processor is fast from 15 poses a second on, whatever its first pictures took", () => {
  assert.equal(verdict([4000, 300, 300, 20, 20, 20, 20, 20, 20, 20, 20]), "fast");
  assert.equal(verdict([300, 80, 80, 80, 80, 80, 80, 80, 80, 80, 80]), "slow");
});

test("one slow inference is not held against it", () => {
  assert.equal(verdict([300, 20, 20, 20, 400, 20, 20, 20, 20, 20, 20]), "fast");
});

test("who takes seconds for a picture is slow before the end of the trial", () => {
  assert.equal(verdict([1500, 1500, 1500, 1500]), "slow");
  assert.equal(verdict([1500, 100]), "trying");
});

test("the rate of a trial is that of its median inference", () => {
  const trial = new Trial();
  assert.equal(trial.poses_per_second, 0);
  for (const duration of [900, 90, 90, 20, 25, 25, 25, 300]) trial.push(duration);
  assert.equal(trial.poses_per_second, 40);
});

test("renderers that are programs on the CPU are known by name", () => {
  for (const name of [
    "ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (Subzero) (0x0000C0DE)), SwiftShader driver)",
    "llvmpipe (LLVM 15.0.7, 256 bits)",
    "ANGLE (Microsoft, Microsoft Basic Render Driver Direct3D11 vs_5_0 ps_5_0, D3D11)",
    "Apple Software Renderer",
    null,
  ]) {
    assert.equal(isSoftwareRenderer(name), true, String(name));
  }
  for (const name of ["ANGLE (Intel, Mesa Intel(R) UHD Graphics 620 (KBL GT2), OpenGL 4.6)", "Apple GPU", "Mali-G78", ""]) {
    assert.equal(isSoftwareRenderer(name), false, name);
  }
});

/** @type {any} */
const browser = globalThis;

beforeEach(() => {
  /** @type {Map<string, string>} */
  const kept = new Map();
  Object.defineProperty(browser, "localStorage", {
    configurable: true,
    value: { getItem: (/** @type {string} */ key) => kept.get(key) ?? null, setItem: (/** @type {string} */ key, /** @type {string} */ value) => kept.set(key, value) },
  });
});

test("a trial's outcome is remembered for its model and its browser", () => {
  assert.equal(rememberedDelegate("lite", "A 1"), null);
  rememberDelegate("lite", "A 1", "GPU");
  assert.equal(rememberedDelegate("lite", "A 1"), "GPU");
  assert.equal(rememberedDelegate("full", "A 1"), null);
  assert.equal(rememberedDelegate("lite", "A 2"), null);
});

test("a browser that keeps nothing, or something else, is no error", () => {
  browser.localStorage.setItem("posesession.capture.delegate.lite", "GPU");
  assert.equal(rememberedDelegate("lite", "A 1"), null);
  browser.localStorage.setItem("posesession.capture.delegate.lite", JSON.stringify({ delegate: "TPU", browser: "A 1" }));
  assert.equal(rememberedDelegate("lite", "A 1"), null);
  browser.localStorage.setItem("posesession.capture.delegate.lite", "null");
  assert.equal(rememberedDelegate("lite", "A 1"), null);
  const refuse = () => {
    throw new DOMException("no storage", "SecurityError");
  };
  Object.defineProperty(browser, "localStorage", { configurable: true, get: refuse });
  rememberDelegate("lite", "A 1", "CPU");
  assert.equal(rememberedDelegate("lite", "A 1"), null);
});
