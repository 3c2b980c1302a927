// @ts-check
// <pose-timeline>: a replay in; a scrubber with its markers, pauses and gaps out, and a preview of the pose under the pointer.

import { socketUrl } from "./command_socket.js";
import { define, ElementBase, sharedStyle } from "./custom_element.js";
import { element } from "./element.js";
import { formatTime } from "./format.js";
import { PosePreview } from "./pose_preview.js";
import { TIMELINE_STYLE } from "./timeline_style.js";
import { describeMarker, drawTrack, markerNear, signsOf } from "./timeline_track.js";

/**
 * @typedef {import("./timeline_track.js").Marker} Marker
 *
 * @typedef {object} Playback what the timeline needs of a `<pose-replay>`
 * @property {string} session
 * @property {string} server
 * @property {number} currentTime seconds
 * @property {number} duration seconds, NaN: not known
 * @property {boolean} paused
 * @property {boolean} live
 * @property {boolean} mirrored
 * @property {string} status
 * @property {Marker[]} markers
 * @property {{ start: number | null, end: number | null, loop: "none" | "loop" | "ping_pong" }} range
 * @property {{ metadata: Record<string, unknown> } | null} recording
 * @property {{ timestamp: number } | null} frame that is shown
 * @property {(target: { timestamp: number }) => Promise<unknown>} seek
 * @property {() => Promise<unknown>} play
 * @property {() => void} pause
 * @property {(range: { start?: number | null, end?: number | null, loop?: "none" | "loop" | "ping_pong" }) => Promise<unknown>} setRange
 *
 * @typedef {EventTarget & Playback} Replay
 * @typedef {"start" | "end"} Edge
 */

/** Room at both ends of the rail, so that the playhead is whole there. */
const INSET_PX = 10;
/** A pointer so near to a marker means the marker. */
const SNAP_PX = 5;
const DRAG_PX = 3;
const MIN_RANGE_SECONDS = 0.05;
/** What may change the picture; while it plays, the display's own rate is followed. */
const CHANGES = ["loadedmetadata", "durationchange", "recordingchange", "rangechange", "statechange", "timeupdate", "seeking", "seeked", "emptied", "frame"];

const style = sharedStyle(TIMELINE_STYLE);

/** A slider over a replay's time. Scrubbing seeks at once; a replay that plays goes on once it is let go. */
export class PoseTimelineElement extends ElementBase {
  #parts = makeParts();
  /** @type {Replay | null} */
  #replay = null;
  #listening = new AbortController();
  #watching = new AbortController();
  #request = 0;
  /** Where the user holds the playhead, null: nowhere. @type {number | null} */
  #held = null;
  /** How many of the user's seeks have not landed. */
  #seeks = 0;
  /** @type {{ startX: number, dragged: boolean, resume: boolean } | null} */
  #drag = null;
  /** @type {PosePreview | null} */
  #preview = null;
  #drawn = "";
  #spokenMs = -Infinity;
  #recordedEnd = 0;

  constructor() {
    super();
    const { root, track, handles } = this.#parts;
    this.attachShadow({ mode: "open" }).append(...root);
    /** @type {ShadowRoot} */ (this.shadowRoot).adoptedStyleSheets = style;
    track.addEventListener("pointerdown", (event) => this.#grab(event));
    track.addEventListener("pointermove", (event) => this.#move(event));
    track.addEventListener("pointerup", (event) => this.#release(event));
    track.addEventListener("pointercancel", () => this.#letGo());
    track.addEventListener("pointerleave", () => this.#hidePreview());
    track.addEventListener("keydown", (event) => this.#press(event));
    for (const edge of /** @type {const} */ (["start", "end"])) {
      const handle = handles[edge];
      handle.addEventListener("pointerdown", (event) => {
        event.stopPropagation();
        handle.setPointerCapture(event.pointerId);
        handle.focus();
      });
      handle.addEventListener("pointermove", (event) => {
        if (handle.hasPointerCapture(event.pointerId)) this.#moveEdge(edge, this.#timeAt(event.clientX));
      });
      handle.addEventListener("keydown", (event) => this.#pressEdge(edge, event));
    }
  }

  /** The replay that is shown and moved, a `<pose-replay>`. */
  get replay() {
    return this.#replay;
  }

  set replay(replay) {
    this.#replay = replay;
    this.#dropPreview();
    if (this.isConnected) this.#listen();
  }

  /** How far a session that is still being recorded is known to reach beyond what was shown of it, seconds. */
  get recordedEnd() {
    return this.#recordedEnd;
  }

  set recordedEnd(seconds) {
    this.#recordedEnd = seconds;
    this.#show();
  }

  connectedCallback() {
    this.#watching = new AbortController();
    const observer = new ResizeObserver(() => this.#redraw());
    observer.observe(this);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", () => this.#redraw(), { signal: this.#watching.signal });
    this.#watching.signal.addEventListener("abort", () => observer.disconnect());
    this.#listen();
  }

  disconnectedCallback() {
    this.#watching.abort();
    this.#listening.abort();
    cancelAnimationFrame(this.#request);
    this.#request = 0;
    this.#dropPreview();
  }

  #listen() {
    this.#listening.abort();
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    for (const name of CHANGES) this.#replay?.addEventListener(name, () => this.#show(), { signal });
    this.#replay?.addEventListener("emptied", () => this.#dropPreview(), { signal });
    this.#show();
  }

  /** Draws the rail anew: its width or colours may have changed. */
  #redraw() {
    this.#drawn = "";
    this.#show();
  }

  #show() {
    if (this.#request === 0) this.#request = requestAnimationFrame(this.#update);
  }

  #update = () => {
    this.#request = 0;
    const replay = this.#replay;
    const duration = this.#duration;
    const ready = duration > 0;
    const { track, rail, played, playhead, liveEnd } = this.#parts;
    track.ariaDisabled = String(!ready);
    const width = rail.clientWidth;
    const position = Math.min(this.#held ?? replay?.currentTime ?? 0, duration || 0);
    const part = ready ? position / duration : 0;
    playhead.style.transform = `translateX(${part * width}px)`;
    played.style.transform = `scaleX(${part})`;
    liveEnd.hidden = !replay?.live;
    this.#updateSigns(duration, width);
    this.#updateRange(duration, width);
    this.#updateSpoken(position, duration);
    if (replay?.status === "playing") this.#show();
  };

  /** Seconds; that of a live session may be behind what is shown of it. */
  get #duration() {
    const replay = this.#replay;
    if (!replay || Number.isNaN(replay.duration)) return 0;
    return replay.live ? Math.max(replay.duration, replay.currentTime, this.#recordedEnd) : replay.duration;
  }

  /**
   * @param {number} duration
   * @param {number} width
   */
  #updateSigns(duration, width) {
    const markers = this.#replay?.markers ?? [];
    const wanted = `${markers.length} ${duration} ${width} ${devicePixelRatio}`;
    if (wanted === this.#drawn) return;
    this.#drawn = wanted;
    const look = getComputedStyle(this);
    const colour = (/** @type {string} */ name) => look.getPropertyValue(name).trim();
    drawTrack(this.#parts.signs, signsOf(markers, duration, width), {
      mark: colour("--_mark"),
      warn: colour("--_warn"),
      paper: colour("--_paper"),
    }, INSET_PX);
  }

  /**
   * @param {number} duration
   * @param {number} width
   */
  #updateRange(duration, width) {
    const { box, range, handles } = this.#parts;
    const { start = null, end = null } = this.#replay?.range ?? {};
    const isSet = duration > 0 && (start !== null || end !== null);
    range.hidden = !isSet;
    box.classList.toggle("ranged", isSet);
    const edges = { start: Math.min(start ?? 0, duration), end: Math.min(end ?? duration, duration) };
    handles.start.hidden = !isSet || start === null;
    handles.end.hidden = !isSet || end === null;
    if (!isSet) return;
    range.style.left = `${INSET_PX + (edges.start / duration) * width}px`;
    range.style.width = `${((edges.end - edges.start) / duration) * width}px`;
    for (const edge of /** @type {const} */ (["start", "end"])) {
      const handle = handles[edge];
      handle.style.transform = `translateX(${(edges[edge] / duration) * width}px)`;
      handle.ariaValueMax = String(duration);
      handle.ariaValueNow = String(edges[edge]);
      handle.ariaValueText = formatTime(edges[edge]);
    }
  }

  /**
   * Says where the playhead is. While it plays, not more often than a listener can hear it.
   * @param {number} position
   * @param {number} duration
   */
  #updateSpoken(position, duration) {
    const now = performance.now();
    const plays = this.#replay?.status === "playing" && this.#held === null;
    if (plays && now - this.#spokenMs < (this.shadowRoot?.activeElement === this.#parts.track ? 10_000 : 1000)) return;
    this.#spokenMs = now;
    const { track } = this.#parts;
    const marker = markerNear(this.#replay?.markers ?? [], position, 0.02);
    const text = `${formatTime(position)} of ${formatTime(duration)}${marker ? `, ${describeMarker(marker)}` : ""}`;
    if (track.ariaValueText === text) return;
    track.ariaValueMax = String(duration);
    track.ariaValueNow = String(position);
    track.ariaValueText = text;
  }

  /**
   * @param {number} clientX
   * @returns {number} seconds
   */
  #timeAt(clientX) {
    const { left, width } = this.#parts.rail.getBoundingClientRect();
    return width > 0 ? Math.max(0, Math.min(1, (clientX - left) / width)) * this.#duration : 0;
  }

  /**
   * @param {number} clientX
   * @returns {{ timestamp: number, marker: Marker | null }}
   */
  #pointedAt(clientX) {
    const timestamp = this.#timeAt(clientX);
    const within = (SNAP_PX / Math.max(1, this.#parts.rail.clientWidth)) * this.#duration;
    const marker = markerNear(this.#replay?.markers ?? [], timestamp, within);
    return { timestamp: marker && marker.kind !== "gap" ? marker.timestamp : timestamp, marker };
  }

  /** @param {PointerEvent} event */
  #grab(event) {
    if (event.button !== 0 || !(this.#duration > 0)) return;
    this.#parts.track.setPointerCapture(event.pointerId);
    this.#drag = { startX: event.clientX, dragged: false, resume: false };
    this.#hold(this.#pointedAt(event.clientX).timestamp);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!(this.#duration > 0)) return;
    const pointed = this.#pointedAt(event.clientX);
    this.#showPreview(event.clientX, pointed);
    const drag = this.#drag;
    const replay = this.#replay;
    if (!drag || !replay) return;
    if (!drag.dragged && Math.abs(event.clientX - drag.startX) < DRAG_PX) return;
    if (!drag.dragged) {
      drag.dragged = true;
      drag.resume = !replay.paused;
      // What plays on under the finger cannot be scrubbed.
      if (drag.resume) replay.pause();
    }
    this.#hold(pointed.timestamp);
  }

  /** @param {PointerEvent} event */
  #release(event) {
    if (event.pointerType !== "mouse") this.#hidePreview();
    this.#letGo();
  }

  #letGo() {
    const drag = this.#drag;
    this.#drag = null;
    if (this.#seeks === 0) this.#held = null;
    if (drag?.resume) void this.#replay?.play().catch(() => {});
    this.#show();
  }

  /**
   * Seeks, and shows the playhead there until it has landed.
   * @param {number} timestamp
   */
  #hold(timestamp) {
    const replay = this.#replay;
    if (!replay) return;
    this.#held = Math.max(0, Math.min(timestamp, this.#duration));
    this.#seeks += 1;
    this.#show();
    const landed = () => {
      this.#seeks -= 1;
      if (this.#seeks === 0 && !this.#drag) this.#held = null;
      this.#show();
    };
    // Where it cannot seek, the replay itself says why.
    replay.seek({ timestamp: this.#held }).then(landed, landed);
  }

  /** @param {KeyboardEvent} event */
  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !(this.#duration > 0)) return;
    const target = keyTarget(event, this.#held ?? this.#replay?.currentTime ?? 0, this.#duration);
    if (target === null) return;
    event.preventDefault();
    this.#spokenMs = -Infinity;
    this.#hold(target);
  }

  /**
   * @param {Edge} edge
   * @param {KeyboardEvent} event
   */
  #pressEdge(edge, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = keyTarget(event, Number(this.#parts.handles[edge].ariaValueNow), this.#duration, 0.1);
    if (target === null) return;
    event.preventDefault();
    this.#moveEdge(edge, target);
  }

  /**
   * @param {Edge} edge
   * @param {number} timestamp
   */
  #moveEdge(edge, timestamp) {
    const replay = this.#replay;
    if (!replay) return;
    const { start, end, loop } = replay.range;
    const moved = edge === "start"
      ? { start: Math.min(timestamp, (end ?? this.#duration) - MIN_RANGE_SECONDS), end, loop }
      : { start, end: Math.max(timestamp, (start ?? 0) + MIN_RANGE_SECONDS), loop };
    void replay.setRange(moved).catch(() => {});
  }

  /**
   * @param {number} clientX
   * @param {{ timestamp: number, marker: Marker | null }} pointed
   */
  #showPreview(clientX, { timestamp, marker }) {
    const { preview, time, label, pointer, rail } = this.#parts;
    preview.hidden = false;
    pointer.hidden = false;
    pointer.style.transform = `translateX(${(timestamp / this.#duration) * rail.clientWidth}px)`;
    time.textContent = formatTime(timestamp);
    label.textContent = marker ? describeMarker(marker) : "";
    const host = this.getBoundingClientRect();
    const left = Math.max(0, Math.min(clientX - host.left - preview.offsetWidth / 2, host.width - preview.offsetWidth));
    preview.style.transform = `translateX(${left}px)`;
    this.#preview ??= this.#makePreview();
    this.#preview.mirrored = this.#replay?.mirrored ?? false;
    this.#preview.show(timestamp);
  }

  #hidePreview() {
    this.#parts.preview.hidden = true;
    this.#parts.pointer.hidden = true;
  }

  #makePreview() {
    const { session = "", server = location.origin, recording } = this.#replay ?? {};
    const url = socketUrl(`/ws/replay/${encodeURIComponent(session)}`, new URL(server));
    const width = Number(recording?.metadata.image_width);
    const height = Number(recording?.metadata.image_height);
    return new PosePreview(this.#parts.picture, url, width > 0 && height > 0 ? { width, height } : undefined);
  }

  #dropPreview() {
    this.#hidePreview();
    this.#preview?.close();
    this.#preview = null;
  }
}

/**
 * Says where a key moves a slider to.
 * @param {KeyboardEvent} event
 * @param {number} from seconds
 * @param {number} duration seconds
 * @param {number} [small] one press of an arrow, seconds
 * @returns {number | null} null: the key is not one of a slider's
 */
export function keyTarget({ key, shiftKey }, from, duration, small = 1) {
  const step = shiftKey ? 5 * small : small;
  const page = Math.max(10 * small, duration / 10);
  const steps = /** @type {Record<string, number>} */ ({
    ArrowLeft: -step,
    ArrowDown: -step,
    ArrowRight: step,
    ArrowUp: step,
    PageDown: -page,
    PageUp: page,
    Home: -Infinity,
    End: Infinity,
  });
  const by = steps[key];
  return by === undefined ? null : Math.max(0, Math.min(duration, from + by));
}

function makeParts() {
  const signs = element("canvas", "", "signs");
  const rail = element("div", "", "rail");
  const playedBox = element("div", "", "played");
  const played = element("i", "", "");
  playedBox.append(played);
  const range = element("div", "", "range");
  const liveEnd = element("div", "", "live-end");
  const pointer = element("div", "", "pointer");
  const playhead = element("div", "", "playhead");
  const handles = { start: makeHandle("A", "Start of the loop"), end: makeHandle("B", "End of the loop") };
  const track = element("div", "", "track");
  asSlider(track, "Position");
  track.append(rail, playedBox, signs, range, liveEnd, pointer, playhead);
  const box = element("div", "", "box");
  const preview = element("div", "", "preview");
  preview.ariaHidden = "true";
  const picture = element("canvas", "", "");
  const time = element("output", "", "");
  const label = element("span", "", "label");
  preview.append(picture, time, label);
  for (const part of [range, liveEnd, pointer, preview, handles.start, handles.end]) part.hidden = true;
  box.append(track, handles.start, handles.end);
  return { root: [box, preview], box, track, rail, played, range, liveEnd, pointer, playhead, handles, signs, preview, picture, time, label };
}

/**
 * @param {string} letter
 * @param {string} name
 */
function makeHandle(letter, name) {
  const handle = element("div", "", "handle");
  handle.dataset.letter = letter;
  asSlider(handle, name);
  return handle;
}

/**
 * @param {HTMLElement} part
 * @param {string} name
 */
function asSlider(part, name) {
  part.tabIndex = 0;
  part.role = "slider";
  part.ariaLabel = name;
  part.ariaValueMin = "0";
  part.ariaValueMax = "0";
  part.ariaValueNow = "0";
}

define("pose-timeline", PoseTimelineElement);
