// @ts-check
// A field in, tags as chips out: a comma or Enter ends one, its chip takes it away again.

import { element } from "../element.js";
import { icon } from "../icons.js";
import { byId } from "./dom.js";
import { preference, setPreference } from "./preferences.js";

const KNOWN_TAGS = "realtime.tags";
const MOST_KNOWN = 30;

export class TagField {
  #field;
  #chips = byId("tag-chips", HTMLUListElement);
  /** @type {string[]} */
  #tags = [];

  /** @param {HTMLInputElement} field */
  constructor(field) {
    this.#field = field;
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && field.value.trim() !== "") {
        event.preventDefault();
        this.#take();
      } else if (event.key === "Backspace" && field.value === "" && this.#tags.length > 0) {
        this.#remove(this.#tags[this.#tags.length - 1]);
      }
    });
    field.addEventListener("input", () => {
      if (field.value.includes(",")) this.#take();
    });
    field.addEventListener("change", () => this.#take());
    this.#suggest(readTags(preference(KNOWN_TAGS, "")));
  }

  /** All tags, also the one that is still in the field. */
  get tags() {
    this.#take();
    return [...this.#tags];
  }

  /** Remembers the tags for the next visit. */
  remember() {
    const known = unique([...this.#tags, ...readTags(preference(KNOWN_TAGS, ""))]).slice(0, MOST_KNOWN);
    setPreference(KNOWN_TAGS, known.join(","));
    this.#suggest(known);
  }

  #take() {
    const added = readTags(this.#field.value);
    this.#field.value = "";
    if (added.length === 0) return;
    this.#tags = unique([...this.#tags, ...added]);
    this.#draw();
  }

  /** @param {string} tag */
  #remove(tag) {
    this.#tags = this.#tags.filter((other) => other !== tag);
    this.#draw();
    this.#field.focus();
  }

  #draw() {
    this.#chips.hidden = this.#tags.length === 0;
    this.#chips.replaceChildren(
      ...this.#tags.map((tag) => {
        const chip = element("li");
        const button = element("button", tag, "chip");
        button.type = "button";
        button.setAttribute("aria-label", `Remove the tag ${tag}`);
        button.append(icon("close"));
        button.addEventListener("click", () => this.#remove(tag));
        chip.append(button);
        return chip;
      }),
    );
  }

  /** @param {string[]} known */
  #suggest(known) {
    byId("known-tags", HTMLDataListElement).replaceChildren(...known.map((tag) => new Option(tag, tag)));
  }
}

/**
 * @param {string} text
 * @returns {string[]}
 */
export function readTags(text) {
  return unique(text.split(",").map((tag) => tag.trim().replace(/\s+/g, " ")).filter((tag) => tag !== ""));
}

/**
 * Keeps the first of tags that differ only in upper and lower case.
 * @param {string[]} tags
 */
function unique(tags) {
  const seen = new Set();
  return tags.filter((tag) => {
    const isNew = !seen.has(tag.toLowerCase());
    seen.add(tag.toLowerCase());
    return isNew;
  });
}
