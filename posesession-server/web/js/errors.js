// @ts-check

/**
 * A failure that a caller can act on, named by its stable `code`.
 *
 * Codes of the server are listed in the protocol's documents (`stream_busy`, `no_recording`, ...). Codes of these
 * clients: `closed` (the connection ended), `not_connected`, `connect_failed`, `bad_binary`, `bad_message`.
 */
export class PosesessionError extends Error {
  /**
   * @param {string} code stable, for programs
   * @param {string} message for people
   * @param {Record<string, unknown>} [details] the fields that came with the error, as on the wire
   */
  constructor(code, message, details = {}) {
    super(message);
    this.name = "PosesessionError";
    this.code = code;
    this.details = details;
  }
}

/**
 * Says what went wrong in one sentence for people, whatever was thrown.
 * @param {unknown} thrown
 * @returns {string}
 */
export function describeError(thrown) {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return text === "" ? "unknown error" : text.charAt(0).toUpperCase() + text.slice(1);
}

/** Answers to commands about a recording that say that it is over. */
export const RECORDING_OVER = ["not_resumable", "session_not_found", "no_recording"];
