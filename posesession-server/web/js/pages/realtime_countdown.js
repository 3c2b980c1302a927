// @ts-check
// Seconds in; one tick a second, beeps and an end out, unless it is cancelled before.

/**
 * @typedef {object} CountdownOptions
 * @property {number} seconds 0: it ends at once
 * @property {boolean} beep
 * @property {(left: number) => void} onTick with the whole seconds that are left, from all of them to 1
 */

const TICK_TONE = { hertz: 660, seconds: 0.09 };
const START_TONE = { hertz: 1320, seconds: 0.3 };
const LOUDNESS = 0.25;

export class Countdown {
  /** @type {((ranOut: boolean) => void) | null} */
  #end = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {AudioContext | null} */
  #audio = null;

  get isRunning() {
    return this.#end !== null;
  }

  /**
   * Counts down; called from a key or a press, for browsers to allow the beeps.
   * @param {CountdownOptions} options
   * @returns {Promise<boolean>} whether it ran out; false: it was cancelled
   */
  run({ seconds, beep, onTick }) {
    this.cancel();
    if (seconds <= 0) return Promise.resolve(true);
    const end = performance.now() + seconds * 1000;
    return new Promise((resolve) => {
      this.#end = resolve;
      const tick = (/** @type {number} */ left) => {
        if (beep) this.#sound(left > 0 ? TICK_TONE : START_TONE);
        if (left === 0) {
          this.#finish(true);
          return;
        }
        onTick(left);
        this.#timer = setTimeout(() => tick(left - 1), Math.max(0, end - (left - 1) * 1000 - performance.now()));
      };
      tick(seconds);
    });
  }

  cancel() {
    this.#finish(false);
  }

  /** @param {boolean} ranOut */
  #finish(ranOut) {
    clearTimeout(this.#timer);
    const end = this.#end;
    this.#end = null;
    end?.(ranOut);
  }

  /** @param {{ hertz: number, seconds: number }} tone */
  #sound({ hertz, seconds }) {
    try {
      this.#audio ??= new AudioContext();
      void this.#audio.resume();
      const now = this.#audio.currentTime;
      const volume = this.#audio.createGain();
      // Ramps, because an edge would click.
      volume.gain.setValueAtTime(0, now);
      volume.gain.linearRampToValueAtTime(LOUDNESS, now + 0.01);
      volume.gain.setValueAtTime(LOUDNESS, now + seconds - 0.02);
      volume.gain.linearRampToValueAtTime(0, now + seconds);
      volume.connect(this.#audio.destination);
      const oscillator = new OscillatorNode(this.#audio, { frequency: hertz });
      oscillator.connect(volume);
      oscillator.start(now);
      oscillator.stop(now + seconds);
    } catch {
      // Without sound there are still the numerals.
    }
  }
}
