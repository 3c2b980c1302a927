// @ts-check
// The list of sessions in a real browser: every control by mouse, keyboard and finger, and what can go wrong.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, beforeEach, describe, test } from "node:test";

import { MEDIAPIPE_33_SKELETON } from "../../posesession-server/web/js/mediapipe_skeleton.js";
import { assertAccessible, assertKeyboardReaches, assertNoSidewaysScroll, assertTouchable } from "./support/accessibility.mjs";
import { Browser, emulate, screenshot, state, waitForState } from "./support/browser.mjs";
import { SeedRecording, seedSession } from "./support/seed.mjs";
import { Server } from "./support/server.mjs";

/** @typedef {import("playwright-core").Page} Page */

const HOSTILE = `<img src=x onerror=alert(1)>`;
const METRES = ["x", "y", "z"].map((name) => ({ name, unit: "metres" }));
const IN_METRES = { name: "in_metres", components: [{ ...MEDIAPIPE_33_SKELETON.components[0], channels: METRES }] };
const REFUSED = [/ERR_CONNECTION_REFUSED/];
const NOT_FOUND = [/DELETE .*: 404/, /the server responded with a status of 404/];

/** Sessions of one test, made by their names; the first one is the newest. @type {{ server: Server, browser: Browser }} */
let world;

/**
 * @param {string[]} names
 * @param {Omit<import("./support/seed.mjs").SeedOptions, "name">} [options]
 */
async function seed(names, options = {}) {
  const ids = [];
  for (const name of [...names].reverse()) ids.unshift(await seedSession(world.server, { name, seconds: 0.5, ...options }));
  return ids;
}

/**
 * @param {string} [search]
 * @param {{ expect?: RegExp[] }} [options]
 */
async function openList(search = "", options) {
  const page = await world.browser.open(`${world.server.address}/session_list.html${search}`, options);
  await page.waitForFunction(() => document.documentElement.dataset.state !== "loading");
  return page;
}

/**
 * As the page itself knows it: the tests' library may hear of a change later.
 * @param {Page} page
 */
function searchOf(page) {
  return page.evaluate(() => location.search);
}

/** @param {Page} page */
function names(page) {
  return page.locator("#sessions .session-name").allTextContents();
}

/**
 * @param {Page} page
 * @param {string[]} wanted
 */
async function waitForNames(page, wanted) {
  await page.waitForFunction(
    (all) => document.documentElement.dataset.state === "ready" && JSON.stringify([...document.querySelectorAll("#sessions .session-name")].map((link) => link.textContent)) === JSON.stringify(all),
    wanted,
  );
}

/** @param {Page} page */
function focusedName(page) {
  return page.evaluate(() => document.activeElement?.closest("[data-session-id]")?.querySelector(".session-name")?.textContent ?? document.activeElement?.id);
}

/** @param {Page} page */
async function agree(page) {
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
}

/** @param {Page} page @param {string} name */
function card(page, name) {
  return page.getByRole("listitem").filter({ has: page.getByRole("heading", { name, exact: true }) });
}

describe("the list of sessions", { timeout: 900_000 }, () => {
  before(async () => {
    world = { server: await Server.start(), browser: await Browser.start() };
  });

  beforeEach(async () => {
    const { sessions } = await world.server.json("/api/sessions?limit=1000");
    for (const { id } of sessions) await fetch(`${world.server.address}/api/sessions/${id}`, { method: "DELETE" });
  });

  after(async () => {
    await world?.browser.stop();
    if (world) assert.equal(await world.server.stop(), 0, `the server did not end well:\n${world.server.log}`);
  });

  test("an empty list says how to make the first session", async () => {
    const page = await openList();
    await waitForState(page, { state: "ready", sessionCount: "0" });
    assert.equal(await page.getByRole("heading", { level: 2 }).textContent(), "No sessions yet");
    await screenshot(page, "list-empty");
    await assertAccessible(page);
    await page.getByRole("link", { name: "Record the first session" }).click();
    await page.waitForURL("**/pose_realtime.html");
    await page.close();
  });

  test("a card says what its session is, and shows its body", async () => {
    const [walk] = await seed(["Walk"], { description: "On the left heel", metadata: { tags: ["knee", "home"] }, seconds: 2 });
    const [nobody] = await seed(["Nobody"], { persons: 0 });
    const [metres] = await seed(["In metres"], { skeleton: IN_METRES });
    const page = await openList();
    await waitForState(page, { state: "ready", sessionCount: "3" });
    const session = await world.server.json(`/api/sessions/${walk}`);
    const text = (await card(page, "Walk").innerText()).replace(/\s+/g, " ");
    for (const part of ["0:01.9", "60 frames", "kB", "Completed", "knee", "home", "On the left heel"]) assert.ok(text.includes(part), `the card does not say ${part}: ${text}`);
    assert.equal(await card(page, "Walk").locator("time").getAttribute("datetime"), session.created_at);
    assert.equal(await card(page, "Walk").getByRole("button", { name: /video/ }).count(), 0, "there is no video to download");

    await page.waitForFunction(() => [...document.querySelectorAll(".card")].every((element) => !["waiting", undefined].includes(/** @type {HTMLElement} */ (element).dataset.picture)));
    const pictures = await page.evaluate(() =>
      [...document.querySelectorAll(".card")].map((element) => {
        const canvas = /** @type {HTMLCanvasElement} */ (element.querySelector("canvas"));
        const { data, width, height } = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).getImageData(0, 0, canvas.width, canvas.height);
        const seen = { left: 0, right: 0, top: height, bottom: 0, id: /** @type {HTMLElement} */ (element).dataset.sessionId };
        for (let at = 0; at < data.length; at += 4) {
          const isNear = (/** @type {number[]} */ colour) => colour.every((value, channel) => Math.abs(data[at + channel] - value) < 8);
          if (isNear([0x3f, 0xc6, 0xff])) seen.left += 1;
          else if (isNear([0xff, 0xab, 0x1f])) seen.right += 1;
          else continue;
          const y = Math.floor(at / 4 / width);
          seen.top = Math.min(seen.top, y);
          seen.bottom = Math.max(seen.bottom, y);
        }
        return { ...seen, tall: (seen.bottom - seen.top) / height };
      }),
    );
    const of = (/** @type {string} */ id) => pictures.find((picture) => picture.id === id) ?? assert.fail("no such card");
    assert.ok(of(walk).left > 50 && of(walk).right > 50, `no body is drawn: ${JSON.stringify(of(walk))}`);
    assert.ok(of(walk).tall > 0.7, `the body does not fill its picture: ${JSON.stringify(of(walk))}`);
    assert.ok(of(metres).left > 50 && of(metres).right > 50, `a body in metres is not drawn: ${JSON.stringify(of(metres))}`);
    assert.equal(of(nobody).left + of(nobody).right, 0);
    assert.ok((await card(page, "Nobody").innerText()).includes("Nobody seen"));
    await page.close();
  });

  test("pictures are read only for what is in view, once a visit", async () => {
    for (let index = 0; index < 40; index += 1) await seed([`Session ${index}`], { seconds: 0.2 });
    const page = await openList();
    await emulate(page, { viewport: { width: 360, height: 740 } });
    /** @type {Map<string, number>} */
    const reads = new Map();
    page.on("request", (request) => {
      const id = /sessions\/([^/]+)\/frames/.exec(request.url())?.[1];
      if (id) reads.set(id, (reads.get(id) ?? 0) + 1);
    });
    await page.reload();
    await waitForState(page, { state: "ready", sessionCount: "40" });
    await card(page, "Session 39").and(page.locator("[data-picture=drawn]")).waitFor();
    assert.ok(reads.size < 20, `${reads.size} of 40 pictures were read for a phone's screen`);
    await card(page, "Session 0").scrollIntoViewIfNeeded();
    await card(page, "Session 0").and(page.locator("[data-picture=drawn]")).waitFor();
    await page.selectOption("#sort", "created_at asc");
    await waitForState(page, { state: "ready" });
    await card(page, "Session 0").scrollIntoViewIfNeeded();
    await card(page, "Session 0").and(page.locator("[data-picture=drawn]")).waitFor();
    assert.equal(reads.get((await card(page, "Session 0").getAttribute("data-session-id")) ?? ""), 1, "a picture was read twice");
    await page.close();
  });

  test("search, status and order are in the address: Back, reload and links lead to the same", async () => {
    await seed(["Squat", "Balance", "Deep squat"]);
    const held = await SeedRecording.start(world.server, { name: "Squat on hold" });
    await held.record(0.2);
    await held.hold();
    const page = await openList();
    await waitForNames(page, ["Squat on hold", "Squat", "Balance", "Deep squat"]);
    await page.fill("#search", "squat");
    await waitForNames(page, ["Squat on hold", "Squat", "Deep squat"]);
    assert.equal(await searchOf(page), "?q=squat");
    await page.selectOption("#sort", "name asc");
    await waitForNames(page, ["Deep squat", "Squat", "Squat on hold"]);
    await page.selectOption("#status-filter", "completed");
    await waitForNames(page, ["Deep squat", "Squat"]);
    assert.equal(await searchOf(page), "?q=squat&status=completed&sort=name+asc");
    assert.equal(await page.textContent("#range"), "2 sessions");

    await page.reload();
    await waitForNames(page, ["Deep squat", "Squat"]);
    assert.deepEqual([await page.inputValue("#search"), await page.inputValue("#status-filter"), await page.inputValue("#sort")], ["squat", "completed", "name asc"]);
    await page.goBack();
    await waitForNames(page, ["Deep squat", "Squat", "Squat on hold"]);
    await page.goBack();
    await waitForNames(page, ["Squat on hold", "Squat", "Deep squat"]);
    await page.goBack();
    await waitForNames(page, ["Squat on hold", "Squat", "Balance", "Deep squat"]);
    assert.equal(await page.inputValue("#search"), "");
    await page.goForward();
    await waitForNames(page, ["Squat on hold", "Squat", "Deep squat"]);
    await held.stop();
    held.close();
    await page.close();
  });

  test("an address of a page that is not there leads to the first one, and says so", async () => {
    await seed(["Squat"]);
    const page = await openList("?sort=name+asc&cursor=nonsense", { expect: [/GET .*cursor=nonsense.*: 400/, /status of 400/] });
    await waitForNames(page, ["Squat"]);
    await page.locator("#notice", { hasText: "this is the first one" }).waitFor();
    assert.equal(await searchOf(page), "?sort=name+asc");
    await page.close();
  });

  test("a search without result says so and offers to leave it", async () => {
    await seed(["Squat"]);
    const page = await openList(`?q=${encodeURIComponent(HOSTILE)}&status=failed`);
    await waitForState(page, { state: "ready", sessionCount: "0" });
    assert.equal(await page.textContent("#empty-title"), `No session with the status failed matches “${HOSTILE}”`);
    await screenshot(page, "list-no-match");
    await assertAccessible(page);
    await page.getByRole("button", { name: "Show all sessions" }).click();
    await waitForNames(page, ["Squat"]);
    assert.equal(await focusedName(page), "search");
    await page.close();
  });

  test("a session is renamed and described in place", async () => {
    const [id] = await seed(["Squat", "Balance"]);
    const page = await openList();
    await card(page, "Squat").getByRole("button", { name: "Rename and describe Squat" }).click();
    await screenshot(page, "list-edit");
    await assertAccessible(page);
    assert.equal(await page.evaluate(() => String(getSelection())), "Squat", "the old name is not ready to be typed over");
    await page.getByLabel("Name", { exact: true }).fill("Deep squat");
    await page.getByLabel("Description").fill("line one");
    await page.getByLabel("Description").press("Shift+Enter");
    await page.keyboard.type("line two");
    await page.keyboard.press("Enter");
    await waitForNames(page, ["Deep squat", "Balance"]);
    assert.equal(await focusedName(page), "Deep squat");
    const { name, description } = await world.server.json(`/api/sessions/${id}`);
    assert.deepEqual({ name, description }, { name: "Deep squat", description: "line one\nline two" });

    await page.keyboard.press("e");
    await page.keyboard.type("Never");
    await page.keyboard.press("Escape");
    assert.equal(await focusedName(page), "Deep squat");
    await page.keyboard.press("e");
    await page.getByLabel("Name", { exact: true }).fill("Deepest squat");
    await page.getByRole("button", { name: "Save" }).click();
    await waitForNames(page, ["Deepest squat", "Balance"]);
    await page.keyboard.press("e");
    await page.getByRole("button", { name: "Cancel" }).click();
    assert.equal((await world.server.json(`/api/sessions/${id}`)).name, "Deepest squat");
    await page.close();
  });

  test("deleting asks first and can be undone, one after the other and all together", async () => {
    await seed(["A", "B", "C"]);
    const page = await openList();
    await waitForNames(page, ["A", "B", "C"]);
    await card(page, "A").getByRole("button", { name: "Delete A" }).click();
    await screenshot(page, "list-delete");
    await assertAccessible(page);
    await page.keyboard.press("Enter");
    await waitForNames(page, ["A", "B", "C"]);
    assert.equal((await world.server.json("/api/sessions")).sessions.length, 3, "Enter alone deleted");

    await card(page, "A").getByRole("button", { name: "Delete A" }).click();
    await agree(page);
    await waitForNames(page, ["B", "C"]);
    assert.equal(await focusedName(page), "B", "the focus is lost with its card");
    await page.keyboard.press("Delete");
    await agree(page);
    await waitForNames(page, ["C"]);
    assert.equal(await page.textContent("#undo-text"), "2 sessions were deleted.");
    assert.match((await page.textContent("#undo-countdown")) ?? "", /^([1-5]?\d|60) s left$/);
    assert.equal(await page.locator("#undo-countdown").getAttribute("aria-hidden"), "true");
    await screenshot(page, "list-undo");
    await assertAccessible(page);
    await page.getByRole("button", { name: "Undo" }).click();
    await waitForNames(page, ["A", "B", "C"]);
    assert.equal(await page.locator("#undo").isHidden(), true);

    await card(page, "C").getByRole("button", { name: "Delete C" }).click();
    await agree(page);
    await waitForNames(page, ["A", "B"]);
    await page.reload();
    await waitForNames(page, ["A", "B"]);
    assert.equal(await page.textContent("#undo-text"), "“C” was deleted.", "a reload forgets what can be undone");
    await page.keyboard.press("u");
    await waitForNames(page, ["A", "B", "C"]);
    await page.close();
  });

  test("several are selected by click, range, keys and all at once, and deleted together", async () => {
    await seed(["A", "B", "C", "D", "E"]);
    const page = await openList();
    await waitForNames(page, ["A", "B", "C", "D", "E"]);
    const selected = async () => (await page.locator(".card[data-selected] .session-name").allTextContents()).join("");
    await page.getByRole("checkbox", { name: "Select B" }).check();
    await page.getByRole("checkbox", { name: "Select D" }).click({ modifiers: ["Shift"] });
    assert.equal(await selected(), "BCD");
    assert.equal(await page.textContent("#selection-text"), "3 selected");
    assert.equal(await page.locator("#select-all").evaluate((box) => /** @type {HTMLInputElement} */ (box).indeterminate), true);
    await screenshot(page, "list-selected");
    await assertAccessible(page);
    await page.getByRole("button", { name: "Clear" }).click();
    assert.equal(await selected(), "");
    await page.locator("#select-all").check();
    assert.equal(await selected(), "ABCDE");
    await page.locator("#select-all").uncheck();

    await page.reload();
    await waitForNames(page, ["A", "B", "C", "D", "E"]);
    await page.keyboard.press("j");
    await page.keyboard.press("x");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("Shift+X");
    assert.equal(await selected(), "ABC");
    await page.keyboard.press("x");
    assert.equal(await selected(), "AB");
    await page.keyboard.press("Delete");
    assert.equal(await page.getByRole("dialog").getByRole("heading").textContent(), "Delete 2 sessions?");
    await agree(page);
    await waitForNames(page, ["C", "D", "E"]);
    assert.equal(await page.locator("#selection").isHidden(), true);
    await page.getByRole("checkbox", { name: "Select D" }).focus();
    await page.keyboard.press(" ");
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await agree(page);
    await waitForNames(page, ["C", "E"]);
    await page.click("#undo-delete");
    await waitForNames(page, ["A", "B", "C", "D", "E"]);
    await page.close();
  });

  test("downloads hold the session, one and several", async () => {
    const ids = await seed(["A", "B"], { seconds: 1 });
    const page = await openList();
    const [one] = await Promise.all([page.waitForEvent("download"), card(page, "A").getByRole("button", { name: "Download A" }).click()]);
    assert.equal(one.suggestedFilename(), "A.jsonl");
    const lines = (await readFile(await one.path(), "utf8")).trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(lines[0].session.id, ids[0]);
    assert.deepEqual(lines.slice(1), await world.server.frames(ids[0]));

    await page.locator("#select-all").check();
    /** @type {import("playwright-core").Download[]} */
    const downloads = [];
    page.on("download", (download) => downloads.push(download));
    await page.getByRole("button", { name: "Download", exact: true }).click();
    while (downloads.length < 2) await page.waitForEvent("download");
    const first = await Promise.all(downloads.map(async (download) => JSON.parse((await readFile(await download.path(), "utf8")).split("\n")[0]).session.id));
    assert.deepEqual(first.sort(), [...ids].sort());
    await page.close();
  });

  test("a session being recorded is said to be, grows, and is not deleted", async () => {
    const recording = await SeedRecording.start(world.server, { name: "Live" });
    await recording.record(0.5);
    await recording.settle();
    const page = await openList("", { expect: [/DELETE .*: 409/, /status of 409/] });
    await waitForNames(page, ["Live"]);
    const live = page.locator(".card");
    assert.match(await live.innerText(), /Recording/);
    await screenshot(page, "list-live");
    await recording.record(1.5);
    await live.filter({ hasText: "45 frames" }).waitFor();
    await page.getByRole("button", { name: "Delete Live" }).click();
    await agree(page);
    await page.locator("#notice", { hasText: "“Live” was refused: it is being recorded. Stop the recording first." }).waitFor();
    await recording.stop();
    recording.close();
    await live.filter({ hasText: "Completed" }).waitFor();
    /** @type {string[]} */
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.waitForTimeout(3000);
    assert.deepEqual(asked.filter((url) => /sessions\/[^/]+$/.test(url)), [], "it goes on asking for what does not change any more");
    await page.close();
  });

  test("a session that somebody else deleted goes with a word", async () => {
    const [a, b, c] = await seed(["A", "B", "C", "D"]);
    const page = await openList("", { expect: [...NOT_FOUND, /PATCH .*: 404/, /GET .*: 404/] });
    await waitForNames(page, ["A", "B", "C", "D"]);
    for (const id of [a, b, c]) await fetch(`${world.server.address}/api/sessions/${id}`, { method: "DELETE" });
    await page.getByRole("button", { name: "Delete A" }).click();
    await agree(page);
    await waitForNames(page, ["B", "C", "D"]);
    await page.locator("#notice", { hasText: "“A” was deleted elsewhere in the meantime." }).waitFor();
    assert.equal(await page.locator("#undo").isHidden(), true);
    await page.getByRole("button", { name: "Download B" }).click();
    await waitForNames(page, ["C", "D"]);
    await page.getByRole("button", { name: "Rename and describe C" }).click();
    await page.keyboard.type("Other");
    await page.keyboard.press("Enter");
    await waitForNames(page, ["D"]);
    await page.locator("#notice", { hasText: "“C” was deleted elsewhere" }).waitFor();
    await screenshot(page, "list-gone");
    await page.getByRole("button", { name: "Close this message" }).click();
    assert.equal(await page.locator("#notice").isHidden(), true);
    await page.close();
  });

  test("without the server each action is named and can be tried again", async () => {
    const [id] = await seed(["A", "B"]);
    const page = await openList("", { expect: REFUSED });
    await waitForNames(page, ["A", "B"]);
    const cut = () => page.route("**/api/**", (route) => route.abort("connectionrefused"));
    const mend = () => page.unroute("**/api/**");
    const says = (/** @type {string} */ text) => page.locator("#notice", { hasText: text }).waitFor();

    await cut();
    await page.getByRole("button", { name: "Delete A" }).click();
    await agree(page);
    await says("Deleting “A” failed: the server cannot be reached; is it running?");
    await screenshot(page, "list-failed-action");
    await assertAccessible(page);
    await mend();
    await page.getByRole("button", { name: "Try again" }).click();
    await waitForNames(page, ["B"]);

    await cut();
    await page.click("#undo-delete");
    await says("Bringing back “A” failed");
    await mend();
    await page.getByRole("button", { name: "Try again" }).click();
    await waitForNames(page, ["A", "B"]);

    await cut();
    await page.getByRole("button", { name: "Rename and describe A" }).click();
    await page.keyboard.type("A2");
    await page.keyboard.press("Enter");
    await says("Saving “A” failed");
    assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "A2", "what was typed is lost");
    await mend();
    await page.getByRole("button", { name: "Try again" }).click();
    await waitForNames(page, ["A2", "B"]);
    assert.equal((await world.server.json(`/api/sessions/${id}`)).name, "A2");

    await cut();
    await page.getByRole("button", { name: "Download A2" }).click();
    await says("Downloading “A2” failed");
    await page.selectOption("#sort", "name desc");
    await says("Loading the sessions failed");
    await mend();
    await page.getByRole("button", { name: "Try again" }).click();
    await waitForNames(page, ["B", "A2"]);

    await cut();
    await page.reload();
    await waitForState(page, { state: "failed" });
    assert.equal(await page.textContent("#empty-title"), "The sessions could not be loaded");
    await screenshot(page, "list-server-gone");
    await assertAccessible(page);
    await mend();
    await page.getByRole("button", { name: "Try again" }).click();
    await waitForNames(page, ["B", "A2"]);
    await page.close();
  });

  test("hostile names, descriptions and tags are text wherever they stand", async () => {
    await seed([HOSTILE], { description: HOSTILE, metadata: { tags: [HOSTILE, { toString: HOSTILE }] } });
    const page = await openList("", { expect: REFUSED });
    await page.evaluate(() => {
      window.alert = () => document.body.append("hacked");
    });
    await waitForNames(page, [HOSTILE]);
    assert.equal(await page.locator(".description").textContent(), HOSTILE);
    assert.equal(await page.locator(".tags li").first().textContent(), HOSTILE);
    await page.getByRole("button", { name: `Rename and describe ${HOSTILE}`, exact: true }).click();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: `Delete ${HOSTILE}`, exact: true }).click();
    assert.equal(await page.getByRole("dialog").getByRole("heading").textContent(), `Delete “${HOSTILE}”?`);
    await screenshot(page, "list-hostile");
    await page.route("**/api/**", (route) => route.abort("connectionrefused"));
    await agree(page);
    await page.locator("#notice", { hasText: HOSTILE }).waitFor();
    await page.unroute("**/api/**");
    await page.click("#retry");
    await page.locator("#undo-text", { hasText: HOSTILE }).waitFor();
    assert.ok((await page.textContent("#announcer"))?.includes(HOSTILE));
    assert.equal(await page.locator("body :is(main, dialog, #dock) img").count(), 0, "the text became an element");
    assert.equal(await page.getByText("hacked").count(), 0, "the text was run");
    await page.close();
  });

  test("keys lead through the list", async () => {
    const all = Array.from({ length: 30 }, (_, index) => `S${String(index).padStart(2, "0")}`);
    await seed(all);
    const page = await openList("?limit=25");
    await emulate(page, { viewport: { width: 1280, height: 900 } });
    await waitForState(page, { state: "ready", sessionCount: "25" });
    const columns = await page.evaluate(() => getComputedStyle(document.querySelector(".cards") ?? document.body).gridTemplateColumns.split(" ").length);
    assert.ok(columns > 2);
    await page.keyboard.press("j");
    assert.equal(await focusedName(page), "S00");
    await page.keyboard.press("ArrowDown");
    assert.equal(await focusedName(page), all[columns]);
    await page.keyboard.press("ArrowRight");
    assert.equal(await focusedName(page), all[columns + 1]);
    await page.keyboard.press("ArrowUp");
    assert.equal(await focusedName(page), "S01");
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("j");
    await page.keyboard.press("k");
    assert.equal(await focusedName(page), "S00");
    await page.keyboard.press("n");
    await waitForNames(page, all.slice(25));
    assert.equal(await focusedName(page), "S25");
    assert.match((await page.textContent("#range")) ?? "", /^26–30 of 30/);
    await page.reload();
    await waitForNames(page, all.slice(25));
    await page.keyboard.press("p");
    await waitForNames(page, all.slice(0, 25));
    await page.click("#next-page");
    await waitForNames(page, all.slice(25));
    await page.click("#previous-page");
    await waitForNames(page, all.slice(0, 25));
    await page.keyboard.press("/");
    await page.keyboard.type("S29");
    await waitForNames(page, ["S29"]);
    await page.keyboard.press("Tab");
    await page.keyboard.press("?");
    await page.keyboard.press("Escape");
    await page.locator("#select-all").focus();
    await page.keyboard.press("?");
    assert.match(await page.getByRole("dialog").innerText(), /Next page/);
    await screenshot(page, "list-keys");
    await page.keyboard.press("Escape");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/session_replay.html?session=*");
    await page.close();
  });

  test("a click on the picture opens the session", async () => {
    const [id] = await seed(["A"]);
    const page = await openList();
    await page.locator(".picture").click({ force: true });
    await page.waitForURL(`**/session_replay.html?session=${id}`);
    await page.close();
  });

  test("the page is fit for everybody: light and dark, phone to wall, keyboard", async () => {
    await seed(["Squat", "Balance", "A walk with a name that is so long that it does not fit on one line of a card"], { description: "Left knee gives way", metadata: { tags: ["knee"] } });
    const page = await openList();
    await waitForState(page, { state: "ready", sessionCount: "3" });
    await page.locator("[data-picture=drawn]").nth(2).waitFor();
    // Colours that are on their way from one scheme to the other are nobody's.
    await emulate(page, { reducedMotion: "reduce" });
    for (const width of [360, 768, 1280, 1920]) {
      for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
        await emulate(page, { viewport: { width, height: width < 768 ? 740 : 1000 }, colorScheme });
        await assertAccessible(page);
        await assertNoSidewaysScroll(page);
        await screenshot(page, `list-${width}-${colorScheme}`);
      }
    }
    await assertKeyboardReaches(page);
    await page.close();
  });

  test("no page had an error, broke its security policy or asked another host", () => {
    assert.deepEqual(world.browser.problems, []);
  });
});

describe("the list of sessions under a finger", { timeout: 900_000 }, () => {
  before(async () => {
    world = { server: await Server.start(), browser: await Browser.start({ touch: true, viewport: { width: 360, height: 740 } }) };
  });

  after(async () => {
    await world?.browser.stop();
    if (world) assert.equal(await world.server.stop(), 0, `the server did not end well:\n${world.server.log}`);
  });

  test("every control can be hit and works", async () => {
    const ids = await seed(["A", "B"]);
    const page = await openList();
    await waitForNames(page, ["A", "B"]);
    await assertTouchable(page);
    await page.getByRole("checkbox", { name: "Select A", exact: true }).tap();
    await page.locator("#selection").waitFor();
    await assertTouchable(page);
    await assertNoSidewaysScroll(page);
    await page.locator("[data-picture=drawn]").nth(1).waitFor();
    const heights = () => page.locator(".card").evaluateAll((cards) => cards.map((card) => card.getBoundingClientRect().height));
    const before = await heights();
    await page.evaluate(() => new Promise((passed) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(passed)))));
    assert.deepEqual(await heights(), before, "cards grow by themselves");
    await screenshot(page, "list-touch");
    await page.getByRole("button", { name: "Clear" }).tap();
    await page.getByRole("button", { name: "Rename and describe B" }).tap();
    await assertTouchable(page);
    await screenshot(page, "list-touch-edit");
    await page.getByLabel("Name", { exact: true }).fill("B2");
    await page.getByRole("button", { name: "Save" }).tap();
    await waitForNames(page, ["A", "B2"]);
    await page.getByRole("button", { name: "Delete A" }).tap();
    await page.getByRole("dialog").getByRole("button", { name: "Delete" }).tap();
    await waitForNames(page, ["B2"]);
    await page.getByRole("button", { name: "Undo" }).tap();
    await waitForNames(page, ["A", "B2"]);
    await page.locator(".picture").nth(1).tap({ force: true });
    await page.waitForURL(`**/session_replay.html?session=${ids[1]}`);
    await page.close();
    assert.deepEqual(world.browser.problems, []);
  });
});
