// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFrame } from "../js/binary_frame.js";
import { ReplayClient } from "../js/posesession.js";
import { fakeSockets, settled } from "./fake_socket.js";

const SESSION = { type: "session", session: { id: "s" }, skeleton: null, duration: 60, frame_count: 1800, gaps: [], markers: [], live: false };

/** @param {object} [fields] */
function state(fields = {}) {
  return { type: "state", status: "paused", timestamp: 0, frame_number: 0, rate: 1, epoch: 0, server_time: 100, cause: null, ...fields };
}

/**
 * @param {number} epoch
 * @param {number} frameNumber
 */
function frame(epoch, frameNumber) {
  return encodeFrame({ timestamp: frameNumber / 30, frame_number: frameNumber, epoch, person_ids: [], values_per_person: 0, values: new Float32Array(0) });
}

async function connected() {
  const { sockets, openSocket } = fakeSockets();
  const clock = { now: 1000 };
  const client = new ReplayClient({ url: "ws://test/ws/replay/s", openSocket, now: () => clock.now });
  /** @type {(number | null)[]} */
  const frames = [];
  client.on("frame", ({ frame_number }) => frames.push(frame_number));
  const connecting = client.connect();
  sockets[0].open();
  sockets[0].receive(SESSION);
  await connecting;
  return { client, socket: sockets[0], clock, frames };
}

test("connect asks for binary frames and resolves with the session", async () => {
  const { client, socket } = await connected();
  assert.equal(socket.url, "ws://test/ws/replay/s?format=binary");
  assert.equal(client.session?.frame_count, 1800);
  assert.equal(client.position, 0);
});

test("connect rejects with the server's code", async () => {
  const { sockets, openSocket } = fakeSockets();
  const client = new ReplayClient({ url: "ws://test/ws/replay/x", autoplay: true, openSocket });
  const connecting = client.connect();
  assert.equal(sockets[0].url, "ws://test/ws/replay/x?format=binary&autoplay=1");
  sockets[0].open();
  sockets[0].receive({ type: "error", code: "session_not_found", message: "no session x" });
  await assert.rejects(connecting, { code: "session_not_found" });
});

test("frames of an older epoch are dropped and counted", async () => {
  const { client, socket, frames } = await connected();
  socket.receive(state({ epoch: 0 }));
  socket.receive(frame(0, 1));
  socket.receive(state({ epoch: 2, timestamp: 10 }));
  socket.receive(frame(1, 2));
  socket.receive(frame(2, 300));
  socket.receive({ type: "frame", epoch: 1, frame_number: 3, timestamp: 0.1, pose_data: { persons: [] } });
  socket.receive(frame(3, 400));
  socket.receive(frame(2, 301));
  assert.deepEqual(frames, [1, 300, 400]);
  assert.equal(client.frames_dropped, 3);
});

test("the clock runs from the state with its rate and stands still otherwise", async () => {
  const { client, socket, clock } = await connected();
  socket.receive(state({ status: "playing", timestamp: 10, rate: 2 }));
  clock.now += 500;
  assert.equal(client.position, 11);
  socket.receive(state({ status: "playing", timestamp: 11, rate: -4 }));
  clock.now += 1000;
  assert.equal(client.position, 7);
  socket.receive(state({ status: "buffering", timestamp: 7, rate: -4 }));
  clock.now += 1000;
  assert.equal(client.position, 7);
  socket.receive(state({ status: "paused", timestamp: 6.5 }));
  clock.now += 1000;
  assert.equal(client.position, 6.5);
});

test("the clock stays within the session", async () => {
  const { client, socket, clock } = await connected();
  socket.receive(state({ status: "playing", timestamp: 59, rate: 1 }));
  clock.now += 5000;
  assert.equal(client.position, 60);
  socket.receive(state({ status: "playing", timestamp: 1, rate: -1 }));
  clock.now += 5000;
  assert.equal(client.position, 0);
});

test("a clock that stood still while the machine slept is set by the frames, one that is ahead is left alone", async () => {
  const { client, socket, clock } = await connected();
  socket.receive(state({ status: "playing", timestamp: 10 }));
  socket.receive(frame(0, 900));
  assert.equal(client.position, 30);
  clock.now += 2000;
  socket.receive(frame(0, 901));
  assert.equal(client.position, 32);
});

test("a state of an older epoch does not turn the clock back", async () => {
  const { client, socket } = await connected();
  socket.receive(state({ epoch: 2, timestamp: 30 }));
  socket.receive(state({ epoch: 1, timestamp: 5 }));
  assert.equal(client.position, 30);
});

test("commands have the protocol's names and are answered by their state", async () => {
  const { client, socket } = await connected();
  const playing = client.play(0.5);
  assert.deepEqual(socket.last, { type: "play", id: socket.last.id, rate: 0.5 });
  socket.answer(state({ status: "playing", rate: 0.5 }));
  assert.equal((await playing).status, "playing");
  const commands = [client.play(), client.pause(), client.setRate(-1), client.step(-3), client.setRange({ start: 1, end: 2, loop: "loop" }), client.setRange()];
  assert.deepEqual(
    socket.commands.slice(1).map(({ id: _id, ...command }) => command),
    [
      { type: "play" },
      { type: "pause" },
      { type: "set_rate", rate: -1 },
      { type: "step", frames: -3 },
      { type: "set_range", start: 1, end: 2, loop: "loop" },
      { type: "set_range" },
    ],
  );
  for (const { id } of socket.commands.slice(1)) socket.receive(state({ id }));
  await Promise.all(commands);
});

test("while scrubbing only the latest seek is sent and all resolve where it landed", async () => {
  const { client, socket } = await connected();
  const first = client.seek({ timestamp: 1 });
  const skipped = client.seek({ timestamp: 2 });
  const latest = client.seek({ fraction: 0.5, mode: "before" });
  assert.equal(socket.commands.length, 1);
  socket.answer(state({ epoch: 1, timestamp: 1 }));
  assert.equal((await first).timestamp, 1);
  await settled();
  assert.equal(socket.commands.length, 2);
  assert.deepEqual(socket.last, { type: "seek", id: socket.last.id, fraction: 0.5, mode: "before" });
  socket.answer(state({ epoch: 2, timestamp: 30 }));
  assert.equal((await skipped).timestamp, 30);
  assert.equal((await latest).timestamp, 30);
  const next = client.seek({ frame_number: 9 });
  assert.equal(socket.commands.length, 3);
  socket.answer(state({ epoch: 3 }));
  await next;
});

test("a refused seek does not hold up the next", async () => {
  const { client, socket } = await connected();
  const refused = client.seek({ timestamp: 1e9, mode: "exact" });
  const next = client.seek({ timestamp: 3 });
  socket.answer({ type: "error", code: "out_of_range", message: "past the end" });
  await assert.rejects(refused, { code: "out_of_range" });
  await settled();
  socket.answer(state({ epoch: 1, timestamp: 3 }));
  assert.equal((await next).timestamp, 3);
});
