// @ts-check
// The player's buttons and keys in; play, steps, rate, loop and full screen of a replay out.

import { formatTime } from "../format.js";
import { setIcon } from "../icons.js";
import { PoseTimelineElement } from "../timeline.js";
import { attempt, byId, onClick, setText } from "./dom.js";

/**
 * @typedef {import("../pose_replay.js").PoseReplayElement} PoseReplayElement
 * @typedef {import("./session_replay_address.js").LoopMode} LoopMode
 */

const RATES = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4];
const CONTROLS = ["play", "step-back", "step-forward", "rate", "backwards", "set-a", "set-b", "clear-range", "loop", "ping-pong"];
const LIVE_LAG_SECONDS = 2;

/**
 * Makes the controls work and follow the replay.
 * @param {PoseReplayElement} replay
 */
export function useTransport(replay) {
  const rate = byId("rate", HTMLSelectElement);
  rate.replaceChildren(...RATES.map((value) => new Option(`${value}×`, String(value))));
  rate.value = "1";
  let backwards = false;
  /** What was asked for and not answered yet: keys come faster than answers. @type {number | null} */
  let wished = null;

  const playOrPause = () => (replay.paused ? replay.play() : replay.pause());
  const wish = async (/** @type {number} */ signed) => {
    wished = signed;
    try {
      await replay.setRate(signed);
    } finally {
      if (wished === signed) wished = null;
    }
  };
  const setRate = (/** @type {number} */ size) => wish(backwards ? -size : size);
  const turnRound = () => {
    backwards = !backwards;
    return wish(-(wished ?? replay.playbackRate));
  };
  /** @param {LoopMode} loop which is switched off when it is on */
  const toggleLoop = (loop) => {
    const range = replay.range;
    return replay.setRange({ ...range, loop: range.loop === loop ? "none" : loop });
  };
  /** Setting an edge beyond the other one begins a new part. A part that has been chosen is looped. */
  const setEdge = (/** @type {"start" | "end"} */ edge) => {
    const at = replay.currentTime;
    const { start, end, loop } = replay.range;
    const isNew = start === null && end === null;
    const range = edge === "start"
      ? { start: at, end: end !== null && end > at ? end : null }
      : { start: start !== null && start < at ? start : null, end: at };
    return replay.setRange({ ...range, loop: isNew && loop === "none" ? "loop" : loop });
  };
  const clearRange = () => replay.setRange({ loop: "none" });
  const jumpToLive = async () => {
    await replay.seek({ fraction: 1 });
    await replay.play();
  };
  const nudgeRate = (/** @type {1 | -1} */ by) => {
    const size = Math.abs(wished ?? replay.playbackRate);
    const next = by > 0 ? RATES.find((value) => value > size + 1e-9) : [...RATES].reverse().find((value) => value < size - 1e-9);
    return next === undefined ? undefined : setRate(next);
  };
  const timeline = byId("timeline", PoseTimelineElement);
  /** Of a live session more may be recorded than was shown. */
  const end = () => (replay.live ? Math.max(replay.duration || 0, timeline.recordedEnd) : replay.duration);
  const jump = (/** @type {number} */ seconds) => replay.seek({ timestamp: Math.max(0, Math.min(end() || 0, replay.currentTime + seconds)) });

  onClick("play", playOrPause);
  onClick("step-back", () => replay.step(-1));
  onClick("step-forward", () => replay.step(1));
  onClick("backwards", turnRound);
  onClick("set-a", () => setEdge("start"));
  onClick("set-b", () => setEdge("end"));
  onClick("clear-range", clearRange);
  onClick("loop", () => toggleLoop("loop"));
  onClick("ping-pong", () => toggleLoop("ping_pong"));
  onClick("to-live", jumpToLive);
  // While the pose is moved by hand, a click belongs to it.
  onClick("replay", () => (replay.adjustable || byId("play", HTMLButtonElement).disabled ? undefined : playOrPause()));
  rate.addEventListener("change", () => void attempt(() => setRate(Number(rate.value))));

  const showState = () => {
    const { status, paused, playbackRate, range } = replay;
    const isOpen = !["connecting", "failed", "closed"].includes(status) && replay.frameCount > 0;
    for (const id of CONTROLS) byId(id, HTMLElement).toggleAttribute("disabled", !isOpen);
    const play = byId("play", HTMLButtonElement);
    setIcon(play, paused ? "play" : "pause");
    const text = paused ? "Play" : "Pause";
    if (play.textContent !== text) /** @type {ChildNode} */ (play.lastChild).textContent = text;
    // On its way back a loop to and fro has a negative rate that nobody chose.
    if (range.loop !== "ping_pong" || paused) backwards = playbackRate < 0;
    press("backwards", backwards);
    press("loop", range.loop === "loop");
    press("ping-pong", range.loop === "ping_pong");
    press("set-a", range.start !== null);
    press("set-b", range.end !== null);
    byId("clear-range", HTMLButtonElement).disabled = !isOpen || (range.start === null && range.end === null && range.loop === "none");
    showRate(Math.abs(playbackRate));
  };
  const showRate = (/** @type {number} */ size) => {
    const value = String(size);
    if (![...rate.options].some((option) => option.value === value)) rate.add(new Option(`${size}×`, value));
    rate.value = value;
  };
  const showPosition = () => {
    setText("time", formatTime(replay.currentTime));
    setText("duration", formatTime(end()));
    const toLive = byId("to-live", HTMLButtonElement);
    toLive.hidden = !replay.live;
    const follows = replay.live && !replay.paused && replay.playbackRate > 0 && end() - replay.currentTime < LIVE_LAG_SECONDS;
    toLive.disabled = follows;
    const text = follows ? "Live" : "Jump to live";
    if (toLive.textContent !== text) toLive.textContent = text;
  };
  for (const name of ["statechange", "ratechange", "rangechange", "recordingchange", "emptied"]) replay.addEventListener(name, showState);
  for (const name of ["statechange", "timeupdate", "durationchange", "seeking", "seeked", "frame", "recordingchange"]) replay.addEventListener(name, showPosition);
  showState();

  return [
    { keys: [" "], label: "Play or pause", action: playOrPause },
    { keys: ["ArrowLeft"], label: "One second back", action: () => jump(-1), repeats: true },
    { keys: ["ArrowRight"], label: "One second on", action: () => jump(1), repeats: true },
    { keys: ["Shift+ArrowLeft"], label: "Five seconds back", action: () => jump(-5), repeats: true },
    { keys: ["Shift+ArrowRight"], label: "Five seconds on", action: () => jump(5), repeats: true },
    { keys: [","], label: "One frame back", action: () => replay.step(-1), repeats: true },
    { keys: ["."], label: "One frame on", action: () => replay.step(1), repeats: true },
    { keys: ["["], label: "Start the loop here (A)", action: () => setEdge("start") },
    { keys: ["]"], label: "End the loop here (B)", action: () => setEdge("end") },
    { keys: ["\\"], label: "Play the whole session again", action: clearRange },
    { keys: ["ArrowUp"], label: "Faster", action: () => nudgeRate(1), repeats: true },
    { keys: ["ArrowDown"], label: "Slower", action: () => nudgeRate(-1), repeats: true },
    { keys: ["Home"], label: "To the beginning", action: () => replay.seek({ timestamp: 0 }) },
    { keys: ["End"], label: "To the end", action: () => replay.seek({ fraction: 1 }) },
  ];
}

/**
 * @param {string} id
 * @param {boolean} pressed
 */
export function press(id, pressed) {
  byId(id, HTMLElement).ariaPressed = String(pressed);
}
