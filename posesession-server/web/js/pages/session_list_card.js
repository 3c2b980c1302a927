// @ts-check
// A session in, its card out: the picture of its body, what it is, and what can be done with it.

import { element } from "../element.js";
import { formatBytes, formatDate, formatExactness, formatTime } from "../format.js";
import { icon } from "../icons.js";

/**
 * @typedef {import("../session_api.js").SessionRecording} SessionRecording
 *
 * @typedef {"rename" | "download" | "download-video" | "delete"} CardAction
 * @typedef {"waiting" | "drawn" | "nobody" | "failed"} PictureState
 */

const STATUS_NAMES = /** @type {Record<string, string>} */ ({
  recording: "Recording",
  paused: "Paused",
  processing: "Processing",
  completed: "Completed",
  interrupted: "Interrupted",
  failed: "Failed",
});
const LIVE = ["recording", "paused", "processing"];

/** @type {[CardAction, import("../icons.js").IconName, string][]} */
const ACTIONS = [
  ["rename", "edit", "Rename and describe"],
  ["download", "download", "Download"],
  ["download-video", "video", "Download video of"],
  ["delete", "discard", "Delete"],
];

/**
 * Says whether a session still changes by itself.
 * @param {SessionRecording} session
 */
export function isLive({ status }) {
  return LIVE.includes(status);
}

/**
 * Says what a session is called, also when it has no name.
 * @param {SessionRecording} session
 */
export function titleOf({ name }) {
  return name.trim() || "Without a name";
}

/**
 * Reads the tags that a session was given; metadata is anybody's, so that what is no text is no tag.
 * @param {SessionRecording} session
 * @returns {string[]}
 */
export function tagsOf({ metadata: { tags } }) {
  const given = Array.isArray(tags) ? tags : typeof tags === "string" ? tags.split(",") : [];
  return given.flatMap((tag) => (typeof tag === "string" && tag.trim() !== "" ? [tag.trim()] : []));
}

/** One entry of the list. */
export class SessionCard {
  element = element("li", "", "card");
  canvas = element("canvas");
  link = element("a", "", "session-name");
  #name = element("span");
  checkbox = element("input");
  /** What gives way to the form while the session is renamed. */
  view = element("div", "", "view");
  #duration = element("span", "", "duration");
  #placeholder = element("span", "", "placeholder");
  #badge = element("span", "", "badge");
  #video = element("span", "Video", "badge");
  #description = element("p", "", "description");
  #date = element("time");
  #figures = element("span");
  #tags = element("ul", "", "tags");
  /** @type {Map<CardAction, HTMLButtonElement>} */
  #buttons = new Map();

  /**
   * @param {SessionRecording} session
   * @param {(action: CardAction, card: SessionCard) => void} onAction
   */
  constructor(session, onAction) {
    this.session = session;
    this.element.dataset.sessionId = session.id;
    this.element.append(this.#picture(), this.view);
    this.#fillView(onAction);
    this.setPicture("waiting");
    this.update(session);
  }

  get title() {
    return titleOf(this.session);
  }

  /**
   * Shows what has become of the session.
   * @param {SessionRecording} session
   */
  update(session) {
    this.session = session;
    const { title } = this;
    this.element.dataset.status = session.status;
    setText(this.#name, title);
    // A long name is cut on the card.
    this.link.title = title;
    this.link.href = `/session_replay.html?session=${encodeURIComponent(session.id)}`;
    this.checkbox.setAttribute("aria-label", `Select ${title}`);
    setText(this.#description, session.description);
    this.#description.hidden = session.description === "";
    setText(this.#duration.querySelector("b") ?? this.#duration, formatTime(session.duration));
    setText(this.#badge, STATUS_NAMES[session.status] ?? session.status);
    this.#badge.dataset.status = session.status;
    this.#video.hidden = session.video_file_path === null;
    this.#date.dateTime = session.created_at;
    setText(this.#date, formatDate(session.created_at));
    const frames = session.frame_count === 1 ? "1 frame" : `${session.frame_count.toLocaleString()} frames`;
    setText(this.#figures, `${frames} · ${formatBytes(session.stored_bytes)}`);
    this.#figures.title = `kept as ${session.codec}, ${formatExactness(session)}`;
    this.#showTags(tagsOf(session));
    for (const [action, , label] of ACTIONS) {
      const button = this.button(action);
      button.setAttribute("aria-label", `${label} ${title}`);
      button.title = action === "download-video" ? "Download video" : label;
    }
    this.button("download-video").hidden = session.video_file_path === null;
  }

  /**
   * @param {CardAction} action
   * @returns {HTMLButtonElement}
   */
  button(action) {
    const button = this.#buttons.get(action);
    if (!button) throw new Error(`a card has no button for ${action}`);
    return button;
  }

  /** @param {PictureState} state */
  setPicture(state) {
    this.element.dataset.picture = state;
    const empty = this.session.frame_count === 0 ? "No frames" : "Nobody seen";
    setText(this.#placeholder, state === "nobody" ? empty : state === "failed" ? "No picture" : "");
  }

  #picture() {
    const picture = element("div", "", "picture");
    this.canvas.setAttribute("aria-hidden", "true");
    this.#duration.append(element("span", "Duration ", "visually-hidden"), element("b"));
    this.checkbox.type = "checkbox";
    const select = element("label", "", "select");
    select.append(this.checkbox);
    picture.append(this.canvas, this.#placeholder, this.#duration, select);
    return picture;
  }

  /** @param {(action: CardAction, card: SessionCard) => void} onAction */
  #fillView(onAction) {
    const heading = element("h2");
    this.link.append(this.#name);
    heading.append(this.link);
    const facts = element("p", "", "facts");
    facts.append(this.#date, " ", this.#figures);
    const badges = element("p", "", "badges");
    badges.append(this.#badge, " ", this.#video);
    const actions = element("div", "", "actions");
    for (const [action, picture] of ACTIONS) {
      const button = element("button", "", "quiet icon-only");
      button.type = "button";
      button.dataset.action = action;
      button.append(icon(picture));
      button.addEventListener("click", () => onAction(action, this));
      this.#buttons.set(action, button);
      actions.append(button);
    }
    this.view.append(heading, this.#description, facts, badges, this.#tags, actions);
  }

  /** @param {string[]} tags */
  #showTags(tags) {
    this.#tags.hidden = tags.length === 0;
    this.#tags.setAttribute("role", "list");
    this.#tags.setAttribute("aria-label", "Tags");
    this.#tags.replaceChildren(...tags.map((tag) => element("li", tag, "badge")));
  }
}

/**
 * @param {Element} target
 * @param {string} text
 */
function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
