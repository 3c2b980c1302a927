// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestFrame, pictureCourse } from "../js/picture_course.js";

const PLAYING = { playing: true, rate: 1, wanted: 3, shown: 3, duration: 10, seekSeconds: 0.1 };

test("a video that is in step plays at the replay's rate", () => {
  assert.deepEqual(pictureCourse(PLAYING), { rate: 1, seek: null });
  assert.deepEqual(pictureCourse({ ...PLAYING, rate: 2.5 }), { rate: 2.5, seek: null });
});

test("a video that is a little off is nudged, never so much that it is seen", () => {
  assert.deepEqual(pictureCourse({ ...PLAYING, shown: 3.05 }), { rate: 0.95, seek: null });
  assert.deepEqual(pictureCourse({ ...PLAYING, shown: 2.8 }), { rate: 1.15, seek: null });
});

test("a video that is far off seeks to where the replay will be then", () => {
  assert.deepEqual(pictureCourse({ ...PLAYING, shown: 1 }), { rate: 1, seek: 3.1 });
  assert.deepEqual(pictureCourse({ ...PLAYING, shown: 1, rate: 2 }), { rate: 2, seek: 3.2 });
});

test("a paused replay has its picture exactly, and seeks only once", () => {
  assert.deepEqual(pictureCourse({ ...PLAYING, playing: false, shown: 2.98 }), { rate: null, seek: 3 });
  assert.deepEqual(pictureCourse({ ...PLAYING, playing: false }), { rate: null, seek: null });
});

test("backwards and very fast a video is sought from picture to picture", () => {
  assert.deepEqual(pictureCourse({ ...PLAYING, rate: -1, shown: 3.2 }), { rate: null, seek: 3 });
  assert.deepEqual(pictureCourse({ ...PLAYING, rate: 8, shown: 2 }), { rate: null, seek: 3 });
});

test("before its start and after its end a video stands", () => {
  assert.deepEqual(pictureCourse({ ...PLAYING, wanted: -0.5, shown: 0 }), { rate: null, seek: null });
  assert.deepEqual(pictureCourse({ ...PLAYING, wanted: 12, shown: 9 }), { rate: null, seek: 10 });
});

test("the frame of a picture is the nearest in time", () => {
  const frames = [0, 0.033, 0.067, 0.1].map((timestamp) => ({ timestamp }));
  assert.equal(nearestFrame(frames, 0.06)?.timestamp, 0.067);
  assert.equal(nearestFrame(frames, 9)?.timestamp, 0.1);
  assert.equal(nearestFrame([], 0), null);
});
