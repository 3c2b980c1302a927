// @ts-check
// The message vectors that the Rust and Python tests read, too.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { frameFromJson } from "../js/json_frame.js";
import { RecordClient, ReplayClient } from "../js/posesession.js";
import { fakeSockets, settled } from "./fake_socket.js";

/** @typedef {{ name: string, command: Record<string, any>, message: Record<string, any> }} Vector */

const folder = new URL("../../../testdata/protocol/", import.meta.url);

/**
 * @param {string} file
 * @returns {Vector[]}
 */
function vectors(file) {
  const read = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
  assert.ok(read.length > 0, `${file} has no vectors`);
  return read;
}

async function recording() {
  const { sockets, openSocket } = fakeSockets();
  const client = new RecordClient({ url: "ws://test/ws/pose", openSocket });
  const connecting = client.connect();
  sockets[0].open();
  sockets[0].receive({ type: "welcome" });
  await connecting;
  return { client, socket: sockets[0] };
}

async function replay() {
  const { sockets, openSocket } = fakeSockets();
  const client = new ReplayClient({ url: "ws://test/ws/replay/s", openSocket });
  const connecting = client.connect();
  sockets[0].open();
  sockets[0].receive({ type: "session", session: {}, skeleton: null, duration: 10, frame_count: 300 });
  await connecting;
  return { client, socket: sockets[0] };
}

/** @type {Record<string, (client: RecordClient, fields: any) => Promise<unknown>>} */
const RECORD_COMMANDS = {
  publish: (client, fields) => client.publish(fields),
  subscribe: (client, fields) => client.subscribe(fields),
  unsubscribe: (client, fields) => client.unsubscribe(fields),
  start_recording: (client, fields) => client.startRecording(fields),
  pause_recording: (client, fields) => client.pauseRecording(fields),
  resume_recording: (client, fields) => client.resumeRecording(fields),
  mark: (client, { label, ...fields }) => client.mark(label, fields),
  stop_recording: (client, fields) => client.stopRecording(fields),
  discard_recording: (client, fields) => client.discardRecording(fields),
  frames_dropped: (client, fields) => client.framesDropped(fields),
  resume_session: (client, fields) => client.resumeSession(fields),
};

/** @type {Record<string, (client: ReplayClient, fields: any) => Promise<unknown>>} */
const REPLAY_COMMANDS = {
  play: (client, { rate }) => client.play(rate),
  pause: (client) => client.pause(),
  seek: (client, fields) => client.seek(fields),
  set_rate: (client, { rate }) => client.setRate(rate),
  step: (client, { frames }) => client.step(frames),
  set_range: (client, fields) => client.setRange(fields),
};

for (const { name, message } of vectors("record_commands.json")) {
  const { type, id: _id, ...fields } = message;
  if (type === "frame") {
    if (message.pose_data) {
      test(`record: reads ${name}`, () => {
        const frame = frameFromJson(message, null);
        assert.equal(frame.timestamp, message.timestamp);
        assert.equal(frame.frame_number, message.frame_number);
        assert.equal(frame.person_ids.length, message.pose_data.persons.length);
        const values = message.pose_data.persons.flatMap((/** @type {any} */ person) => person.pose.flat());
        assert.deepEqual(frame.values, Float32Array.from(values, (value) => value ?? NaN));
      });
    }
    continue;
  }
  test(`record: sends ${name}`, async () => {
    const { client, socket } = await recording();
    const command = RECORD_COMMANDS[type];
    assert.ok(command, `no method sends ${type}`);
    const answered = command(client, fields);
    assert.deepEqual(socket.last, { type, id: socket.last.id, ...fields });
    socket.answer({ type: "ok" });
    await answered;
  });
}

for (const { name, message } of vectors("replay_commands.json")) {
  const { type, id: _id, ...fields } = message;
  test(`replay: sends ${name}`, async () => {
    const { client, socket } = await replay();
    const command = REPLAY_COMMANDS[type];
    assert.ok(command, `no method sends ${type}`);
    const answered = command(client, fields);
    assert.deepEqual(socket.last, { type, id: socket.last.id, ...fields });
    socket.answer({ type: "state", epoch: 1 });
    await answered;
  });
}

for (const { name, message } of vectors("record_messages.json")) {
  test(`record: receives ${name}`, async () => {
    const { client, socket } = await recording();
    /** @type {unknown[]} */
    const seen = [];
    for (const event of /** @type {const} */ (["ack", "recording_status"])) client.on(event, (detail) => seen.push(detail));
    client.on("error", ({ code, message: text, details }) => seen.push({ type: "error", code, message: text, ...details }));
    socket.receive(message);
    await settled();
    const { id: _id, ...fields } = message;
    assert.deepEqual(seen, message.type === "welcome" ? [] : [fields]);
  });
}

for (const { name, command, message } of vectors("record_answers.json")) {
  test(`record: is answered ${name}`, async () => {
    const { client, socket } = await recording();
    const { type, id: _id, ...asked } = command;
    const answered = RECORD_COMMANDS[type](client, asked);
    const { id: _same, ...answer } = message;
    socket.answer(answer);
    if (answer.type === "error") {
      const { type: _type, code, message: text, ...details } = answer;
      await assert.rejects(answered, { code, message: text, details });
    } else {
      const { id: _own, ...told } = /** @type {Record<string, unknown>} */ (await answered);
      assert.deepEqual(told, answer);
    }
  });
}

for (const { name, message } of vectors("replay_messages.json")) {
  test(`replay: receives ${name}`, async () => {
    const { client, socket } = await replay();
    /** @type {unknown[]} */
    const seen = [];
    client.on("state", (state) => seen.push(state));
    socket.receive(message);
    assert.deepEqual(seen, [message]);
    assert.equal(client.position, message.timestamp);
  });
}
