// @ts-check
// A replay and the names of joint angles in; their curves under its playhead out, with their values as text.

import { bucketAt, extentAt, extentOf, formatAngle, jointOf, scaleOf, ticksOf } from "./angle_series.js";
import { drawStrip } from "./angle_strip.js";
import { element } from "./element.js";
import { describeError } from "./errors.js";
import { formatTime } from "./format.js";

/**
 * @typedef {import("./angle_series.js").Angles} Angles
 * @typedef {import("./angle_series.js").AngleSeries} AngleSeries
 * @typedef {import("./angle_series.js").Extent} Extent
 * @typedef {import("./timeline.js").Replay} Replay
 *
 * @typedef {(session: string, query: import("./session_api.js").AnglesQuery) => Promise<Angles>} ReadAngles
 *
 * @typedef {object} Strip the curves of one joint
 * @property {HTMLElement} section
 * @property {HTMLCanvasElement} canvas
 * @property {AngleSeries[]} series
 * @property {HTMLElement[]} values where each series' value at the playhead is written
 */

const MAX_POINTS = 4000;
const SETTLE_MS = 120;
/** A recording that grows is asked about again this often. */
const LIVE_MS = 2000;
const TEXT_MS = 100;
const TICK_PX = 80;
const SIDE_TEXT = { left: "Left", right: "Right", centre: "" };

/** One strip for each joint, left and right on it; all share one time axis, the playhead and the pointer. */
export class AnglePlot {
  #host;
  #replay;
  #read;
  #strips = /** @type {Strip[]} */ ([]);
  #stripsBox = element("div", "", "strips");
  #axis = element("div", "", "axis");
  #playhead = element("div", "", "playhead");
  #pointer = element("div", "", "pointer");
  #tip = element("div", "", "tip");
  #note = element("p", "", "muted");
  /** @type {string[]} */
  #names = [];
  /** @type {Angles | null} */
  #angles = null;
  /** The query that is answered or under way, to tell a new one by. */
  #asked = "";
  #turn = 0;
  #request = 0;
  #textMs = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #askedMs = -Infinity;
  /** The angles of the one frame that is shown. @type {{ timestamp: number, extents: Map<string, Extent | null> } | null} */
  #exact = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #exactTimer;
  /** Called with the names that the session has, once they are known. @type {(available: string[]) => void} */
  onAvailable = () => {};

  /**
   * @param {HTMLElement} host is filled
   * @param {Replay} replay
   * @param {ReadAngles} read
   */
  constructor(host, replay, read) {
    this.#host = host;
    this.#replay = replay;
    this.#read = read;
    this.#note.setAttribute("role", "status");
    this.#playhead.hidden = this.#pointer.hidden = this.#tip.hidden = true;
    this.#tip.ariaHidden = "true";
    this.#stripsBox.append(this.#playhead, this.#pointer, this.#tip);
    host.replaceChildren(this.#note, this.#stripsBox, this.#axis);
    for (const name of ["loadedmetadata", "durationchange", "recordingchange", "rangechange", "emptied"]) {
      replay.addEventListener(name, () => this.refresh());
    }
    for (const name of ["frame", "statechange", "seeked", "timeupdate"]) replay.addEventListener(name, () => this.#show());
    new ResizeObserver(() => {
      this.#draw();
      this.refresh();
    }).observe(this.#stripsBox);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
    this.#stripsBox.addEventListener("pointerdown", (event) => this.#grab(event));
    this.#stripsBox.addEventListener("pointermove", (event) => this.#point(event));
    this.#stripsBox.addEventListener("pointerleave", () => this.#leave());
    this.#stripsBox.addEventListener("pointerup", ({ pointerType }) => pointerType !== "mouse" && this.#leave());
    this.#stripsBox.addEventListener("pointercancel", () => this.#leave());
  }

  /** The angles that are shown, such as `left_knee`; without any only what there is gets asked for. */
  get names() {
    return this.#names;
  }

  set names(names) {
    this.#names = [...names];
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), SETTLE_MS);
  }

  /** What is shown, null before the first answer. */
  get angles() {
    return this.#angles;
  }

  /** Asks for what the plot has room for, once the changes have come to rest; to be called when a live session has grown. */
  refresh() {
    const { live } = this.#replay;
    // What grows all the time never comes to rest.
    if (live && this.#timer !== undefined) return;
    clearTimeout(this.#timer);
    const wait = live ? Math.max(SETTLE_MS, this.#askedMs + LIVE_MS - performance.now()) : SETTLE_MS;
    this.#timer = setTimeout(() => void this.#ask(), wait);
  }

  async #ask() {
    this.#timer = undefined;
    const { session, duration, range, live } = this.#replay;
    if (session === "" || !(duration > 0)) return;
    const width = Math.ceil(this.#stripsBox.clientWidth / 64) * 64;
    const query = {
      names: this.#names,
      points: Math.max(1, Math.min(MAX_POINTS, Math.round(width * devicePixelRatio))),
      ...(range.start === null ? {} : { from: range.start }),
      ...(range.end === null ? {} : { to: Math.min(range.end, duration) }),
    };
    const asked = JSON.stringify([session, query, live ? Math.floor(performance.now() / LIVE_MS) : 0]);
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.#askedMs = performance.now();
    this.#turn += 1;
    const turn = this.#turn;
    try {
      const angles = await this.#read(session, query);
      if (turn === this.#turn) this.#take(angles);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#asked = "";
      this.#say(`The joint angles cannot be shown: ${describeError(error)}`);
    }
  }

  /** @param {Angles} angles */
  #take(angles) {
    this.#angles = angles;
    // It has no value for an angle that was chosen since.
    this.#exact = null;
    this.#say(angles.available.length === 0 ? "The keypoints of this session make no joint whose angle is known." : "");
    this.#makeStrips(angles);
    this.onAvailable(angles.available);
    this.#draw();
  }

  /** @param {string} text */
  #say(text) {
    if (this.#note.textContent !== text) this.#note.textContent = text;
    this.#note.hidden = text === "";
  }

  /** @param {Angles} angles */
  #makeStrips({ series }) {
    for (const { section } of this.#strips) section.remove();
    const joints = new Map(series.map((one) => [jointOf(one.name).joint, /** @type {AngleSeries[]} */ ([])]));
    for (const one of series) joints.get(jointOf(one.name).joint)?.push(one);
    this.#strips = [...joints].map(([joint, of]) => makeStrip(joint, of));
    this.#stripsBox.prepend(...this.#strips.map(({ section }) => section));
    this.#host.dataset.series = series.map(({ name }) => name).join(" ");
  }

  #draw() {
    const angles = this.#angles;
    if (!angles || this.#strips.length === 0) {
      this.#axis.replaceChildren();
      this.#playhead.hidden = true;
      return;
    }
    const look = getComputedStyle(this.#host);
    const colour = (/** @type {string} */ name) => look.getPropertyValue(name).trim();
    const colours = { left: colour("--plot-left"), right: colour("--plot-right"), centre: colour("--ink"), line: colour("--line"), text: colour("--ink-soft"), surface: colour("--surface") };
    const breaks = new Set(this.#replay.markers.flatMap(({ kind, timestamp }) => (kind === "gap" ? [bucketAt(angles.timestamps, timestamp)] : [])));
    for (const { canvas, series } of this.#strips) {
      drawStrip(canvas, { series, timestamps: angles.timestamps, from: angles.from, to: angles.to, scale: scaleOf(series), breaks, colours });
    }
    this.#drawAxis(angles);
    this.#textMs = -Infinity;
    this.#show();
  }

  /** @param {Angles} angles */
  #drawAxis({ from, to }) {
    const ticks = ticksOf(from, to, Math.max(2, this.#stripsBox.clientWidth / TICK_PX));
    this.#axis.replaceChildren(
      ...ticks.map((seconds) => {
        const tick = element("span", formatTime(seconds));
        const part = (seconds - from) / Math.max(1e-6, to - from);
        tick.style.left = `${part * 100}%`;
        tick.className = part < 0.02 ? "first" : part > 0.98 ? "last" : "";
        return tick;
      }),
    );
  }

  #show() {
    if (this.#request === 0) this.#request = requestAnimationFrame(this.#update);
  }

  #update = () => {
    this.#request = 0;
    const angles = this.#angles;
    if (!angles || this.#strips.length === 0) return;
    const { currentTime, status } = this.#replay;
    this.#place(this.#playhead, currentTime);
    const now = performance.now();
    if (status !== "playing" || now - this.#textMs >= TEXT_MS) {
      this.#textMs = now;
      const bucket = bucketAt(angles.timestamps, currentTime);
      const exact = this.#exact?.timestamp === this.#replay.frame?.timestamp ? this.#exact : null;
      let isCoarse = false;
      for (const { series, values } of this.#strips) {
        series.forEach((one, index) => {
          const extent = exact?.extents.get(one.name) ?? extentAt(one, bucket);
          isCoarse ||= extent !== null && Math.round(extent.min) !== Math.round(extent.max);
          const text = formatAngle(extent);
          if (values[index].textContent !== text) values[index].textContent = text;
        });
      }
      clearTimeout(this.#exactTimer);
      if (isCoarse && !exact && status !== "playing") this.#exactTimer = setTimeout(() => void this.#askExact(), SETTLE_MS);
    }
    if (status === "playing") this.#show();
  };

  /** A point of a long session stands for many frames: where it stands still, the frame's own angles are asked for. */
  async #askExact() {
    const { session, frame } = this.#replay;
    if (!frame || this.#names.length === 0) return;
    const { timestamp } = frame;
    try {
      const { series } = await this.#read(session, { names: this.#names, from: timestamp, to: timestamp, points: 1 });
      this.#exact = { timestamp, extents: new Map(series.map((one) => [one.name, extentAt(one, 0)])) };
      this.#show();
    } catch {
      // The coarser values stay.
    }
  }

  /**
   * @param {HTMLElement} line
   * @param {number} timestamp
   */
  #place(line, timestamp) {
    const { from, to } = /** @type {Angles} */ (this.#angles);
    line.hidden = timestamp < from || timestamp > to || to <= from;
    line.style.transform = `translateX(${((timestamp - from) / (to - from)) * this.#stripsBox.clientWidth}px)`;
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    if (event.button !== 0 || !this.#angles) return;
    this.#stripsBox.setPointerCapture(event.pointerId);
    this.#seek(this.#timeAt(event.clientX));
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const angles = this.#angles;
    if (!angles || this.#strips.length === 0) return;
    const timestamp = this.#timeAt(event.clientX);
    if (this.#stripsBox.hasPointerCapture(event.pointerId)) this.#seek(timestamp);
    this.#place(this.#pointer, timestamp);
    const bucket = bucketAt(angles.timestamps, timestamp);
    const lines = this.#strips.flatMap(({ series }) => series.map((one) => `${titleOf(one.name)} ${formatAngle(extentAt(one, bucket))}`));
    this.#tip.replaceChildren(element("strong", formatTime(timestamp)), ...lines.map((line) => element("span", line)));
    this.#tip.hidden = false;
    const box = this.#stripsBox.getBoundingClientRect();
    const beside = event.clientX - box.left + 12;
    const left = beside + this.#tip.offsetWidth > box.width ? beside - 24 - this.#tip.offsetWidth : beside;
    this.#tip.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, event.clientY - box.top - this.#tip.offsetHeight - 8)}px)`;
  }

  #leave() {
    this.#pointer.hidden = true;
    this.#tip.hidden = true;
  }

  /** @param {number} clientX */
  #timeAt(clientX) {
    const { from, to } = /** @type {Angles} */ (this.#angles);
    const { left, width } = this.#stripsBox.getBoundingClientRect();
    return from + Math.max(0, Math.min(1, (clientX - left) / Math.max(1, width))) * (to - from);
  }

  /** @param {number} timestamp */
  #seek(timestamp) {
    // Where it cannot seek, the replay itself says why.
    this.#replay.seek({ timestamp }).catch(() => {});
  }
}

/**
 * @param {string} joint
 * @param {AngleSeries[]} series
 * @returns {Strip}
 */
function makeStrip(joint, series) {
  const section = element("section", "", "strip");
  const canvas = element("canvas");
  canvas.setAttribute("role", "img");
  canvas.ariaLabel = `${titleOf(joint)}: ${series.map(({ name, ...rest }) => `${SIDE_TEXT[jointOf(name).side] || "angle"} ${formatAngle(extentOf({ name, ...rest }))}`).join(", ")}`;
  const list = element("dl");
  const values = series.map((one) => {
    const { side } = jointOf(one.name);
    const row = element("div", "", side);
    row.dataset.series = one.name;
    const term = element("dt", SIDE_TEXT[side]);
    const value = element("dd", "–", "value");
    row.append(term, value, element("dd", formatAngle(extentOf(one)), "muted extent"));
    list.append(row);
    return value;
  });
  const header = element("header");
  header.append(element("h3", titleOf(joint)), list);
  section.append(header, canvas);
  return { section, canvas, series, values };
}

/** @param {string} joint `foot_index` */
function titleOf(joint) {
  const text = joint.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
