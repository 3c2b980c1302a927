// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, listingFrom, queryOf } from "../js/pages/session_list_address.js";
import { PageTrail } from "../js/pages/session_list_trail.js";
import { rangeText } from "../js/pages/session_list_words.js";

const usual = listingFrom("", 50);

/** A tab's storage. */
function storage() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return { getItem: (/** @type {string} */ key) => kept.get(key) ?? null, setItem: (/** @type {string} */ key, /** @type {string} */ value) => void kept.set(key, value) };
}

test("the usual list has the plain address", () => {
  assert.deepEqual(usual, { q: "", status: "", order: "created_at desc", limit: 50, cursor: "" });
  assert.equal(addressOf(usual), "");
});

test("an address leads to the list that it was made from", () => {
  const listing = { ...usual, q: "knee & hip", status: "failed", order: /** @type {const} */ ("name asc"), limit: 25, cursor: "abc=" };
  assert.deepEqual(listingFrom(addressOf(listing), 100), listing);
  assert.deepEqual(queryOf(listing), { q: "knee & hip", status: "failed", sort: "name", order: "asc", limit: 25, cursor: "abc=", count: 1 });
});

test("what an address has that is unknown is as usual", () => {
  assert.deepEqual(listingFrom("?status=gone&sort=size+up&limit=7", 50), usual);
});

test("the way back is known page by page, also after a reload", () => {
  const tab = storage();
  const trail = new PageTrail(tab);
  trail.note(usual, "b");
  trail.note({ ...usual, cursor: "b" }, "c");
  trail.note({ ...usual, cursor: "c" }, null);
  const reloaded = new PageTrail(tab);
  assert.equal(reloaded.before({ ...usual, cursor: "c" }), "b");
  assert.equal(reloaded.before({ ...usual, cursor: "b" }), "");
  assert.equal(reloaded.before(usual), null);
  assert.equal(reloaded.pagesBefore({ ...usual, cursor: "c" }), 2);
});

test("from a page whose way back is unknown it leads to the first one", () => {
  const trail = new PageTrail(null);
  const bookmarked = { ...usual, cursor: "x" };
  trail.note(bookmarked, "y");
  assert.equal(trail.before(bookmarked), "");
  assert.equal(trail.pagesBefore(bookmarked), null);
});

test("each search has a way back of its own, and few are kept", () => {
  const tab = storage();
  const trail = new PageTrail(tab);
  for (let index = 0; index < 20; index += 1) trail.note({ ...usual, q: `search ${index}` }, "next");
  assert.equal(trail.pagesBefore({ ...usual, q: "search 19", cursor: "next" }), 1);
  assert.equal(trail.pagesBefore({ ...usual, q: "search 18", cursor: "next", limit: 25 }), null);
  assert.equal(trail.pagesBefore({ ...usual, q: "search 0", cursor: "next" }), null);
  assert.equal(JSON.parse(tab.getItem("posesession.list.trail") ?? "[]").length, 8);
});

test("broken storage is no storage", () => {
  const trail = new PageTrail({ getItem: () => "{", setItem: () => assert.fail("full") });
  trail.note(usual, "b");
  assert.equal(trail.before({ ...usual, cursor: "b" }), "");
});

test("the page says which part of how many it shows, as far as it is known", () => {
  assert.equal(rangeText({ count: 1, before: 0, total: null, isLast: true }), "1 session");
  assert.equal(rangeText({ count: 12, before: 0, total: 12, isLast: true }), "12 sessions");
  assert.equal(rangeText({ count: 50, before: 50, total: 10_000, isLast: false }), `51–100 of ${(10_000).toLocaleString()} sessions`);
  assert.equal(rangeText({ count: 3, before: 50, total: null, isLast: true }), "51–53 of 53 sessions");
  assert.equal(rangeText({ count: 50, before: 50, total: null, isLast: false }), "Sessions 51–100");
  assert.equal(rangeText({ count: 50, before: null, total: 120, isLast: false }), "50 of 120 sessions");
  assert.equal(rangeText({ count: 50, before: null, total: null, isLast: false }), "50 sessions");
});
