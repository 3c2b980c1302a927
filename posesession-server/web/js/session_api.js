// @ts-check
// The HTTP interface: session management.

import { PosesessionError } from "./errors.js";

/**
 * @typedef {object} SessionRecording
 * @property {string} id
 * @property {string} name
 * @property {string} description
 * @property {string} created_at RFC 3339
 * @property {number} duration seconds
 * @property {number} frame_count
 * @property {number} user_id
 * @property {string | null} video_file_path
 * @property {string} status
 * @property {Record<string, unknown>} metadata
 * @property {import("./json_frame.js").Skeleton | null} skeleton
 * @property {number} stored_bytes
 * @property {"columnar" | "bounded" | "json"} codec how chunks are encoded at rest
 * @property {Record<string, number>} [max_error] how far values may be from those that were sent, by channel; absent: not at all
 * @property {number} [image_count]
 * @property {Record<string, any>} [report] what became of all frames, once its recording has ended
 *
 * @typedef {object} ListQuery
 * @property {string} [q] searched in name, description and metadata
 * @property {string} [status]
 * @property {"created_at" | "name" | "duration" | "frame_count"} [sort]
 * @property {"asc" | "desc"} [order]
 * @property {number} [limit]
 * @property {string} [cursor] `next` of the page before
 * @property {0 | 1} [count] 1: the answer says in `total` how many sessions all pages have together
 *
 * @typedef {object} AnglesQuery
 * @property {string[]} [names] which joints; none: the answer says which there are
 * @property {number} [from] seconds
 * @property {number} [to] seconds, included
 * @property {number} [points] how many at most
 * @property {number} [person] a track id; the lowest of each frame when absent
 *
 * @typedef {object} AngleSeries
 * @property {string} name
 * @property {"degrees"} unit
 * @property {(number | null)[]} min the least of each point's frames; null where none has the angle
 * @property {(number | null)[]} max
 *
 * @typedef {object} Angles
 * @property {string[]} available
 * @property {number} from seconds
 * @property {number} to seconds
 * @property {number[]} timestamps of each point's first frame, seconds
 * @property {AngleSeries[]} series one a name, with one entry a point
 *
 * @typedef {object} SessionPage
 * @property {SessionRecording[]} sessions
 * @property {string | null} next cursor of the page after this one
 * @property {number} [total] how many sessions all pages have together, if asked for by `count`
 *
 * @typedef {object} StoredFrame
 * @property {number} frame_number
 * @property {number} timestamp seconds
 * @property {{ persons: Record<string, unknown>[] }} pose_data
 *
 * @typedef {{ signal?: AbortSignal }} RequestOptions a request that is aborted rejects with the signal's reason
 *
 * @typedef {object} Vision
 * @property {boolean} available whether the server has the browser's pose model and library
 * @property {string[]} models
 * @property {string} fetch_command
 */

/** An answer of the HTTP interface that is no success; `code` is stable, `status` the HTTP status (0: no answer). */
export class ApiError extends PosesessionError {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {Record<string, unknown>} [problem] the whole problem document
   */
  constructor(status, code, message, problem = {}) {
    super(code, message, problem);
    this.name = "ApiError";
    this.status = status;
  }
}

/** Lists, reads, changes, deletes and restores sessions; every method rejects with an `ApiError`. */
export class SessionApi {
  #base;
  #fetch;

  /** @param {{ base?: string, fetch?: typeof fetch }} [options] `base`: the server's address, the page's own when absent */
  constructor({ base = "", fetch: fetchWith = (request, init) => fetch(request, init) } = {}) {
    this.#base = base;
    this.#fetch = fetchWith;
  }

  /**
   * @param {ListQuery} [query]
   * @param {RequestOptions} [options]
   * @returns {Promise<SessionPage>}
   */
  list(query = {}, options) {
    return this.#request("GET", `/api/sessions${queryText(query)}`, undefined, options);
  }

  /**
   * @param {string} id
   * @param {RequestOptions} [options]
   * @returns {Promise<SessionRecording>}
   */
  read(id, options) {
    return this.#request("GET", sessionPath(id), undefined, options);
  }

  /**
   * Reads stored frames, a page at a time.
   * @param {string} id
   * @param {{ from?: number, to?: number, limit?: number }} [range] frame numbers, `from` to before `to`
   * @param {RequestOptions} [options]
   * @returns {Promise<{ frames: StoredFrame[], next: number | null }>}
   */
  frames(id, range = {}, options) {
    return this.#request("GET", `${sessionPath(id)}/frames${queryText(range)}`, undefined, options);
  }

  /**
   * Says where a session can be downloaded as JSON Lines.
   * @param {string} id
   * @returns {string}
   */
  exportAddress(id) {
    return `${this.#base}${sessionPath(id)}/export?format=jsonl`;
  }

  /**
   * Says where a session's video is, if it has one.
   * @param {string} id
   * @returns {string}
   */
  videoAddress(id) {
    return `${this.#base}${sessionPath(id)}/video`;
  }

  /**
   * Joint angles over time, thinned for a plot so that no peak is lost.
   * @param {string} id
   * @param {AnglesQuery} [query]
   * @param {RequestOptions} [options]
   * @returns {Promise<Angles>}
   */
  angles(id, query = {}, options) {
    return this.#request("GET", `${sessionPath(id)}/angles${queryText(query)}`, undefined, options);
  }

  /**
   * Changes what is given and leaves the rest.
   * @param {string} id
   * @param {{ name?: string, description?: string, metadata?: Record<string, unknown> }} change
   * @returns {Promise<SessionRecording>}
   */
  update(id, change) {
    return this.#request("PATCH", sessionPath(id), change);
  }

  /**
   * Hides a session at once; it is erased a minute later unless restored.
   * @param {string} id
   * @returns {Promise<void>}
   */
  delete(id) {
    return this.#request("DELETE", sessionPath(id));
  }

  /**
   * Brings a deleted session back.
   * @param {string} id
   * @returns {Promise<void>}
   */
  restore(id) {
    return this.#request("POST", `${sessionPath(id)}/restore`);
  }

  /**
   * Names the streams that somebody publishes at this moment.
   * @returns {Promise<{ streams: string[] }>}
   */
  streams() {
    return this.#request("GET", "/api/streams");
  }

  /**
   * Says whether the server has what a page needs to find poses itself.
   * @returns {Promise<Vision>}
   */
  vision() {
    return this.#request("GET", "/api/vision");
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @param {RequestOptions} [options]
   * @returns {Promise<any>}
   */
  async #request(method, path, body, { signal } = {}) {
    /** @type {RequestInit} */
    const init = { method };
    if (signal) init.signal = signal;
    if (body !== undefined) Object.assign(init, { headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    /** @type {Response} */
    let response;
    let text;
    try {
      response = await this.#fetch(this.#base + path, init);
      text = await response.text();
    } catch (cause) {
      signal?.throwIfAborted();
      throw Object.assign(new ApiError(0, "connect_failed", "the server cannot be reached; is it running?"), { cause });
    }
    const document = parseJson(text);
    if (!response.ok) throw problemFrom(response, document);
    if (text !== "" && document === undefined) {
      throw new ApiError(response.status, "bad_message", `${method} ${path} was answered by something that is not JSON`);
    }
    return document;
  }
}

/** @param {string} id */
function sessionPath(id) {
  return `/api/sessions/${encodeURIComponent(id)}`;
}

/** @param {object} query what is undefined or empty is left out */
function queryText(query) {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && String(value) !== "") search.set(key, String(value));
  }
  return search.size > 0 ? `?${search}` : "";
}

/**
 * @param {string} text
 * @returns {any} undefined when it is not JSON
 */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * @param {Response} response
 * @param {any} problem
 */
function problemFrom(response, problem) {
  const message = problem?.detail ?? problem?.title ?? `the server answered ${response.status} ${response.statusText}`.trimEnd();
  return new ApiError(response.status, String(problem?.code ?? `http_${response.status}`), String(message), problem ?? {});
}
