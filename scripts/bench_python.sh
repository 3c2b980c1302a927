#!/usr/bin/env bash
# Reads 100,000 frames into NumPy with posesession and its peers, each from its own file, side by side in one run.
# Makes .venv/bench with the peers' packages and the wheel of this tree. Arguments go to benches/python/load_session.py.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=benches/python/requirements.txt
venv=.venv/bench
if [ ! -x "$venv/bin/python" ] || ! cmp -s "$requirements" "$venv/requirements.txt"; then
    echo "bench_python: making $venv (fetches about 100 MB)" >&2
    rm -rf "$venv"
    "${PYTHON:-python3}" -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$venv/"
fi
wheel=$(scripts/build_wheel.sh)
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$wheel"
# On the disk of the tree: the system's temporary folder may be in memory.
mkdir -p target
exec "$venv/bin/python" benches/python/load_session.py --folder target "$@"
