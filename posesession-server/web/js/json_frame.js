// @ts-check
// JSON `frame` messages in, the same frames as the binary ones out.

import { PosesessionError } from "./errors.js";

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 *
 * @typedef {object} Channel
 * @property {string} name `x`, `y`, `z` or `confidence`
 * @property {string} unit `image` (x by width, y by height), `pixels`, `metres` or `ratio`
 *
 * @typedef {object} Component
 * @property {string} name
 * @property {string[]} keypoints
 * @property {[number, number][]} edges
 * @property {[number, number][]} mirrored pairs of left and right
 * @property {Channel[]} channels
 *
 * @typedef {object} Skeleton
 * @property {string} name
 * @property {Component[]} components
 */

/**
 * Says how many values one person of this skeleton has.
 * @param {Skeleton} skeleton
 * @returns {number}
 */
export function valuesPerPerson(skeleton) {
  return skeleton.components.reduce((sum, { keypoints, channels }) => sum + keypoints.length * channels.length, 0);
}

/**
 * Turns a `frame` message into a frame of plain arrays; what is missing becomes NaN.
 *
 * Without a skeleton the components are taken as the first person has them.
 * @param {any} message
 * @param {Skeleton | null} skeleton
 * @returns {DecodedFrame}
 */
export function frameFromJson(message, skeleton) {
  const persons = message.pose_data?.persons;
  if (!Array.isArray(persons)) throw new PosesessionError("bad_message", "frame without pose_data.persons");
  const layout = skeleton ? layoutOf(skeleton) : layoutOfPerson(persons[0] ?? {});
  const perPerson = layout.reduce((sum, part) => sum + part.keypoints * part.channels, 0);
  const values = new Float32Array(persons.length * perPerson).fill(NaN);
  persons.forEach((person, index) => {
    let at = index * perPerson;
    for (const part of layout) {
      const keypoints = person[part.name] ?? [];
      for (let k = 0; k < part.keypoints; k += 1) {
        for (let c = 0; c < part.channels; c += 1) values[at + k * part.channels + c] = keypoints[k]?.[c] ?? NaN;
      }
      at += part.keypoints * part.channels;
    }
  });
  return {
    timestamp: message.timestamp,
    session_timestamp: message.session_timestamp ?? null,
    frame_number: message.frame_number ?? null,
    epoch: message.epoch ?? 0,
    stream: message.stream ?? "default",
    person_ids: Uint32Array.from(persons, (person, index) => person.id ?? index),
    values_per_person: perPerson,
    values,
    image: typeof message.image === "string" ? bytesFromBase64(message.image) : null,
  };
}

/**
 * @typedef {{ name: string, keypoints: number, channels: number }} Part
 * @param {Skeleton} skeleton
 * @returns {Part[]}
 */
function layoutOf(skeleton) {
  return skeleton.components.map(({ name, keypoints, channels }) => ({
    name,
    keypoints: keypoints.length,
    channels: channels.length,
  }));
}

/**
 * @param {Record<string, unknown>} person
 * @returns {Part[]}
 */
function layoutOfPerson(person) {
  return Object.entries(person).flatMap(([name, keypoints]) =>
    Array.isArray(keypoints) ? [{ name, keypoints: keypoints.length, channels: keypoints[0]?.length ?? 0 }] : [],
  );
}

/** @param {string} text */
function bytesFromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
