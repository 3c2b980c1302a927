// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFrame } from "../js/binary_frame.js";
import { ReplayClient } from "../js/replay_client.js";
import { ReplayConnection } from "../js/replay_connection.js";
import { ApiError } from "../js/session_api.js";
import { fakeSockets, settled } from "./fake_socket.js";

const SESSION = { type: "session", session: { id: "s" }, skeleton: null, duration: 60, frame_count: 1800, gaps: [], markers: [], live: false };

/** @typedef {import("./fake_socket.js").FakeSocket} FakeSocket */

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

/**
 * A connection whose sockets and delays are the test's, and what it told.
 * @param {{ wish?: object, findSession?: () => Promise<unknown> }} [options]
 */
function simulated({ wish, findSession = () => Promise.resolve({}) } = {}) {
  const { sockets, openSocket } = fakeSockets();
  const clock = { now: 1000 };
  /** @type {{ action: () => void, delayMs: number }[]} */
  const delays = [];
  const connection = new ReplayConnection({
    newClient: () => new ReplayClient({ url: "ws://test/ws/replay/s", openSocket, now: () => clock.now }),
    findSession,
    wish,
    later: (action, delayMs) => {
      const delay = { action, delayMs };
      delays.push(delay);
      return () => delays.splice(delays.indexOf(delay), 1);
    },
  });
  /** @type {unknown[]} */
  const told = [];
  connection.on("status", (status) => told.push(status));
  connection.on("frame", ({ frame_number: number }) => told.push(number));
  connection.on("trouble", ({ code }) => told.push(code));
  connection.open();
  return { connection, sockets, clock, delays, told };
}

/**
 * Answers the commands that a socket was sent, in their order.
 * @param {FakeSocket} socket
 * @param {object[]} answers fields of states
 */
function answer(socket, answers) {
  assert.equal(socket.commands.length, answers.length, JSON.stringify(socket.commands));
  socket.commands.forEach(({ id }, index) => socket.receive({ ...state(answers[index]), id }));
}

/** @param {FakeSocket} socket */
async function begin(socket) {
  socket.open();
  await settled();
  socket.receive(SESSION);
  socket.receive(state());
  socket.receive(frame(0, 0));
  await settled();
}

test("without a wish the first state and frame are all that is waited for", async () => {
  const { connection, sockets, told } = simulated();
  await begin(sockets[0]);
  assert.deepEqual(sockets[0].commands, []);
  assert.deepEqual(told, ["open", 0]);
  assert.equal(connection.status, "open");
});

test("what was wished for comes first: the frames before it are not told", async () => {
  const { sockets, told } = simulated({ wish: { playing: true, rate: 2, range: { start: 1, end: 20 }, target: { timestamp: 5 } } });
  await begin(sockets[0]);
  assert.deepEqual(sockets[0].commands.map(({ type }) => type), ["set_range", "set_rate", "seek", "play"]);
  answer(sockets[0], [{ epoch: 1 }, { epoch: 1 }, { epoch: 2, timestamp: 5 }, { epoch: 2, timestamp: 5, status: "playing" }]);
  await settled();
  sockets[0].receive(frame(2, 150));
  assert.deepEqual(told, ["open", 150]);
});

test("commands before the connection come true with it", async () => {
  const { connection, sockets } = simulated();
  const playing = connection.play();
  const sought = connection.seek({ timestamp: 7 });
  assert.equal(connection.position, 7);
  assert.equal(connection.wish.playing, true);
  await begin(sockets[0]);
  answer(sockets[0], [{ epoch: 1, timestamp: 7 }, { epoch: 1, timestamp: 7, status: "playing" }]);
  assert.equal((await playing).status, "playing");
  assert.equal((await sought).timestamp, 7);
});

test("a lost connection is made again with its position, rate and play", async () => {
  const { connection, sockets, clock, delays, told } = simulated();
  await begin(sockets[0]);
  sockets[0].receive(state({ status: "playing", timestamp: 10, rate: 2 }));
  clock.now += 500;
  sockets[0].drop();
  await settled();
  assert.equal(connection.status, "connecting");
  assert.equal(connection.position, 11);
  assert.equal(delays[0].delayMs, 250);
  delays[0].action();
  await begin(sockets[1]);
  assert.deepEqual(
    sockets[1].commands.map(({ id: _id, ...command }) => command),
    [{ type: "set_rate", rate: 2 }, { type: "seek", timestamp: 11 }, { type: "play" }],
  );
  answer(sockets[1], [{}, { epoch: 1, timestamp: 11 }, { epoch: 1, timestamp: 11, rate: 2, status: "playing" }]);
  await settled();
  assert.deepEqual(told, ["open", 0, "connecting", "open"]);
});

test("a command that the connection takes with it comes true on the next", async () => {
  const { connection, sockets, delays } = simulated();
  await begin(sockets[0]);
  const sought = connection.seek({ timestamp: 30 });
  sockets[0].drop();
  await settled();
  delays[0].action();
  await begin(sockets[1]);
  assert.equal(sockets[1].last.timestamp, 30);
  answer(sockets[1], [{ epoch: 1, timestamp: 30 }]);
  assert.equal((await sought).timestamp, 30);
});

test("while the server is gone the delays grow, and a retry waits no longer", async () => {
  const { connection, sockets, delays, told } = simulated({ findSession: () => Promise.reject(new ApiError(0, "connect_failed", "gone")) });
  for (const expected of [250, 500, 1000, 2000, 4000, 8000, 8000]) {
    sockets.at(-1)?.drop();
    await settled();
    const delay = delays.splice(0)[0];
    assert.equal(delay.delayMs, expected);
    delay.action();
  }
  assert.equal(told.filter((what) => what === "connect_failed").length, 7);
  sockets.at(-1)?.drop();
  await settled();
  const opened = sockets.length;
  connection.retry();
  assert.equal(sockets.length, opened + 1);
  assert.equal(delays.length, 0);
});

test("a session that is not there ends it, and what waits", async () => {
  const { connection, sockets, delays, told } = simulated({ findSession: () => Promise.reject(new ApiError(404, "session_not_found", "no session s")) });
  const playing = connection.play();
  sockets[0].drop();
  await assert.rejects(playing, { code: "session_not_found" });
  assert.deepEqual(told, ["failed"]);
  assert.equal(connection.error?.code, "session_not_found");
  assert.equal(delays.length, 0);
  await assert.rejects(connection.play(), { code: "session_not_found" });
});

test("a session that is deleted meanwhile ends it", async () => {
  const { connection, sockets } = simulated();
  await begin(sockets[0]);
  sockets[0].receive({ type: "error", code: "session_not_found", message: "deleted" });
  sockets[0].drop({ code: 4404, reason: "session_not_found" });
  await settled();
  assert.equal(connection.status, "failed");
});

test("a wish that is refused is told and leaves the rest", async () => {
  const { connection, sockets, told } = simulated({ wish: { rate: 99, target: { timestamp: 4 } } });
  await begin(sockets[0]);
  const [rate, seek] = sockets[0].commands;
  sockets[0].receive({ type: "error", id: rate.id, code: "out_of_range", message: "too fast" });
  sockets[0].receive({ ...state({ epoch: 1, timestamp: 4 }), id: seek.id });
  await settled();
  assert.deepEqual(told, ["out_of_range", "open"]);
  assert.equal(connection.position, 4);
});

test("a closed connection stays closed, also when its socket opens later", async () => {
  const { connection, sockets, delays } = simulated();
  connection.close();
  sockets[0].open();
  await settled();
  assert.equal(sockets[0].closed, true);
  assert.equal(connection.status, "closed");
  assert.equal(delays.length, 0);
});
