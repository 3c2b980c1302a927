// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { FRAME } from "../js/kept_recordings.js";
import { UnackedFrames, unackedFrom } from "../js/unacked_frames.js";

const message = () => new ArrayBuffer(100);

test("frames stay until they are acknowledged", () => {
  const unacked = new UnackedFrames();
  for (const number of [0, 1, 5, 6]) assert.deepEqual(unacked.push(0, number, message()), []);
  unacked.ack(null);
  unacked.ack(3);
  assert.deepEqual(unacked.from(0).map(({ number }) => number), [5, 6]);
  assert.deepEqual(unacked.from(6).map(({ number }) => number), [6]);
  assert.deepEqual([unacked.length, unacked.bytes, unacked.acked], [2, 200, 2]);
  unacked.ack(6);
  assert.deepEqual([unacked.length, unacked.bytes, unacked.acked], [0, 0, 4]);
});

test("the oldest or the newest gives way, by bytes and by age", () => {
  const oldest = new UnackedFrames({ max_bytes: 250, max_age: 10 });
  assert.deepEqual([0, 1, 2].map((number) => oldest.push(number, number, message())), [[], [], [0]]);
  assert.deepEqual(oldest.push(12, 3, message()), [1]);
  assert.deepEqual(oldest.push(30, 4, message()), [2, 3]);
  assert.deepEqual(oldest.push(30, 5, new ArrayBuffer(251)), [5], "too large for all room");
  assert.deepEqual(oldest.dropped_ranges, [{ first: 0, last: 3 }, { first: 5, last: 5 }]);
  oldest.ack(3);
  assert.deepEqual(oldest.dropped_ranges, [{ first: 5, last: 5 }]);

  const newest = new UnackedFrames({ max_bytes: 250, overflow: "drop-newest" });
  assert.deepEqual([0, 1, 2].map((number) => newest.push(0, number, message())), [[], [], [2]]);
});

test("what gave way on a page that is gone lies between what is settled and what it left", () => {
  /** @param {number[]} numbers */
  const left = (numbers) => unackedFrom(numbers.map((number) => ({ session_id: "a", kind: FRAME, number, message: message() }))).frames;
  /** @type {[number[], number | null, object[]][]} */
  const cases = [
    [[40, 41], 29, [{ first: 30, last: 39 }]],
    [[40, 41], 39, []],
    [[40, 41], 40, []],
    [[40, 41], 41, []],
    [[], 29, []],
    [[40, 41], null, []],
  ];
  for (const [numbers, storedThrough, ranges] of cases) {
    const unacked = left(numbers);
    unacked.ack(storedThrough);
    assert.deepEqual(unacked.dropped_ranges, ranges);
  }
  const unacked = left([40, 41]);
  unacked.ack(29);
  unacked.ack(35);
  assert.deepEqual(unacked.dropped_ranges, [{ first: 30, last: 39 }], "it is found once");
});

test("pushed = acknowledged + dropped + kept, whatever happens", () => {
  let seed = 42;
  const random = () => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31;
  for (const overflow of /** @type {const} */ (["drop-oldest", "drop-newest"])) {
    const unacked = new UnackedFrames({ max_bytes: 2000, max_age: 5, overflow });
    let pushed = 0;
    for (let step = 0; step < 20_000; step += 1) {
      if (random() < 0.7) unacked.push(step / 10, pushed++, new ArrayBuffer(Math.floor(random() * 400)));
      else if (random() < 0.3) unacked.ack(Math.floor(pushed - random() * 30));
      assert.equal(unacked.acked + unacked.dropped + unacked.length, pushed);
      assert.ok(unacked.bytes <= 2000);
      const kept = unacked.from(0).map(({ number }) => number);
      assert.ok(kept.every((number, at) => at === 0 || number > kept[at - 1]));
    }
  }
});
