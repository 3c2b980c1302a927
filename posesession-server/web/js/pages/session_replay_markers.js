// @ts-check
// A session's markers in; a list whose entries lead to their moments out.

import { element } from "../element.js";
import { formatTime } from "../format.js";
import { describeMarker } from "../timeline_track.js";
import { attempt, byId } from "./dom.js";

/**
 * @typedef {import("../pose_replay.js").PoseReplayElement} PoseReplayElement
 * @typedef {import("../timeline_track.js").Marker} Marker
 */

/** More entries than this nobody reads; the timeline shows them all. */
const MOST = 500;

/** @param {PoseReplayElement} replay */
export function useMarkers(replay) {
  let shown = "";
  const show = () => {
    const { markers } = replay;
    const wanted = JSON.stringify(markers.slice(0, MOST));
    if (wanted === shown) return;
    shown = wanted;
    byId("markers-section", HTMLElement).hidden = markers.length === 0;
    byId("markers", HTMLUListElement).replaceChildren(...markers.slice(0, MOST).map((marker) => entry(replay, marker)));
  };
  replay.addEventListener("recordingchange", show);
  const toMarker = (/** @type {1 | -1} */ way) => {
    const here = replay.currentTime;
    const times = replay.markers.map(({ timestamp }) => timestamp);
    const next = way > 0 ? times.find((time) => time > here + 0.01) : times.reverse().find((time) => time < here - 0.01);
    return next === undefined ? undefined : replay.seek({ timestamp: next });
  };
  return [
    { keys: ["p"], label: "To the marker before", action: () => toMarker(-1), repeats: true },
    { keys: ["n"], label: "To the next marker", action: () => toMarker(1), repeats: true },
  ];
}

/**
 * @param {PoseReplayElement} replay
 * @param {Marker} marker
 */
function entry(replay, marker) {
  const item = element("li");
  const button = element("button", "", "quiet");
  button.type = "button";
  button.dataset.kind = marker.kind;
  button.append(element("span", formatTime(marker.timestamp), "clock"), " ", element("span", describeMarker(marker)));
  button.addEventListener("click", () => void attempt(() => replay.seek({ timestamp: marker.timestamp })));
  item.append(button);
  return item;
}
