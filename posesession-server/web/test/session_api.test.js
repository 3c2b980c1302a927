// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { SessionApi } from "../js/posesession.js";

/** @param {Response | Error | (() => Response)} answer a function answers several requests */
function api(answer) {
  /** @type {{ url: string, init: RequestInit }[]} */
  const requests = [];
  const session = new SessionApi({
    fetch: async (url, init = {}) => {
      requests.push({ url: String(url), init });
      if (answer instanceof Error) throw answer;
      return typeof answer === "function" ? answer() : answer;
    },
  });
  return { session, requests };
}

test("list asks for what is given and nothing else", async () => {
  const { session, requests } = api(Response.json({ sessions: [], next: null }));
  assert.deepEqual(await session.list({ q: "squat & more", limit: 20, cursor: undefined, status: undefined }), { sessions: [], next: null });
  assert.equal(requests[0].url, "/api/sessions?q=squat+%26+more&limit=20");
});

test("angles names its joints in one parameter", async () => {
  const answer = { available: ["left_knee"], from: 0, to: 1, timestamps: [], series: [] };
  const { session, requests } = api(() => Response.json(answer));
  assert.deepEqual(await session.angles("a/b"), answer);
  await session.angles("a", { names: ["left_knee", "right_knee"], from: 0, to: 1.5, points: 200, person: 0 });
  await session.angles("a", { names: [], person: undefined });
  assert.deepEqual(requests.map(({ url }) => url), [
    "/api/sessions/a%2Fb/angles",
    "/api/sessions/a/angles?names=left_knee%2Cright_knee&from=0&to=1.5&points=200&person=0",
    "/api/sessions/a/angles",
  ]);
});

test("update, delete and restore use the protocol's methods and paths", async () => {
  const { session, requests } = api(new Response(null, { status: 204 }));
  await session.update("a/b", { name: "new" });
  await session.delete("a");
  await session.restore("a");
  assert.deepEqual(requests.map(({ url, init }) => `${init.method} ${url}`), [
    "PATCH /api/sessions/a%2Fb",
    "DELETE /api/sessions/a",
    "POST /api/sessions/a/restore",
  ]);
  assert.equal(requests[0].init.body, '{"name":"new"}');
});

test("problem documents become typed errors", async () => {
  const problem = { type: "about:blank", title: "Not found", status: 404, detail: "no session x", code: "session_not_found" };
  const { session } = api(Response.json(problem, { status: 404, headers: { "content-type": "application/problem+json" } }));
  await assert.rejects(session.read("x"), { name: "ApiError", status: 404, code: "session_not_found", message: "no session x" });
});

test("answers that are no JSON and servers that are not there are typed errors too", async () => {
  await assert.rejects(api(new Response("<html>", { status: 502 })).session.list(), { status: 502, code: "http_502" });
  await assert.rejects(api(new Response("<html>")).session.list(), { status: 200, code: "bad_message" });
  await assert.rejects(api(new TypeError("failed")).session.list(), { status: 0, code: "connect_failed" });
});

test("frames, export and video are addressed by the session's id", async () => {
  const { session, requests } = api(Response.json({ frames: [], next: null }));
  await session.frames("a/b", { from: 10, limit: 4 });
  assert.equal(requests[0].url, "/api/sessions/a%2Fb/frames?from=10&limit=4");
  assert.equal(session.exportAddress("a/b"), "/api/sessions/a%2Fb/export?format=jsonl");
  assert.equal(session.videoAddress("a/b"), "/api/sessions/a%2Fb/video");
});

test("a request that is aborted says so instead of blaming the server", async () => {
  const abort = new AbortController();
  const session = new SessionApi({
    fetch: (_, init) => new Promise((__, reject) => init?.signal?.addEventListener("abort", () => reject(new TypeError("network")))),
  });
  const reading = session.read("a", { signal: abort.signal });
  abort.abort(new DOMException("no longer in view", "AbortError"));
  await assert.rejects(reading, { name: "AbortError" });
});
