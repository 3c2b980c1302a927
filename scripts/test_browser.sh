#!/usr/bin/env bash
# Tests the pages in a real browser with a real person as its webcam's picture, the Python streamer as a
# publisher of its own, and the demo. Fetches what these need; the server has to be built before
# (POSESESSION_BIN, else target/release/posesession). Screenshots go to target/screenshots.
#
# test_browser.sh [FILE...]: all of them, or only these.
set -euo pipefail
cd "$(dirname "$0")/.."

web=posesession-server/web
export POSESESSION_BIN=${POSESESSION_BIN:-${CARGO_TARGET_DIR:-target}/release/posesession}
# The tests start it from other folders, too.
POSESESSION_BIN=$(realpath -m "$POSESESSION_BIN")

scripts/setup_python.sh
python3 scripts/fetch_vision.py
for what in webcam balance walkers; do
    python3 scripts/fetch_video.py "$what" >/dev/null
done
[ "$web/node_modules/.package-lock.json" -nt "$web/package-lock.json" ] || npm --prefix "$web" ci --no-fund --no-audit
"$web/node_modules/.bin/tsc" -p tests/browser/tsconfig.json

# One file at a time: each keeps the pose model busy, and poses have a pace to hold.
[ $# -gt 0 ] || set -- tests/browser/*.test.mjs
node --test --test-concurrency=1 "$@"
