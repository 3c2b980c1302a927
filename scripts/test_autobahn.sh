#!/usr/bin/env bash
# Runs the WebSocket conformance cases of the Autobahn test suite against an echo on the server's own stack, in an environment of
# its own, .venv/autobahn. The cases about compression, which the server doesn't offer, are left out. PYTHON picks the
# interpreter, 3.10 or later.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=scripts/autobahn.requirements.txt
venv=.venv/autobahn
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

wanted=$(sha256sum <"$requirements")
if [ "$(cat "$venv/requirements.sha256" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
    echo "$wanted" >"$venv/requirements.sha256"
fi

# As `make test-proofs` builds the server's own proofs, so that nothing is built twice.
cargo build --quiet --workspace --exclude power-loss --exclude network-simulation --all-features --bin posesession
POSESESSION_BIN=$target/debug/posesession "$venv/bin/python" scripts/autobahn.py
