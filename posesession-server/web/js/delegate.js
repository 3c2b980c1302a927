// @ts-check
// How long looking at pictures takes in, whether the graphics processor or the CPU finds the poses out.

/** @typedef {"CPU" | "GPU"} Delegate */

/** Fewer poses a second than the CPU finds on two cores: then the graphics processor is no help. */
const LEAST_POSES_PER_SECOND = 15;
/** Shaders are compiled with the first pictures, above all the very first. */
const WARM_UP = 3;
const MEASURED = 8;
/** Whoever is this slow need not be measured to the end. */
const MOST_MS = 3000;
/** A first picture that takes longer is not waited for. */
export const PATIENCE_SECONDS = 10;

const KEY = "posesession.capture.delegate.";
/** Programs that do a graphics processor's work on the CPU: under one pose a second. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render|mesa offscreen/i;

/** Measures the first inferences on a graphics processor. */
export class Trial {
  #seen = 0;
  #total = 0;
  /** @type {number[]} */
  #measured = [];

  /**
   * Takes the next inference's duration and says what is known by now.
   * @param {number} inferenceMs
   * @returns {"trying" | "fast" | "slow"}
   */
  push(inferenceMs) {
    this.#seen += 1;
    if (this.#seen > 1) this.#total += inferenceMs;
    if (this.#seen > WARM_UP) this.#measured.push(inferenceMs);
    if (this.#measured.length === MEASURED) return this.poses_per_second >= LEAST_POSES_PER_SECOND ? "fast" : "slow";
    return this.#total > MOST_MS ? "slow" : "trying";
  }

  /** What the median inference after the warm-up allows; 0 before there is one. */
  get poses_per_second() {
    const sorted = [...this.#measured].sort((a, b) => a - b);
    return sorted.length === 0 ? 0 : 1000 / sorted[Math.floor(sorted.length / 2)];
  }
}

/**
 * Whether a renderer is a program on the CPU; so is none at all.
 * @param {string | null} renderer
 */
export function isSoftwareRenderer(renderer) {
  return renderer === null || SOFTWARE.test(renderer);
}

/**
 * Names what draws WebGL in this browser.
 * @returns {string | null} null: it has no WebGL; empty: it does not say
 */
export function webglRenderer() {
  const context = document.createElement("canvas").getContext("webgl2");
  if (!context) return null;
  const name = context.getExtension("WEBGL_debug_renderer_info");
  const renderer = String(context.getParameter(name ? name.UNMASKED_RENDERER_WEBGL : context.RENDERER) ?? "");
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return renderer;
}

/**
 * @param {string} model
 * @param {string} browser its user agent and renderer
 * @returns {Delegate | null} what a trial of this model in this very browser has found
 */
export function rememberedDelegate(model, browser) {
  try {
    const { delegate, browser: tried } = JSON.parse(localStorage.getItem(KEY + model) ?? "{}");
    return tried === browser && (delegate === "GPU" || delegate === "CPU") ? delegate : null;
  } catch {
    return null;
  }
}

/**
 * @param {string} model
 * @param {string} browser
 * @param {Delegate} delegate
 */
export function rememberDelegate(model, browser, delegate) {
  try {
    localStorage.setItem(KEY + model, JSON.stringify({ delegate, browser }));
  } catch {
    // It is tried again next time.
  }
}
