// @ts-check
// Headless Chromium with a real video as its webcam (or none), and an account of all that went wrong in its pages.

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { chromiumBinary, playwright, SCREENSHOTS, webcamVideo } from "./prerequisites.mjs";

/**
 * @typedef {import("playwright-core").Page} Page
 *
 * @typedef {object} Look
 * @property {{ width: number, height: number }} [viewport]
 * @property {"light" | "dark"} [colorScheme]
 * @property {"reduce" | "no-preference"} [reducedMotion]
 * @property {"active" | "none"} [forcedColors]
 * @property {boolean} [touch] fingers instead of a mouse
 *
 * @typedef {Look & { camera?: "person" | "none" | "denied" | string, scale?: number }} BrowserOptions
 *   `touch`: a phone. `scale`: the display's pixels per CSS pixel. `camera`: a real person (as given), no camera at all, one that the user does not allow, or an MJPEG or
 *   Y4M file that plays as one
 */

/** MediaPipe's WebAssembly writes its log, also mere notes, where browsers show errors. */
const VISION_NOTE = /^(INFO:|[IW]\d{4} )/;
const START_TIMEOUT_MS = 90_000;
const DEFAULT_VIEWPORT = { width: 1280, height: 960 };

/** A browser with one profile of its own. */
export class Browser {
  #context;
  #profile;
  /** What no page should ever say: console errors, uncaught exceptions, failed requests. @type {string[]} */
  problems = [];

  /**
   * @param {import("playwright-core").BrowserContext} context
   * @param {string} profile
   */
  constructor(context, profile) {
    this.#context = context;
    this.#profile = profile;
    context.setDefaultTimeout(START_TIMEOUT_MS);
  }

  /** @param {BrowserOptions} [options] */
  static async start({ viewport = DEFAULT_VIEWPORT, touch = false, camera = "person", scale = 1, ...look } = {}) {
    const profile = await mkdtemp(path.join(tmpdir(), "posesession-chromium-"));
    const context = await playwright().chromium.launchPersistentContext(profile, {
      executablePath: chromiumBinary(),
      // The old headless mode, which the library asks for, has no fake webcam.
      headless: false,
      viewport,
      deviceScaleFactor: scale,
      hasTouch: touch,
      isMobile: touch,
      ...look,
      args: [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        ...cameraSwitches(camera),
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
      ],
    });
    return new Browser(context, profile);
  }

  /**
   * Opens a page, and notes what goes wrong in it.
   *
   * A problem that fits one of `expect` is one that the test provokes on purpose; one of them that has not come by the time
   * the page is closed is a problem, too. `hosts` are those besides the page's own that it may ask. `prepare` is called before
   * anything is loaded.
   * @param {string} address
   * @param {{ expect?: RegExp[], hosts?: string[], prepare?: (page: Page) => Promise<unknown> }} [options]
   */
  async open(address, { expect = [], hosts = [], prepare } = {}) {
    const page = await this.#context.newPage();
    await prepare?.(page);
    const awaited = new Set(expect);
    /** @param {string} problem */
    const note = (problem) => {
      const fitting = expect.filter((pattern) => pattern.test(problem));
      if (fitting.length === 0) this.problems.push(problem);
      for (const pattern of fitting) awaited.delete(pattern);
    };
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      const { url } = message.location();
      if (url.includes("/vision/") && VISION_NOTE.test(message.text())) return;
      note(`${page.url()}: ${message.text()} (${url})`);
    });
    page.on("pageerror", (error) => note(`${page.url()}: ${error.stack ?? error}`));
    page.on("response", (answer) => {
      if (answer.status() >= 400) note(`${answer.request().method()} ${answer.url()}: ${answer.status()}`);
    });
    page.on("request", (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol.startsWith("http") && host !== new URL(address).host && !hosts.includes(host)) {
        note(`a request to another host: ${request.url()}`);
      }
    });
    page.on("close", () => {
      for (const pattern of awaited) this.problems.push(`${address}: nothing was said that fits ${pattern}`);
    });
    await page.goto(address);
    return page;
  }

  async stop() {
    await this.#context.close();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/**
 * @param {string} camera
 * @returns {string[]}
 */
function cameraSwitches(camera) {
  const fake = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"];
  switch (camera) {
    case "person":
      return [...fake, `--use-file-for-fake-video-capture=${webcamVideo()}`];
    case "none":
      return ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=device-count=0"];
    case "denied":
      return ["--use-fake-ui-for-media-stream=deny", "--use-fake-device-for-media-stream"];
    default:
      return [...fake, `--use-file-for-fake-video-capture=${camera}`];
  }
}

/**
 * Shows a page as another system would: what is not named stays as it is.
 * @param {Page} page
 * @param {Look} look
 */
export async function emulate(page, { viewport, touch, ...media }) {
  if (viewport) await page.setViewportSize(viewport);
  if (touch !== undefined) await (await debuggerOf(page)).send("Emulation.setTouchEmulationEnabled", { enabled: touch, maxTouchPoints: 5 });
  if (Object.keys(media).length > 0) await page.emulateMedia(media);
}

/** @type {WeakMap<Page, Promise<import("playwright-core").CDPSession>>} */
const debuggers = new WeakMap();

/**
 * The browser's debugger of a page: what it emulates lasts as long as the session, so each page has one.
 * @param {Page} page
 */
export function debuggerOf(page) {
  const session = debuggers.get(page) ?? page.context().newCDPSession(page);
  debuggers.set(page, session);
  return session;
}

/**
 * Waits until the page says that it is in a state: `data-*` of its root element.
 * @param {Page} page
 * @param {Record<string, string>} wanted
 */
export async function waitForState(page, wanted) {
  try {
    await page.waitForFunction(
      (entries) => entries.every(([name, value]) => document.documentElement.dataset[name] === value),
      Object.entries(wanted),
    );
  } catch (error) {
    throw new Error(`the page is not in ${JSON.stringify(wanted)} but in ${JSON.stringify(await state(page))}, says: ${await notice(page)}`, { cause: error });
  }
}

/**
 * Waits until a number that the page shows in its root element has risen to `least`.
 * @param {Page} page
 * @param {string} name
 * @param {number} least
 */
export async function waitForNumber(page, name, least) {
  try {
    await page.waitForFunction(([key, limit]) => Number(document.documentElement.dataset[key]) >= Number(limit), /** @type {const} */ ([name, least]));
  } catch (error) {
    throw new Error(`${name} does not reach ${least}: ${JSON.stringify(await state(page))}, the page says: ${await notice(page)}`, { cause: error });
  }
}

/**
 * @param {Page} page
 * @returns {Promise<Record<string, string>>}
 */
export function state(page) {
  return page.evaluate(() => /** @type {Record<string, string>} */ ({ ...document.documentElement.dataset }));
}

/** @param {Page} page */
function notice(page) {
  return page.evaluate(() => document.getElementById("notice")?.textContent ?? "");
}

/**
 * How many of the overlay's pixels have the skeleton's colours of the left or right side, and a digest of which. (A live
 * picture is drawn on the same canvas: that something is drawn would not say much.)
 * @param {Page} page
 */
export async function overlay(page) {
  // A frame that has come is drawn with the display's next one: what is asked for here must have been drawn by then.
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  return page.evaluate(readOverlay);
}

/**
 * Waits until the overlay shows a skeleton of more than `least` pixels: a live pose is drawn together with its picture, which
 * has to be decoded before.
 * @param {Page} page
 * @param {number} least
 */
export async function waitForPose(page, least) {
  try {
    // A function, kept from one look to the next: the page's security policy lets an expression be evaluated only once.
    await page.waitForFunction(`(least) => (${readOverlay})().drawn > least`, least);
  } catch (error) {
    throw new Error(`no pose is drawn: only ${(await overlay(page)).drawn} pixels have its colours`, { cause: error });
  }
}

/** Runs in the page. */
function readOverlay() {
  const inPage = document.getElementById("overlay");
  const canvas = /** @type {HTMLCanvasElement} */ (inPage ?? document.querySelector("pose-replay")?.shadowRoot?.querySelector("#overlay, canvas"));
  // Before it is laid out it has no size, and no picture that could be read.
  if (canvas.width === 0 || canvas.height === 0) return { drawn: 0, digest: 0 };
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const isNear = (/** @type {number} */ at, /** @type {number[]} */ colour) => colour.every((value, channel) => Math.abs(data[at + channel] - value) < 8);
  let drawn = 0;
  let digest = 0;
  for (let at = 0; at < data.length; at += 4) {
    if (!isNear(at, [0x3f, 0xc6, 0xff]) && !isNear(at, [0xff, 0xab, 0x1f])) continue;
    drawn += 1;
    digest = (digest * 31 + at) >>> 0;
  }
  return { drawn, digest };
}

/**
 * Moves the replay to an exact moment, which a pointer on the timeline hits only to a pixel; resolves when it is there.
 * @param {Page} page
 * @param {number} seconds
 */
export async function seekTo(page, seconds) {
  await page.locator("pose-timeline").evaluate(async (timeline, timestamp) => {
    const { replay } = /** @type {import("../../../posesession-server/web/js/timeline.js").PoseTimelineElement} */ (timeline);
    await replay?.seek({ timestamp });
  }, seconds);
}

/**
 * Keeps a picture of the page for people to look at.
 * @param {Page} page
 * @param {string} name
 */
export async function screenshot(page, name) {
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`) });
}
