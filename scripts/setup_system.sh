#!/usr/bin/env bash
# Installs what the tests and the demo need from Debian's packages, where it is missing, and checks
# that the tools a developer brings along (cargo, node, npm, python3) are there. Safe to run again:
# with everything in place it installs nothing and returns at once.
set -euo pipefail

# command:package
needed=(chromium:chromium ffmpeg:ffmpeg sqlite3:sqlite3 strace:strace)

missing=()
# The Postgres server's programs are not on the PATH where Debian puts them.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
for pair in "${needed[@]}"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done

if [ "${#missing[@]}" -gt 0 ]; then
    if ! command -v apt-get >/dev/null; then
        echo "setup_system: please install: ${missing[*]} (this system has no apt-get)" >&2
        exit 1
    fi
    if [ "$(id -u)" -eq 0 ]; then
        as_root=(env)
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=(sudo env)
    else
        echo "setup_system: missing: ${missing[*]}; run: sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
    echo "setup_system: installing ${missing[*]}"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    install() {
        "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
            "${missing[@]}" >"$log" 2>&1
    }
    # The package lists of a new machine are empty or old: fetch them only if the install needs it.
    install || { "${as_root[@]}" apt-get update -qq >"$log" 2>&1 && install; } || {
        cat "$log" >&2
        echo "setup_system: apt-get could not install ${missing[*]}" >&2
        exit 1
    }
fi

failed=0
fail() {
    echo "setup_system: $1" >&2
    failed=1
}
command -v cargo >/dev/null || fail "cargo is missing: install Rust (rustup.rs or your distribution)"
command -v npm >/dev/null || fail "npm is missing: install Node.js 20 or newer"
if ! command -v node >/dev/null; then
    fail "node is missing: install Node.js 20 or newer"
elif [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    fail "node $(node --version) is too old: Node.js 20 or newer is needed"
fi
if ! command -v python3 >/dev/null; then
    fail "python3 is missing: install Python 3.10 or newer"
elif ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    fail "$(python3 --version) is too old: Python 3.10 or newer is needed"
fi
[ "$failed" -eq 0 ] || exit 1
echo "setup_system: all there (chromium, ffmpeg, sqlite3, strace, postgresql, cargo, node, npm, python3)"
