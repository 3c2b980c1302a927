// @ts-check
// The recording page at work: begun by its button, and its report held against what it made.

import assert from "node:assert/strict";

import { state, waitForNumber, waitForState } from "./browser.mjs";

/** @typedef {import("playwright-core").Page} Page */

/**
 * Records without a countdown; returns the session's id.
 * @param {Page} page
 */
export async function record(page) {
  await page.check('input[name=countdown][value="0"]');
  await page.click("#record");
  await waitForState(page, { state: "recording" });
  await waitForNumber(page, "frameCount", 5);
  return (await state(page)).sessionId;
}

/**
 * Every frame that the page made is stored, or counted by what became of it.
 * @param {Record<string, any>} report
 */
export function assertAllCounted({ sent, stored, paused, missing, missing_in_pauses: inPauses, refused, dropped }) {
  const sum = (/** @type {Record<string, number>} */ causes) => Object.values(causes).reduce((total, count) => total + count, 0);
  assert.equal(sent, stored + paused + missing + inPauses + sum(refused) + sum(dropped));
}
