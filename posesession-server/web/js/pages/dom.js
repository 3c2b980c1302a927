// @ts-check
// Small helpers that the pages share.

import { describeError } from "../errors.js";

/**
 * Finds an element of the page's own markup.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export function byId(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return element;
}

/**
 * Writes text where it differs, so that screen readers do not hear it again.
 * @param {string} id
 * @param {string} text
 */
export function setText(id, text) {
  const element = byId(id, HTMLElement);
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Shows a message to the user, or none.
 * @param {string} text
 * @param {"info" | "problem"} [kind]
 */
export function showNotice(text, kind = "info") {
  const notice = byId("notice", HTMLElement);
  notice.dataset.kind = kind;
  notice.textContent = text;
  notice.hidden = text === "";
}

/** @param {unknown} thrown */
export function showProblem(thrown) {
  const text = describeError(thrown);
  showNotice(/[.!?]$/.test(text) ? text : `${text}.`, "problem");
}

/**
 * Runs an action of a button and shows what goes wrong.
 * @param {string} id
 * @param {() => unknown} action
 */
export function onClick(id, action) {
  byId(id, HTMLElement).addEventListener("click", () => void attempt(action));
}

/**
 * Runs an action and shows what goes wrong.
 * @param {() => unknown} action
 */
export async function attempt(action) {
  try {
    await action();
  } catch (error) {
    showProblem(error);
  }
}

/**
 * Keeps what tests and styles look at: `data-*` of the root element.
 * @param {Record<string, string | number>} values
 */
export function publishState(values) {
  for (const [name, value] of Object.entries(values)) document.documentElement.dataset[name] = String(value);
}
