// @ts-check
import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { test } from "node:test";
import { FRAME, KeptRecordings, VIDEO } from "../js/kept_recordings.js";

/** @param {string} id */
const facts = (id) => ({ session_id: id, publisher: "p1", stream: "default", skeleton: "mediapipe_33", started_at: 1 });
const written = () => new Promise((resolve) => setTimeout(resolve, 50));

/** @param {string} id */
async function leftOf(id) {
  const all = await (await KeptRecordings.open())?.left();
  return all?.find((left) => left.facts.session_id === id);
}

/** @param {string} id */
async function begun(id) {
  const kept = await KeptRecordings.open();
  assert.ok(kept);
  return kept.begin(facts(id));
}

test("what is not settled outlives the page, frames and video in order", async () => {
  const kept = await begun("a");
  for (const number of [9, 10, 11]) kept.put(FRAME, number, new ArrayBuffer(number));
  kept.put(VIDEO, 100, new ArrayBuffer(100));
  kept.put(VIDEO, 200, new ArrayBuffer(100));
  kept.flush();
  await written();
  kept.settle(FRAME, 9);
  kept.settle(VIDEO, 100);
  kept.flush();
  await written();
  const left = await leftOf("a");
  assert.deepEqual(left?.facts, facts("a"));
  assert.deepEqual(left?.messages.map(({ kind, number, message }) => [kind, number, message.byteLength]), [[FRAME, 10, 10], [FRAME, 11, 11], [VIDEO, 200, 100]]);
});

test("what is settled in time is never written, and what is over is gone", async () => {
  const kept = await begun("b");
  kept.put(FRAME, 0, new ArrayBuffer(1));
  kept.settle(FRAME, 0);
  kept.flush();
  await written();
  const left = await leftOf("b");
  assert.deepEqual(left?.messages, []);
  left?.kept.end();
  left?.kept.flush();
  await written();
  assert.equal(await leftOf("b"), undefined);
});

test("no room is told once, and nothing more is written", async () => {
  const kept = await begun("c");
  let told = 0;
  kept.on("problem", () => (told += 1));
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = () => {
    throw new DOMException("no room", "QuotaExceededError");
  };
  try {
    kept.put(FRAME, 0, new ArrayBuffer(1));
    kept.flush();
    await written();
  } finally {
    IDBObjectStore.prototype.put = put;
  }
  kept.put(FRAME, 1, new ArrayBuffer(1));
  kept.flush();
  await written();
  assert.equal(told, 1);
  assert.deepEqual((await leftOf("c"))?.messages ?? [], []);
});
