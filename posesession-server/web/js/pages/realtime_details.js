// @ts-check
// The form of what to record: name, description, tags, video, countdown; its choices are kept for the next visit.

import { byId } from "./dom.js";
import { preference, setPreference } from "./preferences.js";
import { TagField } from "./realtime_tags.js";

const name = byId("session-name", HTMLInputElement);
const description = byId("session-description", HTMLTextAreaElement);
const withVideo = byId("with-video", HTMLInputElement);
const beep = byId("beep", HTMLInputElement);
const preRoll = byId("pre-roll", HTMLSelectElement);
const countdowns = [...document.querySelectorAll("input[name=countdown]")].filter((radio) => radio instanceof HTMLInputElement);
const tags = new TagField(byId("session-tags", HTMLInputElement));

/** What a recording is started with. */
export function details() {
  return {
    name: name.value.trim() || `Session of ${new Date().toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" })}`,
    description: description.value.trim(),
    tags: tags.tags,
    pre_roll: Number(preRoll.value),
    with_video: withVideo.checked && !withVideo.disabled,
  };
}

/** How it starts. */
export function startOptions() {
  return { seconds: Number(countdowns.find(({ checked }) => checked)?.value ?? 0), beep: beep.checked };
}

/** Makes the form ready for the next set: `Squat, set 1` becomes `Squat, set 2`. */
export function prepareNext() {
  name.value = nextName(name.value);
  tags.remember();
}

/** @param {string} before */
function nextName(before) {
  return before.replace(/\d{1,9}(?=\D*$)/, (digits) => String(Number(digits) + 1).padStart(digits.length, "0"));
}

const seconds = preference("realtime.countdown", "");
for (const radio of countdowns) {
  if (seconds !== "") radio.checked = radio.value === seconds;
  radio.addEventListener("change", () => setPreference("realtime.countdown", radio.value));
}
for (const [box, key] of /** @type {const} */ ([[withVideo, "realtime.video"], [beep, "realtime.beep"]])) {
  box.checked = preference(key, String(box.checked)) === "true";
  box.addEventListener("change", () => setPreference(key, box.checked));
}
const earlier = preference("realtime.pre_roll", preRoll.value);
if ([...preRoll.options].some(({ value }) => value === earlier)) preRoll.value = earlier;
preRoll.addEventListener("change", () => setPreference("realtime.pre_roll", preRoll.value));
