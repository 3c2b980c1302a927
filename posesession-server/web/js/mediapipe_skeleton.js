// @ts-check
// The skeleton that the page's own model finds, for drawing before the server has told it.

/** The preset's name on the wire. */
export const MEDIAPIPE_33 = "mediapipe_33";

/** The same with a second component, `world`, in metres. */
export const MEDIAPIPE_33_WORLD = "mediapipe_33_world";

const FACE = ["nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer", "left_ear", "right_ear", "mouth_left", "mouth_right"];
const LIMBS = ["shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel", "foot_index"];

/** @type {string[]} */
export const KEYPOINTS = [...FACE, ...LIMBS.flatMap((limb) => [`left_${limb}`, `right_${limb}`])];

/** @type {[number, number][]} */
const EDGES = [
  [0, 1], [1, 2], [2, 3], [3, 7], [0, 4], [4, 5], [5, 6], [6, 8], [9, 10],
  [11, 12], [11, 23], [12, 24], [23, 24],
  [11, 13], [13, 15], [15, 17], [15, 19], [15, 21], [17, 19],
  [12, 14], [14, 16], [16, 18], [16, 20], [16, 22], [18, 20],
  [23, 25], [25, 27], [27, 29], [27, 31], [29, 31],
  [24, 26], [26, 28], [28, 30], [28, 32], [30, 32],
];

/** @type {[number, number][]} */
const MIRRORED = KEYPOINTS.flatMap((name, left) => {
  const right = KEYPOINTS.indexOf(name === "mouth_left" ? "mouth_right" : name.replace(/^left_/, "right_"));
  return right > left ? [/** @type {[number, number]} */ ([left, right])] : [];
});

/** @type {import("./json_frame.js").Skeleton} */
export const MEDIAPIPE_33_SKELETON = {
  name: MEDIAPIPE_33,
  components: [
    {
      name: "pose",
      keypoints: KEYPOINTS,
      edges: EDGES,
      mirrored: MIRRORED,
      channels: [
        { name: "x", unit: "image" },
        { name: "y", unit: "image" },
        { name: "z", unit: "image" },
        { name: "confidence", unit: "ratio" },
      ],
    },
  ],
};
