// @ts-check
// A wish for the whole screen in; the viewer on all of it, with controls that leave when nobody needs them, out.

import { byId, onClick } from "./dom.js";
import { press } from "./session_replay_transport.js";

/** @typedef {import("../pose_replay.js").PoseReplayElement} PoseReplayElement */

const IDLE_MS = 3000;

/**
 * Makes the button and the key `f` work. A browser without full screen for elements (a phone) fills its window instead.
 * @param {PoseReplayElement} replay
 */
export function useFullScreen(replay) {
  const viewer = byId("viewer", HTMLElement);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let idle;
  const isFull = () => document.fullscreenElement === viewer || viewer.classList.contains("fills");

  const show = () => {
    press("full-screen", isFull());
    document.documentElement.dataset.fullScreen = String(isFull());
    wake();
  };
  const wake = () => {
    clearTimeout(idle);
    viewer.classList.remove("idle");
    if (!isFull()) return;
    idle = setTimeout(() => {
      // What has the keyboard's focus stays visible.
      const hasFocus = viewer.querySelector(".player :focus-visible") !== null;
      if (isFull() && !replay.paused && !hasFocus) viewer.classList.add("idle");
      else if (isFull()) wake();
    }, IDLE_MS);
  };
  const toggle = async () => {
    if (document.fullscreenElement) {
      await document.exitFullscreen();
    } else if (viewer.classList.contains("fills")) {
      viewer.classList.remove("fills");
    } else if (viewer.requestFullscreen) {
      await viewer.requestFullscreen();
    } else {
      viewer.classList.add("fills");
    }
    show();
  };

  onClick("full-screen", toggle);
  document.addEventListener("fullscreenchange", show);
  for (const name of ["pointermove", "pointerdown", "keydown", "focusin"]) viewer.addEventListener(name, wake);
  replay.addEventListener("statechange", wake);
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && viewer.classList.contains("fills")) void toggle();
  });
  return { shortcuts: [{ keys: ["f"], label: "Full screen", action: toggle }], isFull };
}
