#!/usr/bin/env bash
# Tests the Python programs: examples/pose_streamer.py in its environment, and the scripts.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup_python.sh
.venv/streamer/bin/python -W error::SyntaxWarning -m unittest discover -s tests/python "$@"
