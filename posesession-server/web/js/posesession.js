// @ts-check
// The browser library of posesession, without dependencies: record, replay and manage sessions of human poses; <pose-replay>
// and <pose-timeline> for pages that show them.
//
//     import { RecordClient, ReplayClient, SessionApi } from "./posesession.js";
//
//     const recording = new RecordClient();
//     await recording.connect();
//     await recording.publish({ skeleton: "mediapipe_33" });
//     const { session_id } = await recording.startRecording({ name: "Squat" });
//     recording.sendFrame({ timestamp: performance.now() / 1000, values });   // Float32Array, 33 x (x, y, z, confidence)
//     const { session, report } = await recording.stopRecording();
//
//     const replay = new ReplayClient({ session_id });
//     replay.on("frame", (frame) => draw(frame.values));
//     await replay.connect();
//     await replay.play();

export { PoseReplayElement } from "./pose_replay.js";
export { PoseTimelineElement } from "./timeline.js";
export { KeptRecordings } from "./kept_recordings.js";
export { RecordClient } from "./record_client.js";
export { ReplayClient } from "./replay_client.js";
export { ApiError, SessionApi } from "./session_api.js";
export { PosesessionError } from "./errors.js";
export { decodeFrame, decodeVideo, encodeFrame, encodeVideo } from "./binary_frame.js";
