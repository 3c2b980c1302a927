// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { VideoTimes } from "../js/video_times.js";

/** @param {number} actual @param {number} expected */
const near = (actual, expected) => assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

test("without cuts a video is in session time, but for its start", () => {
  const times = new VideoTimes({ start: -0.25 });
  near(times.videoTime(1), 1.25);
  near(times.timestamp(1.25), 1);
  near(new VideoTimes({}).videoTime(3), 3);
});

test("a pause lasts in the video and takes no session time", () => {
  const times = new VideoTimes({ start: 0.5, cuts: [{ at: 8, length: 1 }, { at: 4, length: 3 }] });
  for (const [timestamp, videoTime] of [[0.5, 0], [3.9, 3.4], [4, 6.5], [7.9, 10.4], [8, 11.5], [10, 13.5]]) {
    near(times.videoTime(timestamp), videoTime);
    near(times.timestamp(videoTime), timestamp);
  }
  near(times.timestamp(5), 4);
  near(times.timestamp(11), 8);
});

test("where session time went ahead of the video, the video goes on after it", () => {
  const times = new VideoTimes({ cuts: [{ at: 4, length: -1 }] });
  near(times.videoTime(4), 3);
  near(times.timestamp(3), 4);
  near(times.timestamp(2.9), 2.9);
  near(times.timestamp(5), 6);
});
