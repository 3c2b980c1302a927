// @ts-check
// Mouse, pen, fingers and wheel on a stage in, the pose's new placement out.

import { possiblePlacement, scaledAbout } from "./canvas_mapping.js";

/**
 * @typedef {import("./canvas_mapping.js").Placement} Placement
 * @typedef {{ x: number, y: number }} Point parts of the stage
 */

/** What one step of a wheel scales by, as pixels of scrolling. */
const WHEEL_PER_PX = 0.0015;
const PX_PER_LINE = 16;
/** A pointer that has moved less has clicked. */
const CLICK_PX = 4;

/** Moves a pose by dragging, scales it by wheel or by two fingers, while it is switched on. */
export class StageGestures {
  #stage;
  #placement;
  #place;
  /** Pointers that are down. @type {Map<number, Point>} */
  #pointers = new Map();
  #movedPx = 0;
  #listening = new AbortController();

  /**
   * @param {HTMLElement} stage
   * @param {() => Readonly<Placement>} placement as it is
   * @param {(placement: Placement) => void} place as it shall be
   */
  constructor(stage, placement, place) {
    this.#stage = stage;
    this.#placement = placement;
    this.#place = place;
  }

  /** @param {boolean} isOn */
  enable(isOn) {
    this.#listening.abort();
    this.#pointers.clear();
    this.#stage.classList.remove("held");
    if (!isOn) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const stage = this.#stage;
    stage.addEventListener("pointerdown", this.#down, { signal });
    stage.addEventListener("pointermove", this.#move, { signal });
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) stage.addEventListener(end, this.#up, { signal });
    stage.addEventListener("wheel", this.#wheel, { signal, passive: false });
    stage.addEventListener("click", this.#click, { signal, capture: true });
  }

  #down = (/** @type {PointerEvent} */ event) => {
    if (event.button !== 0 || this.#pointers.size === 2) return;
    this.#stage.setPointerCapture(event.pointerId);
    if (this.#pointers.size === 0) this.#movedPx = 0;
    this.#pointers.set(event.pointerId, this.#pointOf(event));
    this.#stage.classList.add("held");
  };

  #move = (/** @type {PointerEvent} */ event) => {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const after = this.#pointOf(event);
    const [centreBefore, spreadBefore] = this.#grip();
    this.#pointers.set(event.pointerId, after);
    const [centre, spread] = this.#grip();
    this.#movedPx += Math.hypot(event.movementX, event.movementY);
    const placement = this.#placement();
    const moved = possiblePlacement({ scale: placement.scale, x: placement.x + centre.x - centreBefore.x, y: placement.y + centre.y - centreBefore.y });
    this.#place(spreadBefore > 0 && spread > 0 ? scaledAbout(moved, spread / spreadBefore, centre) : moved);
  };

  #up = (/** @type {PointerEvent} */ event) => {
    this.#pointers.delete(event.pointerId);
    if (this.#pointers.size === 0) this.#stage.classList.remove("held");
  };

  #wheel = (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    const px = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * PX_PER_LINE;
    this.#place(scaledAbout(this.#placement(), Math.exp(-px * WHEEL_PER_PX), this.#pointOf(event)));
  };

  /** The end of a drag is no click. */
  #click = (/** @type {Event} */ event) => {
    if (this.#movedPx > CLICK_PX) event.stopPropagation();
    this.#movedPx = 0;
  };

  /**
   * @param {MouseEvent} event
   * @returns {Point}
   */
  #pointOf(event) {
    const { left, top, width, height } = this.#stage.getBoundingClientRect();
    return { x: (event.clientX - left) / width, y: (event.clientY - top) / height };
  }

  /**
   * Where the pose is held, and how far apart two fingers are, 0 with one.
   * @returns {[Point, number]}
   */
  #grip() {
    const [one, other = one] = this.#pointers.values();
    const { width, height } = this.#stage.getBoundingClientRect();
    const spread = Math.hypot((other.x - one.x) * width, (other.y - one.y) * height);
    return [{ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 }, spread];
  }
}
