// @ts-check
// How fast a page is: when each frame of a replay arrived and was drawn, what each repaint cost, and how much memory is held.

import { debuggerOf } from "./browser.mjs";

/**
 * @typedef {import("playwright-core").Page} Page
 *
 * @typedef {object} Repaint one in which a pose was drawn
 * @property {number} cost what the page's scripts took of it, ms
 * @property {number} sinceArrival from the frame's arrival in the page to the end of the drawing, ms
 * @property {number} timestamp of the frame, session time, seconds
 * @property {number} drawnAt the page's clock, ms
 *
 * @typedef {object} Account
 * @property {{ at: number, timestamp: number, epoch: number }[]} arrivals
 * @property {Repaint[]} repaints
 * @property {number} display repaints of the display, with and without a new pose
 */

/**
 * Puts the instruments into a page before its own scripts: WebSocket messages, repaints and drawing on a canvas are noted on
 * their way. To be passed to `Browser.open` as `prepare`.
 * @param {Page} page
 */
export async function addInstruments(page) {
  await page.addInitScript(() => {
    const FRAME_KIND = 1;
    /** @type {Account} */
    let account = { arrivals: [], repaints: [], display: 0 };
    /** @type {Account["arrivals"][number] | null} */
    let latest = null;
    let tick = -1;
    let cost = 0;
    let hasDrawn = false;

    const NativeWebSocket = window.WebSocket;
    window.WebSocket = class extends NativeWebSocket {
      /** @param {[string | URL, (string | string[])?]} address */
      constructor(...address) {
        super(...address);
        this.addEventListener("message", ({ data }) => {
          if (!(data instanceof ArrayBuffer)) return;
          const header = new DataView(data);
          if (header.getUint8(0) !== FRAME_KIND) return;
          latest = { at: performance.now(), timestamp: header.getFloat64(8, true), epoch: header.getUint32(4, true) };
          account.arrivals.push(latest);
        });
      }
    };

    // The stage is cleared before each pose; a page's other canvases are not the one in question.
    const prototype = CanvasRenderingContext2D.prototype;
    const clearRect = prototype.clearRect;
    prototype.clearRect = function (...box) {
      if (this.canvas.id === "overlay") hasDrawn = true;
      clearRect.apply(this, box);
    };

    const nativeRequest = window.requestAnimationFrame.bind(window);
    window.requestAnimationFrame = (callback) =>
      nativeRequest((time) => {
        if (time !== tick) {
          tick = time;
          cost = 0;
          account.display += 1;
        }
        const before = performance.now();
        callback(time);
        const after = performance.now();
        cost += after - before;
        if (!hasDrawn || !latest) return;
        hasDrawn = false;
        const { at, timestamp } = latest;
        account.repaints.push({ cost, sinceArrival: after - at, timestamp, drawnAt: after });
      });

    Object.assign(window, {
      takeAccount: () => {
        const taken = account;
        account = { arrivals: [], repaints: [], display: 0 };
        return taken;
      },
    });
  });
}

/**
 * Plays the replay of a page, at a rate that its controls may not offer.
 * @param {Page} page
 * @param {number} rate
 */
export function playAt(page, rate) {
  return page.evaluate((wanted) => {
    const replay = /** @type {any} */ (document.querySelector("pose-replay"));
    replay.playbackRate = wanted;
    return replay.play();
  }, rate);
}

/**
 * What happened in the page since this was last asked.
 * @param {Page} page
 * @returns {Promise<Account>}
 */
export function takeAccount(page) {
  return page.evaluate(() => /** @type {any} */ (window).takeAccount());
}

/**
 * Bytes that the page holds after its garbage was collected: objects, their buffers, and what the browser keeps for them.
 * @param {Page} page
 */
export async function heldBytes(page) {
  const session = await debuggerOf(page);
  // What a first collection frees may have kept other things alive.
  await session.send("HeapProfiler.collectGarbage");
  await session.send("HeapProfiler.collectGarbage");
  const usage = /** @type {Record<string, number>} */ (await session.send("Runtime.getHeapUsage"));
  return usage.usedSize + (usage.embedderHeapUsedSize ?? 0) + (usage.backingStorageSize ?? 0);
}

/**
 * Stops the page's repaints, as for a tab that is not shown, or lets it go on.
 * @param {Page} page
 * @param {boolean} hidden
 */
export async function setHidden(page, hidden) {
  const session = await debuggerOf(page);
  const { windowId } = await session.send("Browser.getWindowForTarget");
  await session.send("Browser.setWindowBounds", { windowId, bounds: { windowState: hidden ? "minimized" : "normal" } });
}

/**
 * Holds all of the page's scripts up while `meanwhile` runs, as for a laptop that sleeps: messages pile up.
 * @param {Page} page
 * @param {() => Promise<unknown>} meanwhile
 */
export async function whileFrozen(page, meanwhile) {
  const session = await debuggerOf(page);
  const paused = new Promise((resolve) => session.once("Debugger.paused", resolve));
  await session.send("Debugger.enable");
  await session.send("Debugger.pause");
  await paused;
  await meanwhile();
  await session.send("Debugger.resume");
  await session.send("Debugger.disable");
}

/**
 * @param {number[]} values
 * @param {number} part 0.5: the median
 */
export function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? NaN;
}

/**
 * @param {number[]} values
 * @param {string} unit
 */
export function spread(values, unit) {
  const show = (/** @type {number} */ part) => quantile(values, part).toFixed(2);
  return `p50 ${show(0.5)}, p99 ${show(0.99)}, most ${show(1)} ${unit}`;
}

/**
 * The slope of the straight line that fits best.
 * @param {{ x: number, y: number }[]} points
 */
export function slope(points) {
  const mean = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = mean(points.map((point) => point.x));
  const y = mean(points.map((point) => point.y));
  const up = points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0);
  return up / points.reduce((sum, point) => sum + (point.x - x) ** 2, 0);
}
