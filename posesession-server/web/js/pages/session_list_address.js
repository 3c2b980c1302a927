// @ts-check
// What is listed, to and from the page's address, so that Back, reload and bookmarks show the same.

/**
 * @typedef {object} Listing
 * @property {string} q
 * @property {string} status empty: any
 * @property {Order} order
 * @property {number} limit sessions a page
 * @property {string} cursor of the page, empty: the first one
 *
 * @typedef {typeof ORDERS[number]} Order
 */

/** The first one is the usual one. */
export const ORDERS = /** @type {const} */ (["created_at desc", "created_at asc", "name asc", "name desc", "duration desc", "duration asc", "frame_count desc", "frame_count asc"]);
export const STATUSES = ["recording", "paused", "processing", "completed", "interrupted", "failed"];
export const PAGE_SIZES = [25, 50, 100, 200];
export const USUAL_PAGE_SIZE = 50;

/**
 * Reads an address; what it does not know is as usual.
 * @param {string} search such as `?q=squat&sort=name+asc`
 * @param {number} usualLimit
 * @returns {Listing}
 */
export function listingFrom(search, usualLimit) {
  const given = new URLSearchParams(search);
  const [order, status, limit] = [given.get("sort"), given.get("status") ?? "", Number(given.get("limit"))];
  return {
    q: given.get("q") ?? "",
    status: STATUSES.includes(status) ? status : "",
    order: ORDERS.find((known) => known === order) ?? ORDERS[0],
    limit: PAGE_SIZES.includes(limit) ? limit : usualLimit,
    cursor: given.get("cursor") ?? "",
  };
}

/**
 * Writes an address with what is not as usual. A cursor stands with its page's size, whatever is usual by then.
 * @param {Listing} listing
 * @returns {string} `?q=squat`, or empty
 */
export function addressOf({ q, status, order, limit, cursor }) {
  const search = new URLSearchParams();
  if (q !== "") search.set("q", q);
  if (status !== "") search.set("status", status);
  if (order !== ORDERS[0]) search.set("sort", order);
  if (cursor !== "") {
    search.set("limit", String(limit));
    search.set("cursor", cursor);
  }
  return search.size > 0 ? `?${search}` : "";
}

/**
 * @param {Listing} listing
 * @returns {import("../session_api.js").ListQuery}
 */
export function queryOf({ q, status, order, limit, cursor }) {
  const [sort, direction] = order.split(" ");
  return {
    q: q.trim(),
    status,
    sort: /** @type {import("../session_api.js").ListQuery["sort"]} */ (sort),
    order: /** @type {import("../session_api.js").ListQuery["order"]} */ (direction),
    limit,
    cursor,
    count: /** @type {const} */ (1),
  };
}
