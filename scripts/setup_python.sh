#!/usr/bin/env bash
# Makes the environment of the Python examples, .venv/streamer: MediaPipe, and the package of this tree. Safe to run
# again, and quick when nothing has changed. PYTHON picks the interpreter: 3.10 to 3.12, the newest that MediaPipe 0.10.14 has wheels for.
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=examples/pose_streamer.requirements.txt
venv=.venv/streamer

fits() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3 python3.12 python3.11 python3.10; do
        if fits "$candidate"; then
            python=$candidate
            break
        fi
    done
fi
if [ -z "$python" ] || ! fits "$python"; then
    echo "setup_python: MediaPipe 0.10.14 needs Python 3.10 to 3.12; install one, or name it: PYTHON=python3.11 $0" >&2
    exit 1
fi

stamp=$venv/requirements.sha256
wanted=$(cat "$requirements" "$0" | sha256sum)

# Puts the package of this tree into the environment, if it isn't there.
install_package() {
    local wheel built
    wheel=$(scripts/build_wheel.sh)
    built=$(sha256sum <"$wheel")
    [ "$(cat "$venv/wheel.sha256" 2>/dev/null)" = "$built" ] && return
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheel"
    "$venv/bin/python" -c 'import posesession'
    echo "$built" >"$venv/wheel.sha256"
}

if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    install_package
    echo "setup_python: $venv is up to date"
    exit 0
fi

echo "setup_python: making $venv with $("$python" --version) (fetches about 150 MB)"
rm -rf "$venv"
if ! "$python" -m venv "$venv"; then
    echo "setup_python: $python cannot make environments; on Debian: apt-get install python3-venv" >&2
    exit 1
fi
# The requirements name everything that is imported: what MediaPipe asks for beyond that is a gigabyte.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$requirements"
"$venv/bin/python" -W ignore -c 'import cv2, mediapipe; mediapipe.solutions.pose' 2>/dev/null || {
    echo "setup_python: the environment was made, but MediaPipe does not load in it:" >&2
    "$venv/bin/python" -c 'import cv2, mediapipe' >&2
    exit 1
}
install_package
echo "$wanted" >"$stamp"
echo "setup_python: $venv is ready"
