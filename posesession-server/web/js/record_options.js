// @ts-check
// What the record client is given, and what it says of frames that it could not send.

/**
 * @typedef {object} FrameToSend
 * @property {number} timestamp seconds of the streamer's own clock
 * @property {Float32Array} values person-major, as the published skeleton lays them out; NaN: missing; empty: nobody seen
 * @property {ArrayLike<number>} [person_ids] track ids; one person with id 0 when absent
 * @property {number} [frame_number] rising; by default one more than the last
 * @property {Uint8Array} [image] JPEG or WebP
 *
 * @typedef {object} FrameNotSent
 * @property {number} frame_number
 * @property {"not_connected" | "backpressure" | "overflow" | "not_resumed"} reason `overflow`: it gave way to others that are kept;
 *   `not_resumed`: it was kept for a recording that cannot be taken up again
 * @property {number} frames_not_sent how many so far
 *
 * @typedef {object} StartRecording
 * @property {string} name
 * @property {string} [description]
 * @property {Record<string, unknown>} [metadata]
 * @property {string} [stream]
 * @property {number} [pre_roll] seconds from before the start
 * @property {Record<string, number>} [max_error] how far stored values may be from those sent: channel or component.channel -> bound, in its unit
 * @property {"columnar" | "bounded" | "json"} [codec] how the session is kept; `bounded` where there is a `max_error`
 * @property {{ mime: string }} [video]
 */

export {};
