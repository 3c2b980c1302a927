// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeFrame, decodeVideo, encodeFrame } from "../js/binary_frame.js";
import { RecordClient } from "../js/posesession.js";
import { fakeSockets, settled } from "./fake_socket.js";

const WELCOME = { type: "welcome", protocol: "posesession.v1", limits: {} };
const ONE_KEYPOINT = Float32Array.of(0.1, 0.2, 0.3, 0.9);

/** @param {object} [options] */
async function connected(options = {}) {
  const { sockets, openSocket } = fakeSockets();
  const client = new RecordClient({ url: "ws://test/ws/pose", openSocket, ...options });
  const connecting = client.connect();
  sockets[0].open();
  sockets[0].receive(WELCOME);
  await connecting;
  return { client, socket: sockets[0], sockets };
}

test("connect asks for the subprotocol and array buffers and resolves with the welcome", async () => {
  const { sockets, openSocket } = fakeSockets();
  const client = new RecordClient({ url: "ws://test/ws/pose", openSocket });
  /** @type {unknown[]} */
  const opened = [];
  client.on("open", (welcome) => opened.push(welcome));
  const connecting = client.connect();
  assert.deepEqual(sockets[0].protocols, ["posesession.v1"]);
  assert.equal(sockets[0].binaryType, "arraybuffer");
  assert.equal(client.isConnected, false);
  sockets[0].open();
  sockets[0].receive(WELCOME);
  assert.deepEqual(await connecting, WELCOME);
  assert.deepEqual(opened, [WELCOME]);
  assert.equal(client.isConnected, true);
});

test("connect rejects when the server is not there or leaves before its welcome", async () => {
  const { sockets, openSocket } = fakeSockets();
  const client = new RecordClient({ url: "ws://test/ws/pose", openSocket });
  const refused = client.connect();
  sockets[0].drop();
  await assert.rejects(refused, { code: "connect_failed" });
  const left = client.connect();
  sockets[1].open();
  sockets[1].drop();
  await assert.rejects(left, { code: "closed" });
});

test("connect gives a connection up that goes nowhere, before it is open and before its welcome", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { sockets, openSocket } = fakeSockets();
  const client = new RecordClient({ url: "ws://test/ws/pose", openSocket });
  const unanswered = client.connect();
  context.mock.timers.tick(60_000);
  await assert.rejects(unanswered, { code: "connect_failed", message: /no answer/ });
  assert.equal(sockets[0].closed, true);
  const silent = client.connect();
  sockets[1].open();
  await settled();
  context.mock.timers.tick(60_000);
  await assert.rejects(silent, { code: "closed" });
  assert.equal(sockets[1].closed, true);
  const good = client.connect();
  sockets[2].open();
  sockets[2].receive(WELCOME);
  await good;
  context.mock.timers.tick(60_000);
  assert.equal(client.isConnected, true);
});

test("answers reach the command with their id, in any order", async () => {
  const { client, socket } = await connected();
  const mark = client.mark("top", { timestamp: 1.5 });
  const stop = client.stopRecording();
  const [markCommand, stopCommand] = socket.commands;
  assert.deepEqual(markCommand, { type: "mark", id: markCommand.id, label: "top", timestamp: 1.5 });
  assert.notEqual(markCommand.id, stopCommand.id);
  socket.receive({ type: "recording_finalized", id: stopCommand.id, session: { id: "s" }, report: {} });
  socket.receive({ type: "ok", id: markCommand.id });
  assert.equal((await stop).session.id, "s");
  assert.equal((await mark).type, "ok");
});

test("an error with an id rejects its command only, one without is an event", async () => {
  const { client, socket } = await connected();
  /** @type {import("../js/posesession.js").PosesessionError[]} */
  const errors = [];
  client.on("error", (error) => errors.push(error));
  const starting = client.startRecording({ name: "Squat" });
  socket.answer({ type: "error", code: "already_recording", message: "stream default is being recorded", session_id: "s1" });
  await assert.rejects(starting, { code: "already_recording", details: { session_id: "s1" } });
  assert.equal(errors.length, 0);
  socket.receive({ type: "error", code: "late", message: "frame 4 is late", frame_number: 4 });
  assert.equal(errors[0].code, "late");
  assert.equal(errors[0].details.frame_number, 4);
});

test("commands left unanswered by a lost connection reject with closed", async () => {
  const { client, socket } = await connected();
  /** @type {unknown[]} */
  const closes = [];
  client.on("close", (closed) => closes.push(closed));
  const stopping = client.stopRecording();
  socket.drop({ code: 1001, reason: "going away" });
  await assert.rejects(stopping, { code: "closed", message: /going away/ });
  assert.deepEqual(closes, [{ code: 1001, reason: "going away" }]);
  await assert.rejects(client.stopRecording(), { code: "not_connected" });
});

test("frames are numbered from 0 and carry the published stream", async () => {
  const { client, socket } = await connected();
  const publishing = client.publish({ stream: "cam", publisher: "p1" });
  socket.answer({ type: "ok" });
  await publishing;
  assert.equal(client.sendFrame({ timestamp: 1, values: ONE_KEYPOINT }), true);
  assert.equal(client.sendFrame({ timestamp: 2, values: new Float32Array(0) }), true);
  const [first, empty] = socket.binary.map((message) => decodeFrame(message));
  assert.equal(first.stream, "cam");
  assert.equal(first.frame_number, 0);
  assert.deepEqual([...first.values], [...ONE_KEYPOINT]);
  assert.equal(empty.frame_number, 1);
  assert.equal(empty.person_ids.length, 0);
  assert.equal(client.frames_sent, 2);
});

test("a frame that meets a full socket is counted, told and leaves a hole in the numbers", async () => {
  const { client, socket } = await connected({ max_buffered_bytes: 1000 });
  /** @type {import("../js/record_client.js").FrameNotSent[]} */
  const notSent = [];
  client.on("frame_not_sent", (event) => notSent.push(event));
  client.sendFrame({ timestamp: 1, values: ONE_KEYPOINT });
  socket.bufferedAmount = 1001;
  assert.equal(client.sendFrame({ timestamp: 2, values: ONE_KEYPOINT }), false);
  socket.bufferedAmount = 0;
  assert.equal(client.sendFrame({ timestamp: 3, values: ONE_KEYPOINT }), true);
  assert.deepEqual(notSent, [{ frame_number: 1, reason: "backpressure", frames_not_sent: 1 }]);
  assert.deepEqual(socket.binary.map((message) => decodeFrame(message).frame_number), [0, 2]);
  assert.equal(client.frames_not_sent, 1);
});

test("frames without a connection are counted too, and the numbers go on after connecting again", async () => {
  const { client, socket, sockets } = await connected();
  const publishing = client.publish({ publisher: "p1" });
  socket.answer({ type: "ok" });
  await publishing;
  client.sendFrame({ timestamp: 1, values: ONE_KEYPOINT });
  socket.drop();
  assert.equal(client.sendFrame({ timestamp: 2, values: ONE_KEYPOINT }), false);
  assert.equal(client.frames_not_sent, 1);
  const connecting = client.connect();
  sockets[1].open();
  sockets[1].receive(WELCOME);
  await connecting;
  const again = client.publish({ publisher: "p1" });
  sockets[1].answer({ type: "ok" });
  await again;
  client.sendFrame({ timestamp: 3, values: ONE_KEYPOINT });
  assert.equal(decodeFrame(sockets[1].binary[0]).frame_number, 2);
  const other = client.publish({ publisher: "p2" });
  sockets[1].answer({ type: "ok" });
  await other;
  client.sendFrame({ timestamp: 4, values: ONE_KEYPOINT });
  assert.equal(decodeFrame(sockets[1].binary[1]).frame_number, 0);
});

/**
 * A client whose named publisher is recorded as session `s`.
 * @param {object} [options]
 */
async function recorded(options) {
  const { client, socket, sockets } = await connected(options);
  const publishing = client.publish({ publisher: "p1" });
  socket.answer({ type: "ok" });
  await publishing;
  const starting = client.startRecording({ name: "Squat", video: { mime: "video/webm" } });
  socket.receive({ type: "recording_started", session_id: "s", stream: "default" });
  socket.answer({ type: "session_created", session_id: "s" });
  await starting;
  const again = async () => {
    const connecting = client.connect();
    const next = sockets[sockets.length - 1];
    next.open();
    next.receive(WELCOME);
    await connecting;
    const published = client.publish({ publisher: "p1" });
    client.sendFrame({ timestamp: 99, values: ONE_KEYPOINT });
    assert.equal(next.binary.length, 0, "nothing overtakes what is kept");
    next.answer({ type: "ok" });
    await published;
    return next;
  };
  return { client, socket, again };
}

/** @param {import("./fake_socket.js").FakeSocket} socket */
function numbers(socket) {
  return socket.binary.filter((message) => new Uint8Array(message)[0] === 1).map((message) => decodeFrame(message).frame_number);
}

/**
 * @param {RecordClient} client
 * @param {number} count
 */
function send(client, count) {
  for (let at = 0; at < count; at += 1) client.sendFrame({ timestamp: at, values: ONE_KEYPOINT });
}

test("after a lost connection what is not stored is sent again, in order and before all new frames", async () => {
  const { client, socket, again } = await recorded();
  send(client, 3);
  socket.receive({ type: "ack", session_id: "s", publisher: "p1", stored_through: 0 });
  socket.receive({ type: "ack", session_id: "s", publisher: "another", stored_through: 2 });
  assert.equal(client.unacked.frames, 2);
  socket.drop();
  send(client, 2);
  const next = await again();
  const resuming = client.resumeSession({ session_id: "s", publisher: "p1" });
  next.answer({ type: "session_resumed", session_id: "s", stored_through: 1 });
  await resuming;
  send(client, 1);
  assert.deepEqual(numbers(next), [2, 3, 4, 5, 6]);
  assert.equal(client.frames_sent, 7, "what is sent again counts once");
  assert.equal(client.frames_not_sent, 0);
  const stopping = client.stopRecording();
  next.answer({ type: "recording_finalized", session_id: "s", session: {}, report: {} });
  await stopping;
  assert.deepEqual([client.unacked.frames, client.unacked.bytes, client.unacked.dropped], [0, 0, 0]);
});

test("the stream's answer takes a recording up that the server still has", async () => {
  const { client, socket, again } = await recorded();
  send(client, 2);
  socket.drop();
  const next = await again();
  const publishing = client.publish({ publisher: "p1" });
  next.answer({ type: "ok", session_id: "s", stored_through: 0 });
  await publishing;
  assert.deepEqual(numbers(next), [1, 2]);
});

test("recorded frames that meet a full socket wait for it", async () => {
  const { client, socket } = await recorded({ max_buffered_bytes: 1000 });
  socket.bufferedAmount = 1001;
  send(client, 3);
  assert.deepEqual(numbers(socket), []);
  socket.bufferedAmount = 0;
  send(client, 1);
  assert.deepEqual(numbers(socket), [0, 1, 2, 3]);
  assert.equal(client.frames_not_sent, 0);
});

test("frames that wait behind a video go out when it has left, also when all before are acknowledged", async () => {
  const { client, socket } = await recorded({ max_buffered_bytes: 1000 });
  socket.bufferedAmount = 1001;
  send(client, 3);
  socket.bufferedAmount = 0;
  socket.receive({ type: "recording_status", session_id: "s", status: "recording", video_stored_bytes: 10 });
  assert.deepEqual(numbers(socket), [0, 1, 2]);
});

test("frames that give way are counted, and the server is told", async () => {
  const size = encodeFrame({ timestamp: 0, frame_number: 0, person_ids: [0], values_per_person: 4, values: ONE_KEYPOINT }).byteLength;
  const { client, socket, again } = await recorded({ keep: { max_bytes: 2 * size } });
  socket.drop();
  send(client, 4);
  const next = await again();
  const resuming = client.resumeSession({ session_id: "s", publisher: "p1" });
  next.answer({ type: "session_resumed", session_id: "s", stored_through: null });
  await resuming;
  const { id: _id, ...told } = next.last;
  assert.deepEqual(told, { type: "frames_dropped", first: 0, last: 2, cause: "overflow", stream: "default" });
  assert.deepEqual(numbers(next), [3, 4]);
  assert.equal(client.frames_not_sent, 3);
  next.answer({ type: "error", code: "unknown_type", message: "an older server" });
  await settled();
});

test("what was kept for a recording that is over is counted", async () => {
  const { client, socket, again } = await recorded();
  send(client, 3);
  socket.drop();
  const next = await again();
  const resuming = client.resumeSession({ session_id: "s", publisher: "p1" });
  next.answer({ type: "error", code: "not_resumable", message: "it has ended", stored_through: 1 });
  await assert.rejects(resuming, { code: "not_resumable" });
  assert.equal(client.frames_not_sent, 2);
  send(client, 1);
  assert.deepEqual(numbers(next), [4], "it goes on live");
});

test("video is kept until it is stored, and sent again", async () => {
  const { client, socket, again } = await recorded();
  assert.equal(client.sendVideo(new Uint8Array(10), 0, 0), true);
  assert.equal(client.sendVideo(new Uint8Array(10), 10, 0), true);
  socket.receive({ type: "recording_status", session_id: "s", status: "recording", video_stored_bytes: 10 });
  socket.drop();
  assert.equal(client.sendVideo(new Uint8Array(10), 20, 0), true);
  const next = await again();
  const resuming = client.resumeSession({ session_id: "s", publisher: "p1" });
  next.answer({ type: "session_resumed", session_id: "s", stored_through: null });
  await resuming;
  const pieces = next.binary.filter((message) => new Uint8Array(message)[0] === 2);
  assert.deepEqual(pieces.map((message) => decodeVideo(message).offset), [10, 20]);
});

test("video that could not be stored is sent again, each time later", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, socket } = await recorded();
  const offsets = () => socket.binary.splice(0).map((message) => decodeVideo(message).offset);
  for (const offset of [0, 10, 20]) client.sendVideo(new Uint8Array(10), offset, 0);
  socket.receive({ type: "error", code: "storage", message: "the disk is full", kind: "video" });
  for (const _ of [1, 2]) socket.receive({ type: "error", code: "out_of_range", message: "a hole", kind: "video", expected: 0 });
  assert.deepEqual(offsets(), [0, 10, 20]);
  t.mock.timers.tick(500);
  assert.deepEqual(offsets(), [0, 10, 20], "once, however many were refused");
  socket.receive({ type: "error", code: "storage", message: "the disk is full", kind: "video" });
  t.mock.timers.tick(999);
  assert.deepEqual(offsets(), []);
  socket.receive({ type: "recording_status", session_id: "s", status: "recording", video_stored_bytes: 10 });
  t.mock.timers.tick(1);
  assert.deepEqual(offsets(), [10, 20]);
  socket.receive({ type: "error", code: "bad_state", message: "it was started without video", kind: "video" });
  t.mock.timers.tick(100_000);
  assert.deepEqual(offsets(), []);
});

test("video is split into pieces with running offsets", async () => {
  const { client, socket } = await connected();
  const chunk = new Uint8Array(1024 * 1024 + 10).fill(7);
  assert.equal(client.sendVideo(chunk, 0, 12.5), true);
  const pieces = socket.binary.map((message) => decodeVideo(message));
  assert.deepEqual(pieces.map(({ offset }) => offset), [0, 1024 * 1024]);
  assert.deepEqual(pieces.map(({ timestamp }) => timestamp), [12.5, 12.5]);
  assert.equal(pieces.reduce((sum, { bytes }) => sum + bytes.length, 0), chunk.length);
});

test("after a video chunk that was not sent none is, until the next recording", async () => {
  const { client, socket } = await connected({ max_buffered_video_bytes: 100 });
  assert.equal(client.sendVideo(new Uint8Array(10), 0, 0), true);
  socket.bufferedAmount = 101;
  assert.equal(client.sendVideo(new Uint8Array(10), 10, 0), false);
  socket.bufferedAmount = 0;
  assert.equal(client.sendVideo(new Uint8Array(10), 20, 0), false);
  assert.equal(client.video_bytes_sent, 10);
  const starting = client.startRecording({ name: "Again", video: { mime: "video/webm" } });
  socket.answer({ type: "session_created", session_id: "s" });
  await starting;
  assert.equal(client.sendVideo(new Uint8Array(10), 0, 0), true);
});

test("subscribers get the same frame from JSON and from binary", async () => {
  const { client, socket } = await connected();
  /** @type {import("../js/binary_frame.js").DecodedFrame[]} */
  const frames = [];
  /** @type {unknown[]} */
  const skeletons = [];
  client.on("frame", (frame) => frames.push(frame));
  client.on("skeleton", (event) => skeletons.push(event));
  const subscribing = client.subscribe({ format: "binary" });
  assert.deepEqual(socket.last, { type: "subscribe", id: socket.last.id, format: "binary" });
  const skeleton = {
    name: "one",
    components: [
      { name: "pose", keypoints: ["nose"], edges: [], mirrored: [], channels: ["x", "y", "z", "confidence"].map((name) => ({ name, unit: "image" })) },
    ],
  };
  socket.answer({ type: "ok", skeleton });
  await subscribing;
  assert.deepEqual(skeletons, [{ stream: "default", skeleton }]);
  const values = Float32Array.of(0.5, 0.25, NaN, 1);
  socket.receive(encodeFrame({ timestamp: 9, session_timestamp: 2, frame_number: 5, person_ids: [3], values_per_person: 4, values }));
  socket.receive({
    type: "frame", timestamp: 9, session_timestamp: 2, frame_number: 5,
    pose_data: { persons: [{ id: 3, pose: [[0.5, 0.25, null, 1]] }] },
  });
  assert.deepEqual({ ...frames[1] }, { ...frames[0] });
});

test("status, acks and notices are events; messages of a later version are ignored; broken ones are errors", async () => {
  const { client, socket } = await connected();
  /** @type {string[]} */
  const seen = [];
  for (const name of /** @type {const} */ (["recording_status", "recording_started", "recording_stopped", "ack", "gap"])) {
    client.on(name, (message) => seen.push(message.type));
  }
  client.on("error", (error) => seen.push(error.code));
  socket.receive({ type: "recording_started", session_id: "s" });
  socket.receive({ type: "ack", stored_through: 4 });
  socket.receive({ type: "recording_status", status: "recording" });
  socket.receive({ type: "gap", stream: "default", count: 3 });
  socket.receive({ type: "recording_stopped", session_id: "s" });
  socket.receive({ type: "from_the_future" });
  socket.onmessage?.({ data: "{" });
  socket.receive(new ArrayBuffer(0));
  socket.receive(Uint8Array.of(1, 0, 0).buffer);
  await settled();
  assert.deepEqual(seen, ["recording_started", "ack", "recording_status", "gap", "recording_stopped", "bad_message", "bad_binary"]);
});
