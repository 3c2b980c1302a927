// @ts-check
// `make demo` on a real video, without a browser: what it says it has recorded is there.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import { ROOT, serverBinary, streamerPython } from "./support/prerequisites.mjs";

test("the demo records a real video and prints the address of its replay", { timeout: 300_000 }, async () => {
  streamerPython();
  const data = await mkdtemp(path.join(tmpdir(), "posesession-demo-"));
  try {
    const { stdout } = await promisify(execFile)(path.join(ROOT, "scripts", "demo.sh"), ["--fast", "--data", data], {
      env: { ...process.env, DEMO_EXIT: "1", POSESESSION_BIN: serverBinary() },
    });
    assert.match(stdout, /recorded 230 frames, 7\.6\d s\n/, "every picture of the video is a frame, at the video's own times");
    assert.match(stdout, /replay: http:\/\/127\.0\.0\.1:\d+\/session_replay\.html\?session=[0-9a-f-]{36}\n/);
    assert.match(stdout, /230 frames are stored, 2\d\d with a person, and their pictures/);
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});
