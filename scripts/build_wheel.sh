#!/usr/bin/env bash
# Builds the Python wheel, optimised and with the server's pages inside, into target/wheels. Its path is the
# last line of what this prints. PYTHON picks the interpreter that maturin runs in; the wheel is for all from 3.10 on.
set -euo pipefail
cd "$(dirname "$0")/.."

maturin=1.16.0
venv=.venv/wheel
wheels=${CARGO_TARGET_DIR:-target}/wheels

stamp=$venv/maturin.version
if [ "$(cat "$stamp" 2>/dev/null)" != "$maturin" ]; then
    echo "build_wheel: making $venv with maturin $maturin" >&2
    rm -rf "$venv"
    if ! "${PYTHON:-python3}" -m venv "$venv"; then
        echo "build_wheel: ${PYTHON:-python3} cannot make environments; on Debian: apt-get install python3-venv" >&2
        exit 1
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "maturin==$maturin"
    echo "$maturin" >"$stamp"
fi

# Only one wheel is ever there: the one that was built last.
mkdir -p "$wheels"
rm -f "$wheels"/posesession-*.whl
"$venv/bin/maturin" build --quiet --release --locked --manifest-path posesession-py/Cargo.toml --out "$wheels" >&2
wheel=$(ls "$wheels"/posesession-*.whl)
echo "build_wheel: $(du -h "$wheel" | cut -f1), abi3 for CPython 3.10 and later" >&2
realpath "$wheel"
