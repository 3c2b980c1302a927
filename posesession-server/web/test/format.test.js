// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, formatDate, formatExactness, formatTime } from "../js/format.js";

test("times show minutes, seconds and tenths, hours where there are any", () => {
  assert.equal(formatTime(0), "0:00.0");
  assert.equal(formatTime(62.34), "1:02.3");
  assert.equal(formatTime(0.3), "0:00.3");
  assert.equal(formatTime(3599.99), "59:59.9");
  assert.equal(formatTime(3600), "1:00:00.0");
  assert.equal(formatTime(NaN), "–");
});

test("sizes grow through their units", () => {
  assert.equal(formatBytes(0), "0 B");
  assert.equal(formatBytes(999), "999 B");
  assert.equal(formatBytes(3400), "3.4 kB");
  assert.equal(formatBytes(12_345_678), "12 MB");
});

test("what is no date is a dash", () => {
  assert.equal(formatDate("yesterday"), "–");
  assert.match(formatDate("2026-03-04T05:06:07Z"), /2026/);
});

test("how far values may be off", () => {
  assert.equal(formatExactness({}), "lossless");
  assert.equal(formatExactness({ max_error: { x: 0.25, confidence: 1 / 512 } }), "±0.25 in x, ±0.00195 in confidence");
  assert.equal(formatExactness({ max_error: { x: 5e-5 } }), "±0.00005 in x");
});
