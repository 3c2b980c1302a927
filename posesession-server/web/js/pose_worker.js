// @ts-check
// Pictures in, keypoints out: the pose model, in a module worker so that it never holds up the camera.

/**
 * @typedef {{ type: "load", model: string, delegate: "CPU" | "GPU", max_persons: number, world: boolean }} Load
 * @typedef {{ type: "detect", image: ImageBitmap, timestamp: number }} Detect
 *
 * @typedef {object} Detected
 * @property {"pose"} type
 * @property {ImageBitmap} image the very picture that was looked at
 * @property {number} timestamp seconds, as given
 * @property {number} persons
 * @property {Float32Array} values person-major; 33 x (x, y, z, confidence), then with `world` the same again in metres
 * @property {number} inference_ms
 *
 * @typedef {Detected | { type: "ready" } | { type: "failed", message: string }} Answer
 */

const VISION = "/vision";
const KEYPOINTS = 33;
const CHANNELS = 4;

/** @type {import("@mediapipe/tasks-vision").PoseLandmarker | null} */
let landmarker = null;
let world = false;

/** @type {{ postMessage: (answer: Answer, transfer?: Transferable[]) => void, onmessage: ((event: MessageEvent<Load | Detect>) => void) | null }} */
const scope = /** @type {any} */ (self);

scope.onmessage = async ({ data }) => {
  try {
    if (data.type === "load") await load(data);
    else detect(data);
  } catch (error) {
    scope.postMessage({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  }
};

/** @param {Load} options */
async function load(options) {
  world = options.world;
  const bundle = `${VISION}/vision_bundle.mjs`;
  /** @type {typeof import("@mediapipe/tasks-vision")} */
  const { FilesetResolver, PoseLandmarker } = await import(bundle);
  // The module build of the WebAssembly loader: a module worker has no importScripts.
  const files = await FilesetResolver.forVisionTasks(`${VISION}/wasm`, true);
  landmarker = await PoseLandmarker.createFromOptions(files, {
    baseOptions: { modelAssetPath: `${VISION}/pose_landmarker_${options.model}.task`, delegate: options.delegate },
    runningMode: "VIDEO",
    numPoses: options.max_persons,
  });
  scope.postMessage({ type: "ready" });
}

/** @param {Detect} picture */
function detect({ image, timestamp }) {
  if (!landmarker) throw new Error("the pose model is not loaded");
  const started = performance.now();
  const { landmarks, worldLandmarks } = landmarker.detectForVideo(image, timestamp * 1000);
  const components = world ? [landmarks, worldLandmarks] : [landmarks];
  const values = new Float32Array(landmarks.length * components.length * KEYPOINTS * CHANNELS);
  let at = 0;
  for (let person = 0; person < landmarks.length; person += 1) {
    for (const component of components) {
      for (const { x, y, z, visibility } of component[person]) {
        values[at] = x;
        values[at + 1] = y;
        values[at + 2] = z;
        values[at + 3] = visibility;
        at += CHANNELS;
      }
    }
  }
  const inference = performance.now() - started;
  scope.postMessage({ type: "pose", image, timestamp, persons: landmarks.length, values, inference_ms: inference }, [image, values.buffer]);
}

export {};
