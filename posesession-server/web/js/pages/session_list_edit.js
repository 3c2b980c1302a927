// @ts-check
// A card in, its new name and description out: a form in place of what the card says.

import { element } from "../element.js";

/** @typedef {import("./session_list_card.js").SessionCard} SessionCard */

const MAX_NAME = 200;
const MAX_DESCRIPTION = 5000;

/**
 * Lets a session be renamed and described; Enter or Save keeps, Escape or Cancel leaves it as it was.
 * @param {SessionCard} card
 * @param {(change: { name: string, description: string }) => Promise<boolean>} save whether it was kept; while not, the form stays
 */
export function editCard(card, save) {
  if (card.element.dataset.editing) return;
  const { name, description } = card.session;
  const nameField = element("input");
  Object.assign(nameField, { name: "name", value: name, maxLength: MAX_NAME, autocomplete: "off", enterKeyHint: "done" });
  const descriptionField = element("textarea");
  Object.assign(descriptionField, { name: "description", value: description, maxLength: MAX_DESCRIPTION, rows: 3, enterKeyHint: "done" });
  const keep = element("button", "Save", "primary");
  const cancel = element("button", "Cancel");
  cancel.type = "button";
  const buttons = element("div", "", "row");
  buttons.append(keep, cancel);
  const form = element("form", "", "edit stack");
  form.setAttribute("aria-label", `Rename and describe ${card.title}`);
  form.append(labelled("Name", nameField), labelled("Description", descriptionField), buttons);

  const close = () => {
    form.remove();
    card.view.hidden = false;
    delete card.element.dataset.editing;
    card.link.focus();
  };
  cancel.addEventListener("click", close);
  form.addEventListener("keydown", (event) => {
    // While a word is being composed, Enter and Escape belong to the input method.
    if (event.isComposing) return;
    if (event.key === "Escape") close();
    if (event.key === "Enter" && event.target === descriptionField && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit(keep);
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (keep.disabled) return;
    const change = { name: nameField.value.trim(), description: descriptionField.value.trim() };
    if (change.name === name && change.description === description) {
      close();
      return;
    }
    keep.disabled = true;
    const kept = await save(change);
    keep.disabled = false;
    if (kept) close();
  });

  card.element.dataset.editing = "true";
  card.view.hidden = true;
  card.element.append(form);
  nameField.select();
  nameField.focus();
}

/**
 * @param {string} text
 * @param {HTMLElement} field
 */
function labelled(text, field) {
  const label = element("label", text);
  label.append(field);
  return label;
}
