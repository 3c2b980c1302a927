// @ts-check
// What the user chooses about the look in; a replay that looks so, also at the next visit, out.

import { describeError } from "../errors.js";
import { byId, onClick, publishState } from "./dom.js";
import { preference, setPreference } from "./preferences.js";
import { findTorso } from "./session_replay_fit.js";
import { press } from "./session_replay_transport.js";

/** @typedef {import("../pose_replay.js").PoseReplayElement} PoseReplayElement */

/** @param {PoseReplayElement} replay */
export function useSettings(replay) {
  usePicture(replay);
  useLines(replay);
  usePlacement(replay);
  const mirror = byId("mirror", HTMLInputElement);
  return { shortcuts: [{ keys: ["m"], label: "Mirror", action: () => mirror.click() }] };
}

/** @param {PoseReplayElement} replay */
function usePicture(replay) {
  const mirror = byId("mirror", HTMLInputElement);
  const webcam = byId("use-webcam", HTMLInputElement);
  const picture = byId("picture", HTMLSelectElement);
  const note = byId("webcam-note", HTMLElement);
  mirror.checked = preference("replay.mirrored", "true") === "true";
  webcam.checked = preference("replay.webcam", "true") === "true";
  const usual = matchMedia("(min-width: 48rem)").matches ? "beside" : "below";
  picture.value = preference("replay.picture", usual);
  if (picture.selectedIndex < 0) picture.value = usual;

  mirror.addEventListener("change", () => {
    setPreference("replay.mirrored", mirror.checked);
    replay.mirrored = mirror.checked;
  });
  webcam.addEventListener("change", () => {
    const wanted = webcam.checked;
    setPreference("replay.webcam", wanted);
    // One that has failed is tried again.
    replay.webcam = false;
    replay.webcam = wanted;
  });
  picture.addEventListener("change", () => {
    setPreference("replay.picture", picture.value);
    replay.setAttribute("picture", picture.value);
    showChoice();
  });
  replay.addEventListener("webcamchange", () => {
    const { webcamState, webcamError } = replay;
    const failed = webcamState === "failed";
    note.hidden = !failed;
    note.textContent = failed ? `No webcam: ${describeError(webcamError)}. The pose is shown alone.` : "";
    webcam.checked = webcamState === "opening" || webcamState === "live";
    publishState({ webcam: webcamState === "off" || failed ? "none" : webcamState });
  });
  const showChoice = () => {
    const isShown = replay.pictureKind !== "none";
    // Whether there are images is known only where they are to be shown.
    const mayBe = isShown || picture.value === "none" || Boolean(replay.recording?.video_file_path);
    byId("picture-choice", HTMLElement).hidden = !mayBe;
    byId("stage", HTMLElement).dataset.picture = isShown ? picture.value : "none";
    publishState({ picture: replay.pictureKind });
  };
  for (const name of ["recordingchange", "picturechange"]) replay.addEventListener(name, showChoice);
  replay.mirrored = mirror.checked;
  replay.setAttribute("picture", picture.value);
  replay.webcam = webcam.checked;
  publishState({ webcam: webcam.checked ? "opening" : "none" });
}

/** @param {PoseReplayElement} replay */
function useLines(replay) {
  useSlider("opacity", "replay.opacity", (value) => {
    replay.poseOpacity = value;
    return percent(value);
  });
  useSlider("line-width", "replay.line_width", (value) => {
    replay.lineWidth = value;
    return percent(value);
  });
}

/** @param {PoseReplayElement} replay */
function usePlacement(replay) {
  const size = byId("size", HTMLInputElement);
  const x = byId("move-x", HTMLInputElement);
  const y = byId("move-y", HTMLInputElement);
  const note = byId("fit-note", HTMLElement);
  /** @type {AbortController | null} */
  let looking = null;

  const place = () => {
    replay.placement = { scale: 2 ** Number(size.value), x: Number(x.value), y: Number(y.value) };
  };
  const show = () => {
    const { scale, x: atX, y: atY } = replay.placement;
    showSlider(size, Math.log2(scale), percent(scale));
    showSlider(x, atX, percent(atX));
    showSlider(y, atY, percent(atY));
    publishState({ scale, placeX: atX, placeY: atY });
  };
  const say = (/** @type {string} */ text) => {
    note.hidden = text === "";
    note.textContent = text;
  };
  const fitToMe = async () => {
    if (looking) {
      looking.abort();
      return;
    }
    if (replay.webcamState !== "live") {
      say("Fitting needs the live webcam: switch it on, then try again.");
      return;
    }
    looking = new AbortController();
    press("fit", true);
    publishState({ fit: "looking" });
    say("Looking for you: stand so that the webcam sees your shoulders and hips.");
    try {
      const fits = replay.fitTo(await findTorso(replay, looking.signal));
      say(fits ? "The pose has your size and place now." : "In this frame no shoulders and hips were recorded: go to another one, then try again.");
      publishState({ fit: fits ? "done" : "failed" });
    } catch (error) {
      say(looking.signal.aborted ? "" : `${describeError(error)}.`);
      publishState({ fit: looking.signal.aborted ? "cancelled" : "failed" });
    } finally {
      looking = null;
      press("fit", false);
    }
  };

  for (const slider of [size, x, y]) slider.addEventListener("input", place);
  replay.addEventListener("placementchange", show);
  onClick("fit", fitToMe);
  onClick("reset-placement", () => {
    say("");
    replay.placement = { scale: 1, x: 0, y: 0 };
  });
  onClick("by-hand", () => {
    replay.toggleAttribute("adjustable");
    const on = replay.hasAttribute("adjustable");
    press("by-hand", on);
    say(on ? "Drag the pose with the mouse or a finger; pinch or turn the wheel to change its size." : "");
  });
  show();
}

/**
 * Makes a slider work that is kept for the next visit.
 * @param {string} id
 * @param {string} name of the preference
 * @param {(value: number) => string} apply returns how the value reads
 */
function useSlider(id, name, apply) {
  const slider = byId(id, HTMLInputElement);
  const use = () => showSlider(slider, Number(slider.value), apply(Number(slider.value)));
  slider.value = preference(name, slider.value);
  slider.addEventListener("input", () => {
    setPreference(name, slider.value);
    use();
  });
  use();
}

/**
 * @param {HTMLInputElement} slider
 * @param {number} value
 * @param {string} text
 */
function showSlider(slider, value, text) {
  slider.value = String(value);
  slider.ariaValueText = text;
  const shown = byId(`${slider.id}-value`, HTMLElement);
  shown.textContent = text;
}

/** @param {number} part */
function percent(part) {
  return `${Math.round(part * 100)} %`;
}
