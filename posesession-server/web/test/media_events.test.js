// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { mediaEvents } from "../js/media_events.js";

const PAUSED = { readyState: 4, duration: 10, status: "paused", paused: true, ended: false, seeking: false, playbackRate: 1 };
const PLAYING = { ...PAUSED, status: "playing", paused: false };
const NOTHING = { ...PAUSED, readyState: 0, duration: NaN, status: "connecting" };

test("what stays as it is has no event", () => {
  assert.deepEqual(mediaEvents(PAUSED, PAUSED), []);
  assert.deepEqual(mediaEvents(NOTHING, NOTHING), []);
});

test("a session that has come tells what is there, step by step", () => {
  assert.deepEqual(mediaEvents(NOTHING, { ...PAUSED, readyState: 1, status: "connecting" }), ["durationchange", "loadedmetadata"]);
  assert.deepEqual(mediaEvents({ ...PAUSED, readyState: 1 }, PAUSED), ["loadeddata", "canplay"]);
});

test("play, pause, seek, rate and end have the media element's events in its order", () => {
  assert.deepEqual(mediaEvents(PAUSED, PLAYING), ["play", "statechange", "playing"]);
  assert.deepEqual(mediaEvents(PLAYING, PAUSED), ["statechange", "timeupdate", "pause"]);
  assert.deepEqual(mediaEvents(PLAYING, { ...PLAYING, status: "buffering" }), ["statechange", "waiting"]);
  assert.deepEqual(mediaEvents(PAUSED, { ...PAUSED, seeking: true }), ["seeking"]);
  assert.deepEqual(mediaEvents({ ...PAUSED, seeking: true }, PAUSED), ["timeupdate", "seeked"]);
  assert.deepEqual(mediaEvents(PAUSED, { ...PAUSED, playbackRate: -2 }), ["ratechange"]);
  assert.deepEqual(mediaEvents(PLAYING, { ...PAUSED, status: "ended", ended: true }), ["statechange", "timeupdate", "pause", "ended"]);
});

test("a live session that grows says so", () => {
  assert.deepEqual(mediaEvents(PLAYING, { ...PLAYING, duration: 11 }), ["durationchange"]);
});
