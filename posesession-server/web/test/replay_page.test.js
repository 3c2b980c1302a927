// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { bucketAt, extentOf, formatAngle, jointOf, runsOf, scaleOf, ticksOf } from "../js/angle_series.js";
import { readAddress, writeAddress } from "../js/pages/session_replay_address.js";
import { describeMarker, markerNear, signsOf } from "../js/timeline_track.js";

/** @typedef {import("../js/timeline_track.js").Marker} Marker */

/**
 * @param {(number | null)[]} min
 * @param {(number | null)[]} [max]
 */
const series = (min, max = min) => ({ name: "left_knee", unit: /** @type {const} */ ("degrees"), min, max });

test("an address says which moment it opens at, and passes over what it does not understand", () => {
  assert.deepEqual(readAddress("?session=s&t=12.5&a=10&b=20&rate=-0.5&loop=ping_pong&autoplay=1"), {
    session: "s",
    t: 12.5,
    a: 10,
    b: 20,
    rate: -0.5,
    loop: "ping_pong",
    autoplay: true,
  });
  assert.deepEqual(readAddress("?t=-1&a=x&b=&rate=0&loop=twice"), { session: "", t: null, a: null, b: null, rate: null, loop: null, autoplay: false });
  assert.equal(readAddress("?a=5&b=5").b, null, "a part ends after it starts");
  assert.equal(readAddress("?rate=17").rate, null);
  assert.equal(readAddress("?t=Infinity").t, null);
});

test("an address that was written opens at the same moment", () => {
  const moment = { session: "01900000-0000-7000-8000-000000000001", t: 1.2345678, a: 0, b: 3, rate: 0.25, loop: /** @type {const} */ ("loop") };
  const address = writeAddress("http://127.0.0.1:8787/session_replay.html?session=other&autoplay=1#x", moment);
  assert.deepEqual(readAddress(new URL(address).search), { ...moment, t: 1.234568, autoplay: false });
  const usual = writeAddress("http://127.0.0.1/r", { session: "s", t: 0, a: null, b: null, rate: 1, loop: "none" });
  assert.equal(usual, "http://127.0.0.1/r?session=s&t=0");
});

test("markers of a kind that share a pixel are drawn once, gaps never too narrow to be seen", () => {
  /** @type {Marker[]} */
  const markers = [
    ...Array.from({ length: 10_000 }, (_, index) => /** @type {Marker} */ ({ kind: "user", timestamp: index / 100, label: "" })),
    { kind: "gap", timestamp: 50, label: "", duration: 0.01 },
    { kind: "gap", timestamp: 90, label: "", duration: 10 },
  ];
  const signs = signsOf(markers, 100, 500);
  assert.equal(signs.filter(({ kind }) => kind === "user").length, 501);
  assert.deepEqual(signs.filter(({ kind }) => kind === "gap"), [{ kind: "gap", x: 250, width: 3 }, { kind: "gap", x: 450, width: 50 }]);
  assert.deepEqual(signsOf(markers, NaN, 500), []);
});

test("the marker under the pointer is the nearest, a gap anywhere in it, a mark before both", () => {
  /** @type {Marker} */
  const mark = { kind: "user", timestamp: 5, label: "deep" };
  /** @type {Marker} */
  const gap = { kind: "gap", timestamp: 4, label: "", duration: 3, count: 90 };
  assert.equal(markerNear([gap, mark], 5, 0.1), mark);
  assert.equal(markerNear([gap, mark], 6.5, 0.1), gap);
  assert.equal(markerNear([gap, mark], 8, 0.1), null);
  assert.equal(describeMarker(gap), "Gap, 3.0 s, 90 frames missing");
  assert.equal(describeMarker({ kind: "paused", timestamp: 1, label: "", duration: 75 }), "Paused for 1 min 15 s");
  assert.equal(describeMarker(mark), "deep");
});

test("a moment belongs to the bucket that starts at it or before", () => {
  const timestamps = [0, 0.033333, 0.066667];
  assert.deepEqual([-1, 0, 0.0333329, 0.05, 9].map((at) => bucketAt(timestamps, at)), [-1, 0, 1, 1, 2]);
  assert.equal(bucketAt([], 1), -1);
});

test("a curve has holes where nobody was seen and where frames are missing", () => {
  assert.deepEqual(runsOf(series([null, 1, 2, null, 3, 4, 5]), new Set([4])), [[1, 2], [4, 4], [5, 6]]);
  assert.deepEqual(runsOf(series([null, null]), new Set()), []);
});

test("a plot's height stands for round figures, and never for trembling only", () => {
  assert.deepEqual(scaleOf([series([84, 170]), series([null, 121])]), { min: 80, max: 170 });
  assert.deepEqual(scaleOf([series([179, 180])]), { min: 150, max: 180 });
  assert.deepEqual(scaleOf([series([null])]), { min: 0, max: 180 });
  assert.deepEqual(extentOf(series([3, null], [9, null])), { min: 3, max: 9 });
});

test("angles and times are written as people read them", () => {
  assert.equal(formatAngle({ min: 142.6, max: 143.4 }), "143°");
  assert.equal(formatAngle({ min: 140, max: 151 }), "140–151°");
  assert.equal(formatAngle(null), "–");
  assert.deepEqual(jointOf("left_knee"), { joint: "knee", side: "left" });
  assert.deepEqual(ticksOf(0.4, 3.2, 3), [1, 2, 3]);
  assert.deepEqual(ticksOf(0, 0.3, 4), [0, 0.1, 0.2, 0.3]);
});
