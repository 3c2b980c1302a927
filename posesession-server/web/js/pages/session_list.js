// @ts-check
// The list of sessions: search, rename, delete with undo.

import { formatBytes, formatDate, formatTime } from "../format.js";
import { drawIcons } from "../icons.js";
import { SessionApi } from "../posesession.js";
import { attempt, byId, element, onClick, publishState, setText, showNotice, showProblem } from "./dom.js";
import { useShortcuts } from "./keyboard.js";

/**
 * @typedef {import("../session_api.js").SessionRecording} SessionRecording
 * @typedef {import("../session_api.js").ListQuery} ListQuery
 */

const PAGE_SIZE = 50;
const SEARCH_DELAY_MS = 250;
/** After this the server erases a deleted session. */
const UNDO_MS = 60_000;

const api = new SessionApi();
const rows = byId("session-rows", HTMLTableSectionElement);
const search = byId("search", HTMLInputElement);
const statusFilter = byId("status-filter", HTMLSelectElement);
const sort = byId("sort", HTMLSelectElement);
const nextPage = byId("next-page", HTMLButtonElement);

/** @type {string | null} */
let cursor = null;
/** Rises with each new listing, so that a slow answer to an old question is not shown. */
let listing = 0;
/** @type {SessionRecording | null} */
let lastDeleted = null;
let searchTimer = 0;
let undoTimer = 0;

/** @returns {ListQuery} */
function query() {
  const [by, order] = sort.value.split(" ");
  return {
    q: search.value.trim(),
    status: statusFilter.value,
    sort: /** @type {ListQuery["sort"]} */ (by),
    order: /** @type {ListQuery["order"]} */ (order),
    limit: PAGE_SIZE,
  };
}

/** Lists from the start. */
async function reload() {
  listing += 1;
  const mine = listing;
  publishState({ state: "loading" });
  try {
    const page = await api.list(query());
    if (mine !== listing) return;
    showNotice("");
    rows.replaceChildren(...page.sessions.map(rowOf));
    showPage(page.next);
  } catch (error) {
    if (mine !== listing) return;
    publishState({ state: "failed" });
    showProblem(error);
  }
}

async function loadMore() {
  const mine = listing;
  nextPage.disabled = true;
  try {
    const page = await api.list({ ...query(), cursor: cursor ?? undefined });
    if (mine !== listing) return;
    const firstNew = page.sessions.map(rowOf);
    rows.append(...firstNew);
    showPage(page.next);
    firstNew[0]?.querySelector("a")?.focus();
  } finally {
    nextPage.disabled = false;
  }
}

/** @param {string | null} next */
function showPage(next) {
  cursor = next;
  nextPage.hidden = next === null;
  showEmptiness();
  publishState({ state: "ready" });
}

function showEmptiness() {
  const empty = rows.rows.length === 0;
  const filtered = search.value.trim() !== "" || statusFilter.value !== "";
  byId("sessions", HTMLTableElement).hidden = empty;
  byId("empty", HTMLElement).hidden = !empty;
  setText("empty-title", filtered ? "No session matches" : "No sessions yet");
  byId("empty-text", HTMLElement).hidden = filtered;
  publishState({ sessionCount: rows.rows.length });
}

/**
 * @param {SessionRecording} session
 * @returns {HTMLTableRowElement}
 */
function rowOf(session) {
  const row = element("tr");
  row.dataset.sessionId = session.id;
  row.dataset.status = session.status;
  const name = element("th");
  name.scope = "row";
  showName(name, session);
  const status = element("span", session.status, "badge");
  status.dataset.status = session.status;
  row.append(
    name,
    cell("Date", formatDate(session.created_at)),
    cell("Duration", formatTime(session.duration), "number"),
    cell("Frames", session.frame_count.toLocaleString(), "number"),
    cell("Size", formatBytes(session.stored_bytes), "number"),
    cell("Status", status),
    cell("Actions", actions(session, row, name), "actions"),
  );
  return row;
}

/**
 * @param {string} label for the narrow layout
 * @param {string | Node} content
 * @param {string} [className]
 */
function cell(label, content, className = "") {
  const made = element("td", "", className);
  made.dataset.label = label;
  made.append(content);
  return made;
}

/**
 * @param {HTMLElement} heading
 * @param {SessionRecording} session
 */
function showName(heading, session) {
  const link = element("a", session.name || "Without a name", "session-name");
  link.href = `/session_replay.html?session=${encodeURIComponent(session.id)}`;
  heading.replaceChildren(link);
  if (session.description) heading.append(element("span", session.description, "description"));
}

/**
 * @param {SessionRecording} session
 * @param {HTMLTableRowElement} row
 * @param {HTMLElement} heading
 */
function actions(session, row, heading) {
  const group = document.createDocumentFragment();
  const rename = element("button", "Rename");
  rename.dataset.action = "rename";
  rename.addEventListener("click", () => startRename(session, heading, rename));
  const remove = element("button", "Delete");
  remove.dataset.action = "delete";
  remove.addEventListener("click", () => void attempt(() => deleteSession(session, row)));
  for (const button of [rename, remove]) {
    button.type = "button";
    button.setAttribute("aria-label", `${button.textContent} ${session.name}`);
  }
  group.append(rename, remove);
  return group;
}

/**
 * Puts a field in place of the name; Enter or Save keeps, Escape or Cancel leaves it as it was.
 * @param {SessionRecording} session
 * @param {HTMLElement} heading
 * @param {HTMLButtonElement} opener
 */
function startRename(session, heading, opener) {
  const form = element("form", "", "rename");
  const input = element("input");
  input.name = "name";
  input.value = session.name;
  input.required = true;
  input.maxLength = 200;
  input.setAttribute("aria-label", `New name of ${session.name}`);
  const save = element("button", "Save", "primary");
  save.type = "submit";
  const cancel = element("button", "Cancel");
  cancel.type = "button";
  form.append(input, save, cancel);
  const close = () => {
    opener.disabled = false;
    showName(heading, session);
    opener.focus();
  };
  cancel.addEventListener("click", close);
  form.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") close();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void attempt(async () => {
      save.disabled = true;
      try {
        Object.assign(session, await api.update(session.id, { name: input.value.trim() }));
        close();
      } finally {
        save.disabled = false;
      }
    });
  });
  opener.disabled = true;
  heading.replaceChildren(form);
  input.select();
}

/**
 * @param {SessionRecording} session
 * @param {HTMLTableRowElement} row
 */
async function deleteSession(session, row) {
  await api.delete(session.id);
  row.remove();
  showEmptiness();
  lastDeleted = session;
  setText("undo-text", `“${session.name}” was deleted. It can be brought back for a minute.`);
  byId("undo", HTMLElement).hidden = false;
  byId("undo-delete", HTMLButtonElement).focus();
  clearTimeout(undoTimer);
  undoTimer = window.setTimeout(forgetDeleted, UNDO_MS);
}

function forgetDeleted() {
  lastDeleted = null;
  byId("undo", HTMLElement).hidden = true;
}

async function undoDelete() {
  if (!lastDeleted) return;
  const session = lastDeleted;
  await api.restore(session.id);
  forgetDeleted();
  await reload();
}

search.addEventListener("input", () => {
  clearTimeout(searchTimer);
  searchTimer = window.setTimeout(() => void reload(), SEARCH_DELAY_MS);
});
statusFilter.addEventListener("change", () => void reload());
sort.addEventListener("change", () => void reload());
byId("filter", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  void reload();
});
onClick("next-page", loadMore);
onClick("undo-delete", undoDelete);
void reload();

drawIcons(document);
useShortcuts([{ keys: ["/"], label: "Search", action: () => search.focus() }]);
