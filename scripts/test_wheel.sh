#!/usr/bin/env bash
# Tests the Python package as users get it: the wheel, in a fresh environment outside of the repository. There
# run pytest (with hypothesis and every example of the documentation), mypy --strict on package and tests, and stubtest;
# then sessions go from Python to the Rust example and the browser's page, and from these to Python.
#
# test_wheel.sh [WHEEL]: by default scripts/build_wheel.sh builds one first. PYTHON picks the interpreter, 3.10 or later.
# PYTEST_ARGS, if set, are pytest's, and the rest is left out.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

wheel=$(realpath "${1:-$(scripts/build_wheel.sh)}")
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "test_wheel: $("$python" --version) is too old: 3.10 or later is needed; name one: PYTHON=python3.11 $0" >&2
    exit 1
}

scratch=$(mktemp -d "${TMPDIR:-/tmp}/posesession-wheel.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
echo "test_wheel: installing $(basename "$wheel") for $("$python" --version) in $scratch"
"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "$wheel[all]" -r posesession-py/tests/requirements.txt
export PATH=$scratch/venv/bin:$PATH

# With all features, as the Rust tests are built, so that nothing is built twice.
cargo build --quiet --workspace --all-features --example record --example replay --bin scratch-postgres
export POSESESSION_EXAMPLES=$target/debug/examples
export POSESESSION_SCRATCH_POSTGRES=$target/debug/scratch-postgres

# From elsewhere, so that nothing of the repository is imported by chance.
cd "$scratch"
tests=$root/posesession-py/tests
options=(--config-file "$tests/mypy.ini")
# shellcheck disable=SC2086 # several arguments in one variable
python -m pytest -q -p no:cacheprovider -W error::DeprecationWarning:posesession ${PYTEST_ARGS:-"$tests"}
[ -z "${PYTEST_ARGS:-}" ] || exit 0

echo "test_wheel: mypy --strict and stubtest"
python -m mypy "${options[@]}" -p posesession
MYPYPATH=$tests python -m mypy "${options[@]}" "$tests"
# The only stub: all other modules are typed where they are written.
python -m mypy.stubtest --mypy-config-file "$tests/mypy.ini" posesession._native

echo "test_wheel: Python and the page"
cd "$root"
POSESESSION_BIN=$scratch/venv/bin/posesession POSESESSION_PYTHON=$scratch/venv/bin/python \
    node --test posesession-py/tests/page.test.mjs
