// @ts-check
// The list of sessions: what is asked for by search, filter and pages in, cards out.

import { drawIcons } from "../icons.js";
import { ApiError, SessionApi } from "../posesession.js";
import { deleteSessions, downloadSessions, downloadVideo, restoreSessions, saveSession, showGone } from "./session_list_actions.js";
import { addressOf, listingFrom, PAGE_SIZES, queryOf, USUAL_PAGE_SIZE } from "./session_list_address.js";
import { isLive, SessionCard } from "./session_list_card.js";
import { editCard } from "./session_list_edit.js";
import { Filter } from "./session_list_filter.js";
import { useListKeys } from "./session_list_keys.js";
import { LivePoll } from "./session_list_live.js";
import { announce, causeOf, clearNotice, showFailure } from "./session_list_notice.js";
import { Selection } from "./session_list_selection.js";
import { Thumbnails } from "./session_list_thumbnails.js";
import { PageTrail } from "./session_list_trail.js";
import { UndoBar } from "./session_list_undo.js";
import { rangeText, showEmptiness, showUnknown } from "./session_list_words.js";
import { byId, onClick, publishState, setText } from "./dom.js";
import { preference } from "./preferences.js";

/**
 * @typedef {import("../session_api.js").SessionRecording} SessionRecording
 * @typedef {import("./session_list_address.js").Listing} Listing
 * @typedef {import("./session_list_actions.js").Outcome} Outcome
 * @typedef {import("./session_list_card.js").CardAction} CardAction
 */

const api = new SessionApi();
const list = byId("sessions", HTMLUListElement);
const previousPage = byId("previous-page", HTMLButtonElement);
const nextPage = byId("next-page", HTMLButtonElement);

const storage = tabStorage();
const trail = new PageTrail(storage);
const thumbnails = new Thumbnails(api);
const selection = new Selection(() => cards);
const undo = new UndoBar(restore, storage);
const live = new LivePoll(lookAtLive);
const filter = new Filter((change, options) => void show(change, options));

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
  filter.write(listing);
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
  else showUnknown(error);
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
  announce(cards.length > 0 ? shownRange() : byId("empty-title", HTMLElement).textContent ?? "");
}

/**
 * Takes cards away whose sessions are no more.
 * @param {SessionRecording[]} sessions
 * @param {{ focus?: boolean }} [options] `focus`: it goes to what takes their place, wherever it was
 */
function removeCards(sessions, { focus = false } = {}) {
  const ids = new Set(sessions.map(({ id }) => id));
  const removed = cards.filter(({ session }) => ids.has(session.id));
  if (removed.length === 0) return;
  const hadFocus = focus || removed.some(({ element }) => element.contains(document.activeElement));
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
  if (nothing) showEmptiness(listing);
  setText("range", shownRange());
  previousPage.disabled = listing.cursor === "";
  nextPage.disabled = next === null;
  selection.update();
  publishState({ sessionCount: cards.length });
}

function shownRange() {
  const pages = trail.pagesBefore(listing);
  return rangeText({ count: cards.length, before: pages === null ? null : pages * listing.limit, total, isLast: next === null });
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
    removeCards([...outcome.done, ...outcome.gone], { focus: true });
    undo.add(outcome.done);
  });
}

/** @param {Outcome} outcome of what changed nothing itself */
function settle({ gone }) {
  removeCards(gone, { focus: true });
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

list.addEventListener("focusin", ({ target }) => {
  current = cards.find(({ element }) => element.contains(/** @type {Node} */ (target))) ?? null;
});
onClick("next-page", showNext);
onClick("previous-page", showPrevious);
onClick("load-again", () => load());
onClick("clear-filter", async () => {
  filter.settle();
  await show({ q: "", status: "" });
  filter.focus();
});
onClick("delete-selected", () => remove(selection.chosen));
onClick("download-selected", () => downloadSessions(api, selection.chosen.map(({ session }) => session), settle));
addEventListener("popstate", () => {
  listing = readAddress();
  filter.settle();
  void load();
});
// A page that Back took out of the browser's memory shows what was, not what is.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) void load();
});

drawIcons(document);
useListKeys({
  cards: () => cards,
  current: () => current,
  search: () => filter.focus(),
  nextPage: showNext,
  previousPage: showPrevious,
  edit,
  select: (card, range) => selection.toggle(card, { range }),
  remove: (card) => remove(selection.chosen.length > 0 || !card ? selection.chosen : [card]),
  canRemove: () => current !== null || selection.chosen.length > 0,
  undo: () => undo.undo(),
  canUndo: () => undo.isOffered,
});
void load();
