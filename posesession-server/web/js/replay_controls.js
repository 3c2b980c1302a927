// @ts-check
// A replay in; a small bar that plays, scrubs, mirrors and fills the screen with it out.

import { element } from "./element.js";
import { formatTime } from "./format.js";
import { setIcon } from "./icons.js";
import { PoseTimelineElement } from "./timeline.js";

/** @typedef {import("./pose_replay.js").PoseReplayElement} PoseReplayElement */

/** Light on dark, as the stage is, whatever the page around looks like. */
export const CONTROLS_STYLE = `
.controls {
  --accent: #6cb8f2;
  --accent-ink: #08121b;
  --ink: #f2f4f5;
  --line: #5b636b;
  --mark: #ff7a70;
  --paper: #0e1114;
  --surface: #1a1d21;
  --warn: #ffcd70;
  --control: 2.75rem;
  display: flex;
  flex: none;
  align-items: flex-start;
  gap: 0.25rem;
  position: relative;
  z-index: 1;
  padding: 0.125rem 0.375rem;
  background: #0e1114;
  color: #f2f4f5;
}
.controls pose-timeline { flex: 1; }
.controls time {
  line-height: 2.75rem;
  font-size: 0.8125rem;
  font-variant-numeric: tabular-nums;
  white-space: nowrap;
}
.controls button {
  display: grid;
  flex: none;
  place-items: center;
  width: 2.75rem;
  height: 2.75rem;
  padding: 0;
  border: 0;
  border-radius: 0.375rem;
  background: none;
  color: inherit;
  font: inherit;
  cursor: pointer;
}
.controls button:hover { background: rgb(255 255 255 / 12%); }
.controls button:disabled { opacity: 0.45; cursor: default; }
.controls button[aria-pressed="true"] { color: var(--accent); }
.controls :focus-visible { outline: 3px solid var(--accent); outline-offset: -3px; }
.controls .icon {
  width: 1.25rem;
  height: 1.25rem;
  fill: none;
  stroke: currentcolor;
  stroke-width: 2;
  stroke-linecap: round;
  stroke-linejoin: round;
}
:host([controls]) #message { bottom: 3rem; }
@media (max-width: 26rem) {
  .controls time { display: none; }
}
`;

const CHANGES = ["statechange", "durationchange", "recordingchange", "timeupdate", "seeking", "seeked", "emptied"];

/**
 * Makes the bar; it follows the replay as long as both exist.
 * @param {PoseReplayElement} replay
 * @returns {HTMLElement}
 */
export function makeControls(replay) {
  const bar = element("div", "", "controls");
  bar.setAttribute("part", "controls");
  bar.role = "group";
  bar.ariaLabel = "Playback";
  // What fails is said by the replay itself.
  const play = makeButton("play", () => (replay.paused ? replay.play().catch(() => {}) : replay.pause()));
  const timeline = new PoseTimelineElement();
  timeline.replay = replay;
  const time = element("time");
  const mirror = makeButton("mirror", () => (replay.mirrored = !replay.mirrored));
  mirror.ariaLabel = "Mirrored";
  const fullScreen = makeButton("full_screen", () => toggleFullScreen(replay));
  fullScreen.ariaLabel = "Full screen";
  // Phones give the whole screen to videos only.
  fullScreen.hidden = typeof replay.requestFullscreen !== "function";
  bar.append(play, timeline, time, mirror, fullScreen);

  const show = () => {
    const { paused, status, currentTime, duration } = replay;
    play.disabled = !(replay.frameCount > 0) || ["connecting", "failed", "closed"].includes(status);
    play.ariaLabel = paused ? "Play" : "Pause";
    setIcon(play, paused ? "play" : "pause");
    mirror.ariaPressed = String(replay.mirrored);
    time.textContent = Number.isNaN(duration) ? "" : `${formatTime(currentTime)} / ${formatTime(duration)}`;
  };
  for (const name of CHANGES) replay.addEventListener(name, show);
  new MutationObserver(show).observe(replay, { attributes: true, attributeFilter: ["mirrored"] });
  replay.addEventListener("fullscreenchange", () => {
    fullScreen.ariaPressed = String(document.fullscreenElement === replay);
  });
  show();
  return bar;
}

/**
 * @param {import("./icons.js").IconName} name
 * @param {() => unknown} action
 */
function makeButton(name, action) {
  const button = element("button");
  button.type = "button";
  setIcon(button, name);
  button.addEventListener("click", () => void action());
  return button;
}

/** @param {Element} replay */
function toggleFullScreen(replay) {
  // A browser that does not give it leaves all as it is.
  return (document.fullscreenElement ? document.exitFullscreen() : replay.requestFullscreen()).catch(() => {});
}
