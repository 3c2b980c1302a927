// @ts-check
// Binary messages of both protocols, little endian: frames (kind 1) and video (kind 2).
//
// Values are read in place: the arrays of a decoded frame are views of the received buffer. They are views in the
// machine's own byte order, which is little endian on every machine that runs a browser today.

import { PosesessionError } from "./errors.js";

/**
 * The poses of one moment.
 * @typedef {object} PoseFrame
 * @property {number} timestamp seconds; recording: the streamer's clock, replay: session time
 * @property {number | null} [session_timestamp] seconds within the session, while one is being recorded
 * @property {number | null} [frame_number]
 * @property {number} [epoch] of seeks; 0 outside a replay
 * @property {string} [stream] `default` when absent
 * @property {ArrayLike<number>} person_ids track ids, one a person
 * @property {number} values_per_person sum over the skeleton's components of keypoints x channels
 * @property {Float32Array} values person-major; within a person the components in order, each [keypoint, channel]; NaN: missing
 * @property {Uint8Array | null} [image] JPEG or WebP
 *
 * @typedef {Required<PoseFrame> & { person_ids: Uint32Array }} DecodedFrame
 *
 * @typedef {object} VideoPiece
 * @property {string} stream
 * @property {number} offset of the first byte within the whole video, bytes
 * @property {number} timestamp of the first video frame, seconds of the streamer's clock
 * @property {Uint8Array} bytes
 */

export const FRAME_KIND = 1;
export const VIDEO_KIND = 2;
export const FRAME_HEADER_BYTES = 48;
export const VIDEO_HEADER_BYTES = 24;
const VIDEO_PIECE_BYTES = 1024 * 1024;
export const DEFAULT_STREAM = "default";

const HAS_FRAME_NUMBER = 1;
const HAS_SESSION_TIMESTAMP = 2;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Says which kind of binary message this is, 0 for an empty one.
 * @param {ArrayBuffer | Uint8Array} message
 * @returns {number}
 */
export function binaryKind(message) {
  return asBytes(message)[0] ?? 0;
}

/**
 * Encodes one frame.
 *
 * Throws `bad_binary` when the number of values is not persons x values per person.
 * @param {PoseFrame} frame
 * @returns {ArrayBuffer}
 */
export function encodeFrame(frame) {
  const persons = frame.person_ids.length;
  const valueCount = persons * frame.values_per_person;
  if (frame.values.length !== valueCount) {
    throw badBinary(`frame has ${frame.values.length} values, expected ${persons} persons x ${frame.values_per_person}`);
  }
  if (persons > 0xffff) throw badBinary(`frame has ${persons} persons, at most 65535 fit`);
  const name = streamName(frame.stream);
  const image = frame.image ?? new Uint8Array(0);
  const valuesAt = FRAME_HEADER_BYTES + 4 * persons;
  const nameAt = valuesAt + 4 * valueCount;
  const buffer = new ArrayBuffer(nameAt + name.length + image.length);
  const header = new DataView(buffer);
  const hasNumber = typeof frame.frame_number === "number";
  const hasSessionTime = typeof frame.session_timestamp === "number";
  header.setUint8(0, FRAME_KIND);
  header.setUint8(1, (hasNumber ? HAS_FRAME_NUMBER : 0) | (hasSessionTime ? HAS_SESSION_TIMESTAMP : 0));
  header.setUint16(2, persons, true);
  header.setUint32(4, frame.epoch ?? 0, true);
  header.setFloat64(8, frame.timestamp, true);
  header.setFloat64(16, hasSessionTime ? Number(frame.session_timestamp) : NaN, true);
  header.setBigUint64(24, BigInt(hasNumber ? Number(frame.frame_number) : 0), true);
  header.setUint32(32, frame.values_per_person, true);
  header.setUint16(36, name.length, true);
  header.setUint32(40, image.length, true);
  new Uint32Array(buffer, FRAME_HEADER_BYTES, persons).set(frame.person_ids);
  new Float32Array(buffer, valuesAt, valueCount).set(frame.values);
  const bytes = new Uint8Array(buffer);
  bytes.set(name, nameAt);
  bytes.set(image, nameAt + name.length);
  return buffer;
}

/**
 * Decodes one frame; its arrays are views of `message` (of a copy only when `message` starts at an odd address).
 *
 * Throws `bad_binary` when the length is not the one that the header declares, or when it is no frame at all.
 * @param {ArrayBuffer | Uint8Array} message
 * @returns {DecodedFrame}
 */
export function decodeFrame(message) {
  const bytes = aligned(asBytes(message));
  const header = headerOf(bytes, FRAME_KIND, FRAME_HEADER_BYTES, "frame");
  const flags = header.getUint8(1);
  const persons = header.getUint16(2, true);
  const valuesPerPerson = header.getUint32(32, true);
  const valueCount = persons * valuesPerPerson;
  const nameLength = header.getUint16(36, true);
  const imageLength = header.getUint32(40, true);
  const valuesAt = FRAME_HEADER_BYTES + 4 * persons;
  const nameAt = valuesAt + 4 * valueCount;
  const imageAt = nameAt + nameLength;
  if (bytes.length !== imageAt + imageLength) {
    throw badBinary(`frame is ${bytes.length} bytes long, its header declares ${imageAt + imageLength}`);
  }
  return {
    timestamp: header.getFloat64(8, true),
    session_timestamp: flags & HAS_SESSION_TIMESTAMP ? header.getFloat64(16, true) : null,
    frame_number: flags & HAS_FRAME_NUMBER ? integerAt(header, 24, "frame_number") : null,
    epoch: header.getUint32(4, true),
    stream: readStreamName(bytes.subarray(nameAt, imageAt)),
    person_ids: new Uint32Array(bytes.buffer, bytes.byteOffset + FRAME_HEADER_BYTES, persons),
    values_per_person: valuesPerPerson,
    values: new Float32Array(bytes.buffer, bytes.byteOffset + valuesAt, valueCount),
    image: imageLength === 0 ? null : bytes.subarray(imageAt),
  };
}

/**
 * Encodes one piece of a video.
 * @param {{ stream?: string, offset: number, timestamp: number, bytes: Uint8Array }} piece
 * @returns {ArrayBuffer}
 */
export function encodeVideo(piece) {
  const name = streamName(piece.stream);
  const buffer = new ArrayBuffer(VIDEO_HEADER_BYTES + name.length + piece.bytes.length);
  const header = new DataView(buffer);
  header.setUint8(0, VIDEO_KIND);
  header.setUint16(2, name.length, true);
  header.setBigUint64(8, BigInt(piece.offset), true);
  header.setFloat64(16, piece.timestamp, true);
  const bytes = new Uint8Array(buffer);
  bytes.set(name, VIDEO_HEADER_BYTES);
  bytes.set(piece.bytes, VIDEO_HEADER_BYTES + name.length);
  return buffer;
}

/**
 * Encodes a chunk of a video of any size, in pieces that the server takes.
 * @param {{ stream?: string, offset: number, timestamp: number, bytes: Uint8Array }} chunk
 * @returns {{ end: number, message: ArrayBuffer }[]} `end`: where in the video the piece ends, bytes
 */
export function encodeVideoPieces({ stream, offset, timestamp, bytes }) {
  const pieces = [];
  for (let at = 0; at < bytes.length; at += VIDEO_PIECE_BYTES) {
    const piece = bytes.subarray(at, at + VIDEO_PIECE_BYTES);
    pieces.push({ end: offset + at + piece.length, message: encodeVideo({ stream, offset: offset + at, timestamp, bytes: piece }) });
  }
  return pieces;
}

/**
 * Decodes one piece of a video; its bytes are a view of `message`.
 * @param {ArrayBuffer | Uint8Array} message
 * @returns {VideoPiece}
 */
export function decodeVideo(message) {
  const bytes = asBytes(message);
  const header = headerOf(bytes, VIDEO_KIND, VIDEO_HEADER_BYTES, "video");
  const bytesAt = VIDEO_HEADER_BYTES + header.getUint16(2, true);
  if (bytes.length < bytesAt) throw badBinary(`video message of ${bytes.length} bytes ends within its stream name`);
  return {
    stream: readStreamName(bytes.subarray(VIDEO_HEADER_BYTES, bytesAt)),
    offset: integerAt(header, 8, "offset"),
    timestamp: header.getFloat64(16, true),
    bytes: bytes.subarray(bytesAt),
  };
}

/**
 * @param {Uint8Array} bytes
 * @param {number} kind
 * @param {number} length
 * @param {string} what
 */
function headerOf(bytes, kind, length, what) {
  if (bytes.length < length) throw badBinary(`${what} of ${bytes.length} bytes is shorter than its header of ${length}`);
  if (bytes[0] !== kind) throw badBinary(`binary message of kind ${bytes[0]} is not a ${what}, expected kind ${kind}`);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/**
 * @param {DataView} header
 * @param {number} at
 * @param {string} field
 */
function integerAt(header, at, field) {
  const value = header.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw badBinary(`${field} ${value} is too large`);
  return Number(value);
}

/** @param {string} [stream] */
function streamName(stream = DEFAULT_STREAM) {
  const name = utf8.encode(stream === DEFAULT_STREAM ? "" : stream);
  if (name.length > 0xffff) throw badBinary(`stream name of ${name.length} bytes is too long, at most 65535 fit`);
  return name;
}

/** @param {Uint8Array} bytes */
function readStreamName(bytes) {
  if (bytes.length === 0) return DEFAULT_STREAM;
  try {
    return fromUtf8.decode(bytes);
  } catch {
    throw badBinary("stream name is not UTF-8");
  }
}

/** @param {ArrayBuffer | Uint8Array} message */
function asBytes(message) {
  return message instanceof Uint8Array ? message : new Uint8Array(message);
}

/** @param {Uint8Array} bytes */
function aligned(bytes) {
  return bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
}

/** @param {string} message */
function badBinary(message) {
  return new PosesessionError("bad_binary", message);
}
