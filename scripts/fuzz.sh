#!/usr/bin/env bash
# Builds the fuzz targets and runs each for so many seconds, as many at a time as there are processors.
# Usage: scripts/fuzz.sh SECONDS [TARGET...]
#
# It needs what a Rust toolchain and g++ bring: the flags are those of `cargo fuzz run --sanitizer none`.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?scripts/fuzz.sh SECONDS [TARGET...]}
shift
targets=("$@")
if [ "$#" -eq 0 ]; then
    mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | tail -n +2)
fi

host=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/fuzz"
coverage=(level=4 inline-8bit-counters pc-table trace-compares)
RUSTFLAGS="-Cpasses=sancov-module ${coverage[*]/#/-Cllvm-args=-sanitizer-coverage-} --cfg fuzzing" \
    cargo build --release --locked --quiet --manifest-path fuzz/Cargo.toml --target "$host"
python3 fuzz/seeds.py

run_one() {
    local target=$1 log most=16384
    # A database of a few pages is longer than any message.
    [ "$target" != salvage ] || most=65536
    log=$(mktemp)
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
    "$CARGO_TARGET_DIR/$HOST/release/$target" "fuzz/corpus/$target" -max_total_time="$SECONDS_EACH" -max_len="$most" -timeout=10 \
        -rss_limit_mb=1024 -artifact_prefix="fuzz/artifacts/$target/" -print_final_stats=1 >"$log" 2>&1 &
    local fuzzer=$! begun=$SECONDS
    until timeout 30 tail --pid="$fuzzer" -f /dev/null; do
        echo "fuzz: $target: $(sed -n 's/^#\([0-9]*\).*/\1/p' "$log" | tail -n 1) inputs or more after $((SECONDS - begun)) s"
    done
    if wait "$fuzzer"; then
        local runs
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "proof: fuzz: $target: $runs inputs, 0 failures"
        rm "$log"
    else
        grep -m 1 -A 2 "panicked at" "$log" || tail -n 20 "$log"
        echo "fuzz: $target failed; all it said is in $log. Repeat it: $CARGO_TARGET_DIR/$HOST/release/$target fuzz/artifacts/$target/..." >&2
        return 1
    fi
}
export -f run_one
export HOST=$host SECONDS_EACH=$seconds
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'run_one {}'
