// @ts-check
// What the record client is given, and what it tells.

/**
 * @typedef {import("./binary_frame.js").DecodedFrame} DecodedFrame
 * @typedef {import("./command_socket.js").Message} Message
 * @typedef {import("./command_socket.js").Closed} Closed
 * @typedef {import("./command_socket.js").OpenSocket} OpenSocket
 * @typedef {import("./json_frame.js").Skeleton} Skeleton
 * @typedef {import("./kept_recordings.js").KeptFacts} KeptFacts
 * @typedef {import("./kept_recordings.js").KeptRecording} KeptRecording
 *
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
 *
 * @typedef {object} RecordEvents
 * @property {Message} open the server's `welcome`
 * @property {Closed} close the connection has ended
 * @property {DecodedFrame} frame a live frame of a subscribed stream
 * @property {{ stream: string, skeleton: Skeleton | null }} skeleton
 * @property {Message} recording_status
 * @property {Message} recording_started
 * @property {Message} recording_stopped
 * @property {Message} ack
 * @property {Message} gap frames of a watched stream that were lost, because this client was too slow
 * @property {import("./errors.js").PosesessionError} error what no command waits for: a refused frame, a broken message
 * @property {FrameNotSent} frame_not_sent
 *
 * @typedef {object} RecordClientOptions
 * @property {string} [url] `/ws/pose` of the page's own server when absent
 * @property {number} [max_buffered_bytes] frames are not sent while more than this waits in the socket
 * @property {number} [max_buffered_video_bytes] video ends when more than this waits in the socket
 * @property {Partial<import("./unacked_frames.js").UnackedLimits>} [keep] how much is kept of what is not acknowledged
 * @property {(facts: KeptFacts) => KeptRecording | null} [keepIn] where a recording is written down besides, so that it outlives this page
 * @property {OpenSocket} [openSocket]
 */

export {};
