// @ts-check
// The list of sessions: what is asked for by search, filter and pages in, cards out.

import { drawIcons } from "../icons.js";
import { ApiError, SessionApi } from "../posesession.js";
import { deleteSessions, downloadSessions, downloadVideo, restoreSessions, saveSession, showGone } from "./session_list_actions.js";
import { addressOf, listingFrom, PAGE_SIZES, queryOf, USUAL_PAGE_SIZE } from "./session_list_address.js";
import { isLive, SessionCard } from "./session_list_card.js";
import { editCard } from "./session_list_edit.js";
import { neighbour } from "./session_list_grid.js";
import { LivePoll } from "./session_list_live.js";
import { announce, causeOf, clearNotice, showFailure } from "./session_list_notice.js";
import { Selection } from "./session_list_selection.js";
import { Thumbnails } from "./session_list_thumbnails.js";
import { PageTrail } from "./session_list_trail.js";
import { UndoBar } from "./session_list_undo.js";
import { byId, onClick, publishState, setText } from "./dom.js";
import { useShortcuts } from "./keyboard.js";
import { preference, setPreference } from "./preferences.js";

/**
 * @typedef {import("../session_api.js").SessionRecording} SessionRecording
 * @typedef {import("./session_list_address.js").Listing} Listing
 * @typedef {import("./session_list_actions.js").Outcome} Outcome
 * @typedef {import("./session_list_card.js").CardAction} CardAction
 */

const SEARCH_DELAY_MS = 250;

const api = new SessionApi();
const list = byId("sessions", HTMLUListElement);
const search = byId("search", HTMLInputElement);
const statusFilter = byId("status-filter", HTMLSelectElement);
const sort = byId("sort", HTMLSelectElement);
const pageSize = byId("page-size", HTMLSelectElement);
const previousPage = byId("previous-page", HTMLButtonElement);
const nextPage = byId("next-page", HTMLButtonElement);

const trail = new PageTrail(tabStorage());
const thumbnails = new Thumbnails(api);
const selection = new Selection(() => cards);
const undo = new UndoBar(restore);
const live = new LivePoll(lookAtLive);

let listing = readAddress();
/** @type {SessionCard[]} */
let cards = [];
/** @type {string | null} */
let next = null;
/** How many sessions match, where it is known. @type {number | null} */
let total = null;
/** The card that had the focus last. @type {SessionCard | null} */
let current = null;
/** The answer that is waited for; one to an older question is not shown. */
let asking = new AbortController();
let searchTimer = 0;
/** Whether the words that are being typed have their own place in the tab's history yet. */
let typing = false;

/** @returns {Storage | null} */
function tabStorage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

function readAddress() {
  const usual = Number(preference("list.page_size", String(USUAL_PAGE_SIZE)));
  return listingFrom(location.search, PAGE_SIZES.includes(usual) ? usual : USUAL_PAGE_SIZE);
}

/**
 * Lists something else, with an address of its own.
 * @param {Partial<Listing>} change
 * @param {{ replace?: boolean, focus?: boolean }} [options] `focus`: on the first session
 */
async function show(change, { replace = false, focus = false } = {}) {
  listing = { ...listing, cursor: "", ...change };
  const address = location.pathname + addressOf(listing);
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  await load({ focus });
}

/**
 * Lists what the address says.
 * @param {{ focus?: boolean }} [options]
 */
async function load({ focus = false } = {}) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  writeFilter();
  list.ariaBusy = "true";
  publishState({ state: "loading" });
  try {
    const page = await api.list(queryOf(listing), { signal });
    if (signal.aborted) return;
    if (page.sessions.length === 0 && listing.cursor !== "") {
      await show({ cursor: trail.before(listing) ?? "" }, { replace: true, focus });
      return;
    }
    clearNotice();
    trail.note(listing, page.next);
    next = page.next;
    total = page.total ?? null;
    replaceCards(page.sessions);
    publishState({ state: "ready" });
    if (focus) focusFirst();
    live.start();
  } catch (error) {
    if (!signal.aborted) await failToLoad(error, focus);
  } finally {
    if (!signal.aborted) list.ariaBusy = "false";
  }
}

/**
 * @param {unknown} error
 * @param {boolean} focus
 */
async function failToLoad(error, focus) {
  if (error instanceof ApiError && error.code === "bad_argument" && listing.cursor !== "") {
    await show({}, { replace: true, focus });
    showFailure("The address led to a page that is not there: this is the first one.");
    return;
  }
  publishState({ state: "failed" });
  if (cards.length > 0) showFailure(`Loading the sessions failed: ${causeOf(error)}`, () => load({ focus }));
  else showEmptiness(error);
}

/** @param {SessionRecording[]} sessions */
function replaceCards(sessions) {
  for (const card of cards) thumbnails.unwatch(card);
  cards = sessions.map((session) => new SessionCard(session, (action, card) => void act(action, card)));
  current = null;
  list.replaceChildren(...cards.map(({ element }) => element));
  for (const card of cards) {
    selection.add(card);
    thumbnails.watch(card);
  }
  showCount();
  announce(byId("empty", HTMLElement).hidden ? rangeText() : byId("empty-title", HTMLElement).textContent ?? "");
}

/**
 * Takes cards away whose sessions are no more; the focus goes to what took their place.
 * @param {SessionRecording[]} sessions
 */
function removeCards(sessions) {
  const ids = new Set(sessions.map(({ id }) => id));
  const removed = cards.filter(({ session }) => ids.has(session.id));
  if (removed.length === 0) return;
  const hadFocus = removed.some(({ element }) => element.contains(document.activeElement)) || document.activeElement === document.body;
  const after = cards.slice(cards.indexOf(removed[0])).find((card) => !removed.includes(card));
  cards = cards.filter((card) => !removed.includes(card));
  for (const card of removed) {
    thumbnails.unwatch(card);
    card.element.remove();
  }
  if (total !== null) total -= removed.length;
  if (current && removed.includes(current)) current = null;
  showCount();
  if (hadFocus) (after ?? cards.at(-1))?.link.focus();
  // The sessions after these move up.
  if (cards.length === 0 && (next !== null || listing.cursor !== "")) void load();
}

function showCount() {
  const nothing = cards.length === 0;
  for (const id of ["sessions", "list-head", "pager"]) byId(id, HTMLElement).hidden = nothing;
  byId("empty", HTMLElement).hidden = !nothing;
  // Where there is nothing to find or to leaf through, only the first session's button is of use.
  const isUnused = nothing && listing.q.trim() === "" && listing.status === "";
  for (const id of ["filter", "record"]) byId(id, HTMLElement).hidden = isUnused;
  byId("leaf", HTMLElement).hidden = next === null && listing.cursor === "";
  byId("page-size-choice", HTMLElement).hidden = next === null && listing.cursor === "" && cards.length <= PAGE_SIZES[0];
  if (nothing) showEmptiness();
  setText("range", rangeText());
  previousPage.disabled = listing.cursor === "";
  nextPage.disabled = next === null;
  selection.update();
  publishState({ sessionCount: cards.length });
}

/** Says which part of how many is shown: `51–100 of 10,000 sessions`. */
function rangeText() {
  const before = trail.pagesBefore(listing);
  const first = before === null ? null : before * listing.limit + 1;
  const last = first === null ? null : first + cards.length - 1;
  const all = total ?? (next === null ? last : null);
  const unit = all === 1 || (all === null && cards.length === 1) ? "session" : "sessions";
  if (all === cards.length) return `${all.toLocaleString()} ${unit}`;
  const part = first === null || last === null ? String(cards.length) : `${first.toLocaleString()}–${last.toLocaleString()}`;
  return all === null ? `${unit === "session" ? "Session" : "Sessions"} ${part}` : `${part} of ${all.toLocaleString()} ${unit}`;
}

/** @param {unknown} [failure] why it is not known whether there are any */
function showEmptiness(failure) {
  const words = listing.q.trim();
  const filtered = words !== "" || listing.status !== "";
  byId("empty", HTMLElement).hidden = false;
  byId("empty-record", HTMLElement).hidden = failure !== undefined || filtered;
  byId("clear-filter", HTMLElement).hidden = failure !== undefined || !filtered;
  byId("load-again", HTMLElement).hidden = failure === undefined;
  if (failure !== undefined) {
    setText("empty-title", "The sessions could not be loaded");
    const cause = causeOf(failure);
    setText("empty-text", cause.charAt(0).toUpperCase() + cause.slice(1));
    announce(`The sessions could not be loaded: ${cause}`);
  } else if (filtered) {
    const status = listing.status === "" ? "" : ` with the status ${listing.status}`;
    setText("empty-title", words === "" ? `No session${status}` : `No session${status} matches “${words}”`);
    setText("empty-text", "All words must occur in a session's name, description, tags or other metadata.");
  } else {
    setText("empty-title", "No sessions yet");
    setText("empty-text", "Stand before the camera and press Record. When you press Stop, the session appears here.");
  }
}

function writeFilter() {
  if (search.value.trim() !== listing.q.trim()) search.value = listing.q;
  statusFilter.value = listing.status;
  sort.value = listing.order;
  pageSize.value = String(listing.limit);
}

function focusFirst() {
  scrollTo({ top: 0 });
  cards[0]?.link.focus({ preventScroll: true });
}

async function showNext() {
  if (next !== null) await show({ cursor: next }, { focus: true });
}

async function showPrevious() {
  const cursor = trail.before(listing);
  if (cursor !== null) await show({ cursor }, { focus: true });
}

/**
 * @param {CardAction} action
 * @param {SessionCard} card
 */
async function act(action, card) {
  if (action === "rename") edit(card);
  else if (action === "download") await downloadSessions(api, [card.session], settle);
  else if (action === "download-video") await downloadVideo(api, card.session, settle);
  else await remove([card]);
}

/** @param {SessionCard[]} chosen */
function remove(chosen) {
  return deleteSessions(api, chosen.map(({ session }) => session), (outcome) => {
    removeCards([...outcome.done, ...outcome.gone]);
    undo.add(outcome.done);
  });
}

/** @param {Outcome} outcome of what changed nothing itself */
function settle({ gone }) {
  removeCards(gone);
}

/** @param {SessionCard} card */
function edit(card) {
  const save = async (/** @type {{ name: string, description: string }} */ change) => {
    let kept = false;
    await saveSession(api, card.session, change, (outcome, saved) => {
      settle(outcome);
      if (!saved) return;
      kept = true;
      clearNotice();
      card.update(saved);
      announce(`“${card.title}” was saved.`);
    }, () => card.element.querySelector("form")?.requestSubmit());
    return kept;
  };
  editCard(card, save);
}

/**
 * @param {SessionRecording[]} sessions
 * @returns {Promise<SessionRecording[]>} those that could not be brought back yet
 */
async function restore(sessions) {
  const { done, failed } = await restoreSessions(api, sessions, () => undo.undo());
  if (done.length > 0) {
    if (failed.length === 0) clearNotice();
    await load();
    const back = cards.find(({ session }) => done.some(({ id }) => id === session.id));
    (back ?? cards[0])?.link.focus();
    announce(done.length === 1 ? "The session is back." : `${done.length} sessions are back.`);
  }
  return failed;
}

/** @returns {Promise<boolean>} whether sessions of the page still change by themselves */
async function lookAtLive() {
  for (const card of cards.filter(({ session }) => isLive(session))) {
    const { session: before } = card;
    try {
      const session = await api.read(before.id);
      card.update(session);
      if (session.frame_count !== before.frame_count || session.status !== before.status) thumbnails.refresh(card);
      if (!isLive(session)) announce(`The recording of “${card.title}” has ended.`);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "session_not_found" || !cards.includes(card)) continue;
      removeCards([before]);
      showGone([before]);
    }
  }
  return cards.some(({ session }) => isLive(session));
}

/** @param {"next" | "previous" | "up" | "down"} step */
function move(step) {
  neighbour(cards, current, step)?.link.focus();
}

/** @param {(card: SessionCard) => unknown} action */
function withCurrent(action) {
  return { action: () => current && action(current), when: () => current !== null };
}

const inList = () => list.contains(document.activeElement);

list.addEventListener("focusin", ({ target }) => {
  current = cards.find(({ element }) => element.contains(/** @type {Node} */ (target))) ?? null;
});
search.addEventListener("input", () => {
  clearTimeout(searchTimer);
  searchTimer = window.setTimeout(searchNow, SEARCH_DELAY_MS);
});
search.addEventListener("change", () => {
  typing = false;
});

function searchNow() {
  clearTimeout(searchTimer);
  if (search.value.trim() === listing.q.trim()) return;
  const replace = typing;
  typing = true;
  void show({ q: search.value }, { replace });
}

byId("filter", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  searchNow();
});
statusFilter.addEventListener("change", () => void show({ status: statusFilter.value }));
sort.addEventListener("change", () => void show({ order: /** @type {Listing["order"]} */ (sort.value) }));
pageSize.addEventListener("change", () => {
  setPreference("list.page_size", pageSize.value);
  void show({ limit: Number(pageSize.value) });
});
onClick("next-page", showNext);
onClick("previous-page", showPrevious);
onClick("load-again", () => load());
onClick("clear-filter", async () => {
  await show({ q: "", status: "" });
  search.focus();
});
onClick("delete-selected", () => remove(selection.chosen));
onClick("download-selected", () => downloadSessions(api, selection.chosen.map(({ session }) => session), settle));
addEventListener("popstate", () => {
  listing = readAddress();
  typing = false;
  void load();
});
// A page that Back took out of the browser's memory shows what was, not what is.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) void load();
});

drawIcons(document);
useShortcuts([
  { keys: ["/"], label: "Search", action: () => search.select() },
  { keys: ["n"], label: "Next page", action: showNext },
  { keys: ["p"], label: "Previous page", action: showPrevious },
  { keys: ["j"], label: "Next session", action: () => move("next") },
  { keys: ["k"], label: "Previous session", action: () => move("previous") },
  { keys: ["ArrowRight"], label: "Session to the right", action: () => move("next"), when: inList },
  { keys: ["ArrowLeft"], label: "Session to the left", action: () => move("previous"), when: inList },
  { keys: ["ArrowDown"], label: "Session below", action: () => move("down"), when: inList },
  { keys: ["ArrowUp"], label: "Session above", action: () => move("up"), when: inList },
  { keys: ["Enter"], label: "Open the session", ...withCurrent((card) => card.link.click()) },
  { keys: ["e"], label: "Rename and describe it", ...withCurrent(edit) },
  { keys: ["x"], label: "Select it", ...withCurrent((card) => selection.toggle(card)) },
  { keys: ["Shift+X"], label: "Select all between", ...withCurrent((card) => selection.toggle(card, { range: true })) },
  {
    keys: ["Delete"],
    label: "Delete it, or all that are selected",
    action: () => remove(selection.chosen.length > 0 || !current ? selection.chosen : [current]),
    when: () => current !== null || selection.chosen.length > 0,
  },
  { keys: ["u"], label: "Undo deleting", action: () => undo.undo(), when: () => undo.isOffered },
]);
void load();
