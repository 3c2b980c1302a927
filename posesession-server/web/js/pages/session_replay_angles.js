// @ts-check
// The joints of a session in; a choice of those whose angles are plotted out, kept for the next visit.

import { AnglePlot } from "../angle_plot.js";
import { jointOf } from "../angle_series.js";
import { element } from "../element.js";
import { SessionApi } from "../session_api.js";
import { byId } from "./dom.js";
import { preference, setPreference } from "./preferences.js";

/** @typedef {import("../pose_replay.js").PoseReplayElement} PoseReplayElement */

const USUAL_JOINTS = "knee";
const SIDES = /** @type {const} */ ([["left", "Left side"], ["right", "Right side"]]);

/** @param {PoseReplayElement} replay */
export function useAngles(replay) {
  const api = new SessionApi();
  const plot = new AnglePlot(byId("angles", HTMLElement), replay, (session, query) => api.angles(session, query));
  const choices = byId("angle-choices", HTMLElement);
  const choose = byId("choose-angles", HTMLDetailsElement);
  /** @type {string[]} */
  let available = [];
  const joints = new Set(preference("replay.joints", USUAL_JOINTS).split(",").filter(Boolean));
  const sides = new Set(preference("replay.sides", "left,right").split(",").filter(Boolean));

  const apply = () => {
    plot.names = available.filter((name) => {
      const { joint, side } = jointOf(name);
      return joints.has(joint) && (side === "centre" || sides.has(side));
    });
  };
  /**
   * @param {Set<string>} chosen
   * @param {string} name
   * @param {string} value
   * @param {string} text
   */
  const choice = (chosen, name, value, text) => {
    const label = element("label", "", "check");
    const box = element("input");
    box.type = "checkbox";
    box.name = name;
    box.value = value;
    box.checked = chosen.has(value);
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(value);
      else chosen.delete(value);
      setPreference(`replay.${name}`, [...chosen].join(","));
      apply();
    });
    label.append(box, ` ${text}`);
    return label;
  };
  plot.onAvailable = (names) => {
    if (names.join() === available.join()) return;
    available = names;
    const all = [...new Set(names.map((name) => jointOf(name).joint))];
    choose.hidden = all.length === 0;
    choices.replaceChildren(
      ...all.map((joint) => choice(joints, "joints", joint, joint.charAt(0).toUpperCase() + joint.slice(1).replaceAll("_", " "))),
      ...SIDES.map(([side, text]) => choice(sides, "sides", side, text)),
    );
    apply();
  };
  // It lies over the plot: what is elsewhere closes it.
  document.addEventListener("pointerdown", ({ target }) => {
    if (target instanceof Node && !choose.contains(target)) choose.open = false;
  });
  choose.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !choose.open) return;
    event.stopPropagation();
    choose.open = false;
    choose.querySelector("summary")?.focus();
  });
  return plot;
}
