// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decodeFrame, decodeVideo, encodeFrame, encodeVideo } from "../js/binary_frame.js";

const vectors = new URL("../../../testdata/protocol/", import.meta.url);

/** @param {string} file */
function vector(file) {
  return JSON.parse(readFileSync(new URL(file, vectors), "utf8"));
}

/** @param {string} text */
function bytesOf(text) {
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** @param {ArrayBuffer | Uint8Array} bytes */
function hex(bytes) {
  return Buffer.from(/** @type {Uint8Array} */ (bytes)).toString("hex");
}

const frame = {
  timestamp: 3.5,
  frame_number: 12,
  person_ids: [4],
  values_per_person: 4,
  values: Float32Array.of(0.25, 0.5, NaN, 1),
};

for (const file of ["binary_frame_record.json", "binary_frame_empty.json", "binary_frame_replay.json"]) {
  const { name, hex: message, decoded } = vector(file);

  test(`decodes ${name}`, () => {
    const got = decodeFrame(bytesOf(message));
    assert.equal(got.timestamp, decoded.timestamp);
    assert.equal(got.session_timestamp, decoded.session_timestamp);
    assert.equal(got.frame_number, decoded.frame_number);
    assert.equal(got.epoch, decoded.epoch);
    assert.equal(got.stream, decoded.stream);
    assert.equal(got.values_per_person, decoded.values_per_person);
    assert.deepEqual([...got.person_ids], decoded.persons.map((/** @type {any} */ person) => person.id));
    const values = decoded.persons.flatMap((/** @type {any} */ person) => person.values);
    assert.deepEqual([...got.values], values.map((/** @type {number | null} */ value) => value ?? NaN));
    assert.equal(got.image ? hex(got.image) : "", decoded.image_hex);
  });

  test(`encodes ${name} to the same bytes`, () => {
    const values = decoded.persons.flatMap((/** @type {any} */ person) => person.values);
    const encoded = encodeFrame({
      timestamp: decoded.timestamp,
      session_timestamp: decoded.session_timestamp,
      frame_number: decoded.frame_number,
      epoch: decoded.epoch,
      stream: decoded.stream,
      person_ids: decoded.persons.map((/** @type {any} */ person) => person.id),
      values_per_person: decoded.values_per_person,
      values: Float32Array.from(values, (value) => value ?? NaN),
      image: bytesOf(decoded.image_hex),
    });
    assert.equal(hex(encoded), message);
  });
}

test("decodes and encodes the video vector", () => {
  const { hex: message, decoded } = vector("binary_video.json");
  const got = decodeVideo(bytesOf(message));
  assert.equal(got.stream, decoded.stream);
  assert.equal(got.offset, decoded.offset);
  assert.equal(got.timestamp, decoded.timestamp);
  assert.equal(hex(got.bytes), decoded.bytes_hex);
  assert.equal(hex(encodeVideo(got)), message);
});

test("decoded values are views of the message", () => {
  const message = encodeFrame(frame);
  const decoded = decodeFrame(message);
  assert.equal(decoded.values.buffer, message);
  assert.equal(decoded.person_ids.buffer, message);
});

test("a message at an odd address is decoded all the same", () => {
  const message = new Uint8Array(encodeFrame(frame));
  const shifted = new Uint8Array(message.length + 1);
  shifted.set(message, 1);
  assert.deepEqual([...decodeFrame(shifted.subarray(1)).values], [...frame.values]);
});

test("every truncated or prolonged frame is an error", () => {
  const message = new Uint8Array(encodeFrame({ ...frame, stream: "cam", image: Uint8Array.of(1, 2) }));
  for (let length = 0; length < message.length; length += 1) {
    assert.throws(() => decodeFrame(message.slice(0, length)), { code: "bad_binary" });
  }
  assert.throws(() => decodeFrame(Uint8Array.of(...message, 0)), { code: "bad_binary" });
});

test("lengths that no buffer can hold are an error, not an allocation", () => {
  const message = new Uint8Array(encodeFrame(frame));
  new DataView(message.buffer).setUint32(32, 0xffffffff, true);
  assert.throws(() => decodeFrame(message), { code: "bad_binary" });
});

test("another kind is not a frame", () => {
  assert.throws(() => decodeFrame(encodeVideo({ offset: 0, timestamp: 0, bytes: new Uint8Array(64) })), { code: "bad_binary" });
  assert.throws(() => decodeVideo(encodeFrame(frame)), { code: "bad_binary" });
});

test("values that do not fit the persons are refused", () => {
  assert.throws(() => encodeFrame({ ...frame, person_ids: [1, 2] }), { code: "bad_binary" });
});

test("a frame number beyond exact numbers is an error", () => {
  const message = new Uint8Array(encodeFrame(frame));
  new DataView(message.buffer).setBigUint64(24, 2n ** 53n, true);
  assert.throws(() => decodeFrame(message), { code: "bad_binary", message: /frame_number/ });
});
