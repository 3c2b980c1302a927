// @ts-check
// Questions to the user in a modal dialog, which browsers make a focus trap that Escape leaves.

import { element } from "../element.js";

/**
 * @typedef {object} Question
 * @property {string} title
 * @property {string} text
 * @property {string} action the word on the button that does it
 * @property {boolean} [danger] whether it takes something away
 */

/**
 * Asks before something is done.
 * @param {Question} question
 * @returns {Promise<boolean>} whether the user agreed
 */
export function confirmAction({ title, text, action, danger = false }) {
  const act = element("button", action, danger ? "record" : "primary");
  act.value = "yes";
  const cancel = element("button", "Cancel");
  cancel.value = "no";
  // With Enter pressed by mistake nothing is taken away.
  (danger ? cancel : act).autofocus = true;
  return new Promise((resolve) => {
    const dialog = openDialog(title, [element("p", text)], [cancel, act]);
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/**
 * Opens a modal dialog, which is gone once it is closed.
 * @param {string} title
 * @param {Node[]} content
 * @param {HTMLButtonElement[]} [actions] submit buttons; their `value` becomes the dialog's `returnValue`
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, content, actions = []) {
  const dialog = element("dialog");
  const heading = element("h2", title);
  heading.id = `dialog-title-${document.querySelectorAll("dialog").length}`;
  dialog.setAttribute("aria-labelledby", heading.id);
  const close = element("button", "Close");
  close.autofocus = true;
  const row = element("div", "", "dialog-actions");
  row.append(...(actions.length > 0 ? actions : [close]));
  const form = element("form", "", "stack");
  form.method = "dialog";
  form.append(heading, ...content, row);
  dialog.append(form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
