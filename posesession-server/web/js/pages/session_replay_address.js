// @ts-check
// The address of a replay in, the moment that it names out; and back.

/**
 * @typedef {"none" | "loop" | "ping_pong"} LoopMode
 *
 * @typedef {object} Moment
 * @property {string} session
 * @property {number | null} t seconds
 * @property {number | null} a seconds
 * @property {number | null} b seconds
 * @property {number | null} rate
 * @property {LoopMode | null} loop
 * @property {boolean} autoplay
 */

const FASTEST = 16;

/**
 * Reads what is understood, and passes over the rest: an address that somebody has typed shows at least the session.
 * @param {string} search the query of an address
 * @returns {Moment}
 */
export function readAddress(search) {
  const query = new URLSearchParams(search);
  const a = seconds(query.get("a"));
  const b = seconds(query.get("b"));
  const rate = number(query.get("rate"));
  const loop = query.get("loop");
  return {
    session: query.get("session") ?? "",
    t: seconds(query.get("t")),
    a,
    b: b !== null && b > (a ?? 0) ? b : null,
    rate: rate !== null && rate !== 0 && Math.abs(rate) <= FASTEST ? rate : null,
    loop: loop === "none" || loop === "loop" || loop === "ping_pong" ? loop : null,
    autoplay: query.get("autoplay") === "1",
  };
}

/**
 * Makes the address that opens at a moment. What is as usual is left out.
 * @param {string} page the page's own address, query and fragment are replaced
 * @param {Omit<Moment, "autoplay">} moment
 * @returns {string}
 */
export function writeAddress(page, { session, t, a, b, rate, loop }) {
  const address = new URL(page);
  const query = new URLSearchParams({ session });
  for (const [name, value] of Object.entries({ t, a, b })) if (value !== null) query.set(name, rounded(value));
  if (rate !== null && rate !== 1) query.set("rate", String(rate));
  if (loop !== null && loop !== "none") query.set("loop", loop);
  address.search = String(query);
  address.hash = "";
  return address.href;
}

/** @param {number} value seconds; to a microsecond a frame is found again */
function rounded(value) {
  return String(Math.round(value * 1e6) / 1e6);
}

/** @param {string | null} text */
function number(text) {
  if (text === null || text.trim() === "") return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

/** @param {string | null} text */
function seconds(text) {
  const value = number(text);
  return value !== null && value >= 0 ? value : null;
}
