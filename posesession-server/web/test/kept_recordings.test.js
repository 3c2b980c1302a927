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

/** Runs `action` while nothing finds room in the browser's database. @param {() => Promise<void>} action */
async function withoutRoom(action) {
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = () => {
    throw new DOMException("no room", "QuotaExceededError");
  };
  try {
    await action();
  } finally {
    IDBObjectStore.prototype.put = put;
  }
}

test("no room is told once; what is still wanted is written when there is some again, which is told, too", async () => {
  const kept = await begun("c");
  /** @type {string[]} */
  const told = [];
  kept.on("problem", () => told.push("problem"));
  const room = new Promise((resolve) => kept.on("room", () => resolve(told.push("room"))));
  await withoutRoom(async () => {
    for (const number of [0, 1, 2]) {
      kept.put(FRAME, number, new ArrayBuffer(1));
      kept.flush();
      await written();
    }
    kept.settle(FRAME, 1);
  });
  assert.deepEqual(told, ["problem"]);
  kept.put(FRAME, 3, new ArrayBuffer(1));
  await room;
  assert.deepEqual(told, ["problem", "room"]);
  assert.deepEqual((await leftOf("c"))?.messages.map(({ number }) => number), [2, 3]);
});

test("where nothing finds room, what is settled is erased all the same", async () => {
  const kept = await begun("d");
  for (const number of [0, 1]) kept.put(FRAME, number, new ArrayBuffer(1));
  kept.flush();
  await written();
  await withoutRoom(async () => {
    kept.put(FRAME, 2, new ArrayBuffer(1));
    kept.flush();
    await written();
    kept.settle(FRAME, 0);
    /** @type {number[]} */
    let numbers = [];
    while (numbers.length !== 1) {
      await written();
      numbers = (await leftOf("d"))?.messages.map(({ number }) => number) ?? [];
    }
    assert.deepEqual(numbers, [1]);
  });
  kept.end();
});

test("a page that goes while a piece is being written leaves the rest written, too", async () => {
  const kept = await begun("e");
  kept.put(FRAME, 0, new ArrayBuffer(1));
  kept.flush();
  kept.put(FRAME, 1, new ArrayBuffer(1));
  kept.flush();
  await written();
  assert.equal((await leftOf("e"))?.messages.length, 2);
  kept.end();
});

test("a long backlog is written in pieces, in order", async () => {
  const kept = await begun("f");
  for (let number = 0; number < 8; number += 1) kept.put(FRAME, number, new ArrayBuffer(700_000));
  /** @type {number[]} */
  let numbers = [];
  while (numbers.length < 8) {
    await written();
    numbers = (await leftOf("f"))?.messages.map(({ number }) => number) ?? [];
    assert.deepEqual(numbers, [...numbers.keys()]);
  }
  kept.end();
});

/**
 * Runs `action` in a browser whose locks are these.
 * @param {object} locks
 * @param {() => Promise<void>} action
 */
async function withLocks(locks, action) {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { configurable: true, value: { locks } });
  try {
    await action();
  } finally {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else Reflect.deleteProperty(globalThis, "navigator");
  }
}

test("what another page finishes while this one waits for it is not left", async () => {
  /** @type {(() => void)[]} */
  const waiting = [];
  /** A lock that another page holds until the test lets go. */
  const locks = {
    /** @param {string} _name @param {object} _options @param {() => Promise<unknown>} held */
    request: (_name, _options, held) => new Promise((resolve) => waiting.push(() => resolve(held()))),
  };
  const kept = await begun("g");
  kept.put(FRAME, 0, new ArrayBuffer(1));
  kept.flush();
  await written();
  await withLocks(locks, async () => {
    const left = (await KeptRecordings.open())?.left();
    await written();
    kept.end();
    await written();
    for (const letGo of waiting) letGo();
    assert.equal((await left)?.find(({ facts: { session_id: id } }) => id === "g"), undefined);
  });
});

test("a page's own recordings are not elsewhere, those that another page holds are, by stream; over, their lock is let go", async () => {
  /** @type {Set<string>} */
  const held = new Set();
  const locks = {
    query: async () => ({ held: [...held].map((name) => ({ name })) }),
    /** @param {string} name @param {object} _options @param {() => Promise<unknown>} holding */
    request: async (name, _options, holding) => {
      held.add(name);
      await holding();
      held.delete(name);
    },
  };
  await withLocks(locks, async () => {
    const mine = await KeptRecordings.open();
    const others = await KeptRecordings.open();
    const recording = mine?.begin(facts("h"));
    recording?.flush();
    await written();
    assert.equal(await mine?.isElsewhere("default"), false);
    assert.equal(await others?.isElsewhere("default"), true);
    assert.equal(await others?.isElsewhere("another"), false);
    recording?.end();
    await written();
    assert.equal(held.size, 0);
    assert.equal(await others?.isElsewhere("default"), false);
  });
});

test("a database that never answers is not waited for", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const open = indexedDB.open;
  indexedDB.open = () => /** @type {any} */ ({});
  try {
    const opening = KeptRecordings.open();
    context.mock.timers.tick(10_000);
    assert.equal(await opening, null);
  } finally {
    indexedDB.open = open;
  }
});
