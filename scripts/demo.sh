#!/usr/bin/env bash
# Records a session from a real video and serves its replay: the main job on a machine without a camera.
# Runs the server, streams the video's poses and pictures to it with MediaPipe, prints the address of the
# replay and serves until Ctrl-C.
#
# usage: scripts/demo.sh [--fast] [--data DIR] [--listen ADDRESS]
#   --fast            record as fast as MediaPipe goes, not at the video's own speed
#   --data DIR        where the sessions are kept (default: target/demo-data)
#   --listen ADDRESS  default: 127.0.0.1:0, a free port
# environment: DEMO_EXIT=1 ends after the recording was checked; POSESESSION_BIN is the server to run
set -euo pipefail
cd "$(dirname "$0")/.."

data=target/demo-data
listen=127.0.0.1:0
pace=--real-time
while [ $# -gt 0 ]; do
    case $1 in
        --fast) pace=--fast ;;
        --data) data=${2:?--data needs a folder} && shift ;;
        --listen) listen=${2:?--listen needs an address} && shift ;;
        *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    esac
    shift
done

scripts/setup_python.sh
video=$(python3 scripts/fetch_video.py walkers)
# The replay page does without it, but the recording page of the same server needs it.
python3 scripts/fetch_vision.py || echo "demo: the recording page will lack its pose model" >&2
if [ -z "${POSESESSION_BIN:-}" ]; then
    cargo build --release -p posesession-server
    POSESESSION_BIN=${CARGO_TARGET_DIR:-target}/release/posesession
fi

mkdir -p "$data"
output=$(mktemp)
"$POSESESSION_BIN" serve --listen "$listen" --data "$data" >"$output" &
server=$!
finish() {
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    rm -f "$output"
}
trap finish EXIT
# Ctrl-C in a terminal reaches the server, too, which ends by itself then.
trap 'sleep 0.3; exit 130' INT TERM

address=
for _ in $(seq 100); do
    address=$(sed -n '1s/^listening on //p' "$output")
    [ -z "$address" ] || break
    kill -0 "$server" 2>/dev/null || { echo "demo: the server did not start" >&2; exit 1; }
    sleep 0.1
done
[ -n "$address" ] || { echo "demo: the server does not listen" >&2; exit 1; }
address=${address%/}

echo "demo: recording $(basename "$video") on $address"
told=$(.venv/streamer/bin/python -W ignore examples/pose_streamer.py --server "$address" \
    --source "$video" "$pace" --record "Demo: $(basename "$video")")
echo "$told"

session=$(sed -n 's/^replay: .*session=//p' <<<"$told")
python3 - "$address" "$session" <<'PYTHON'
import json
import sys
from urllib.request import urlopen

address, session_id = sys.argv[1:]


def read(path):
    with urlopen(f"{address}/api/sessions/{session_id}{path}", timeout=30) as answer:
        return json.load(answer)


session, page = read(""), read("/frames?from=0&limit=1000")
frames = page["frames"]
seen = sum(bool(frame["pose_data"]["persons"]) for frame in frames)
if session["status"] != "completed" or not frames or len(frames) != min(session["frame_count"], 1000):
    sys.exit(f"demo: the session is not as recorded: {session}")
if seen < len(frames) / 2:
    sys.exit(f"demo: only {seen} of {len(frames)} frames have a person")
with urlopen(f"{address}/api/sessions/{session_id}/frames/{frames[-1]['frame_number']}/image", timeout=30) as image:
    if image.read(3) != b"\xff\xd8\xff":
        sys.exit("demo: the last frame's picture is not there")
print(f"demo: {session['frame_count']} frames are stored, {seen} with a person, and their pictures")
PYTHON

[ "${DEMO_EXIT:-0}" = 0 ] || exit 0
trap 'sleep 0.3; exit 0' INT TERM
echo "demo: open $address/session_replay.html?session=$session (Ctrl-C ends)"
wait "$server"
