// @ts-check
// The figures of the source and of the recording under way, and a clock that runs between the server's messages.

import { element } from "../element.js";
import { formatBytes, formatTime } from "../format.js";
import { byId, publishState, setText } from "./dom.js";

/**
 * @typedef {import("../command_socket.js").Message} Message
 * @typedef {import("./realtime_sources.js").Source} Source
 */

const CLOCK_MS = 100;
const RATE_MS = 1000;
const HOUR_S = 3600;
/** The server tells the time twice a second; without it the clock stands still soon. */
const MOST_AHEAD_S = 1.5;

export class Figures {
  #duration = 0;
  #told = NaN;
  #poses = 0;
  #rateSince = performance.now();
  #recorded = { poses: 0, withoutPerson: 0 };
  #isCounting = false;

  constructor() {
    setInterval(() => this.#showTime(), CLOCK_MS);
    setInterval(() => this.#showRate(), RATE_MS);
  }

  /** Poses of the running or last recording that this page has seen, and those of them in which nobody was. */
  get seen() {
    return { ...this.#recorded };
  }

  /** How many moments this page has marked in the recording. */
  get marks() {
    return byId("marks", HTMLElement).children.length;
  }

  /** Starts the figures of a recording anew. */
  start() {
    this.#recorded = { poses: 0, withoutPerson: 0 };
    this.#duration = 0;
    for (const [id, text] of [["time", formatTime(0)], ["frame-count", "0"], ["recorded-fps", "–"], ["gaps", "0"], ["bytes", "–"], ["video-stored", "–"]]) setText(id, text);
    byId("marks", HTMLElement).replaceChildren();
    byId("marks", HTMLElement).hidden = true;
    publishState({ marks: 0 });
  }

  /** @param {boolean} running whether session time passes */
  run(running) {
    this.#isCounting = running;
    if (!running) this.#told = NaN;
  }

  /** @param {Message} status */
  follow(status) {
    this.#duration = status.duration;
    this.#told = this.#isCounting ? performance.now() : NaN;
    this.#showTime();
    setText("frame-count", status.frame_count.toLocaleString());
    setText("recorded-fps", status.fps > 0 ? status.fps.toFixed(1) : "–");
    setText("gaps", String(status.gaps ?? 0));
    setText("bytes", formatBytes(status.bytes ?? NaN));
    setText("stored-through", status.stored_through?.toLocaleString() ?? "–");
    setText("video-stored", status.video_stored_bytes ? formatBytes(status.video_stored_bytes) : "–");
    publishState({ frameCount: status.frame_count, storedThrough: status.stored_through ?? "", duration: status.duration });
  }

  /** @param {{ duration: number, frame_count: number }} session */
  finish({ duration, frame_count: count }) {
    this.run(false);
    this.#duration = duration;
    this.#showTime();
    setText("frame-count", count.toLocaleString());
    publishState({ frameCount: count, duration });
  }

  /** @param {number} persons */
  countPose(persons) {
    this.#poses += 1;
    if (!this.#isCounting) return;
    this.#recorded.poses += 1;
    if (persons === 0) this.#recorded.withoutPerson += 1;
  }

  /** @param {{ timestamp: number, label: string }} marker */
  addMark({ timestamp, label }) {
    const marks = byId("marks", HTMLElement);
    const mark = element("li");
    mark.append(element("span", formatTime(timestamp), "mark-time"), element("span", label));
    marks.prepend(mark);
    marks.hidden = false;
    publishState({ marks: this.marks });
  }

  #showTime() {
    const ahead = Number.isNaN(this.#told) ? 0 : Math.min(MOST_AHEAD_S, (performance.now() - this.#told) / 1000);
    const seconds = this.#duration + ahead;
    // An hour's tenths matter to nobody and would be in the controls' way.
    setText("time", seconds < HOUR_S ? formatTime(seconds) : formatTime(seconds).replace(/\.\d$/, ""));
  }

  #showRate() {
    const now = performance.now();
    const rate = (this.#poses * 1000) / (now - this.#rateSince);
    setText("fps", this.#poses > 0 ? rate.toFixed(1) : "–");
    publishState({ posesPerSecond: rate.toFixed(1) });
    this.#poses = 0;
    this.#rateSince = now;
  }
}

/**
 * Says in a few words where the poses come from.
 * @param {Source | null} source
 */
export function showSource(source) {
  if (!source) setText("runs-on", "None");
  else if (source.kind === "remote") setText("runs-on", `Stream “${source.stream}”`);
  else setText("runs-on", `Camera, ${source.model} model on the ${source.delegate}`);
}
