# Everything that people and CI run. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

ARGS ?=
WEB := posesession-server/web
VISION := vision/.complete
# Without the empty lines between tests, and at once.
SHOW := grep --line-buffered -v '^$$'
EXAMPLES := $${CARGO_TARGET_DIR:-target}/debug/examples

.PHONY: help run demo test test-rust test-web test-python test-browser test-proofs test-network-simulation fuzz test-long pictures bench bench-peers bench-python bench-postgres wheel lint docs vision setup

help: ## List what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Build and start the server with its pages (ARGS="--data DIR --listen ADDRESS")
	@$(MAKE) --no-print-directory vision || echo "make run: going on without the pose model; the pages will say how to fetch it"
	cargo run --release -p posesession-server -- serve $(ARGS)

demo: setup vision ## Record a real video with a real pose model, then print the address of its replay
	scripts/demo.sh $(ARGS)

test: setup lint test-rust test-proofs test-web test-python test-browser ## Run all tests, in a real browser, too

test-rust: ## Run the Rust tests, examples and doc examples
	cargo test --workspace --exclude power-loss --exclude network-simulation --all-features --quiet
	cargo build --workspace --all-features --examples --quiet
	rm -f target/examples.db*
	$(EXAMPLES)/record target/examples.db
	$(EXAMPLES)/replay target/examples.db | tail -n 1
	$(EXAMPLES)/custom_store
	$(EXAMPLES)/custom_transport

# What only an optimised build gets through in time; each line says what it proved.
test-proofs: ## Prove that nothing acknowledged is lost: simulations, and the property tests at length
	PROPTEST_CASES=4000 cargo test --release --quiet -p posesession-core --lib --test recorder_properties --test cursor_properties
	cargo test --release -p posesession-core --test simulation -- --nocapture | $(SHOW)
	cargo test --release -p power-loss --all-features -- --nocapture | $(SHOW)
	$(MAKE) --no-print-directory test-network-simulation
	cargo test --workspace --exclude power-loss --exclude network-simulation --all-features --test proofs --test hardening -- --nocapture --test-threads=1 | $(SHOW)
	cargo test --release -p posesession-store --features sqlite --test bit_flips --test recover --test recover_mutated -- --nocapture | $(SHOW)
	scripts/test_autobahn.sh
	scripts/fuzz.sh 10

# With a tokio of its own, whose `select!` draws its lots from the simulation's seed.
test-network-simulation: ## Let simulated servers crash and links break (POSE_SEED=... repeats one seed; POSESESSION_LONG_TESTS=1: 24 hours)
	RUSTFLAGS="--cfg tokio_unstable" cargo test --release -p network-simulation --all-features \
		--target-dir $${CARGO_TARGET_DIR:-target}/simulation -- --nocapture | $(SHOW)

fuzz: ## Send mutated bytes into every decoder (FUZZ_SECONDS=600 for each)
	scripts/fuzz.sh $${FUZZ_SECONDS:-600}

test-web: $(WEB)/node_modules ## Type-check and test the JavaScript
	npm --prefix $(WEB) run --silent check
	npm --prefix $(WEB) test --silent

test-python: $(WEB)/node_modules vision ## Test the Python streamer, and the wheel in an environment of its own
	scripts/test_python.sh
	scripts/test_wheel.sh

test-browser: $(WEB)/node_modules vision ## Record and replay in a real browser, with a real video as its camera
	cargo build --release --quiet -p posesession-server
	scripts/test_browser.sh

# What takes minutes comes first, what takes hours last. Each says twice a minute how far it is, and in the end what it proved.
test-long: export POSESESSION_LONG_TESTS = 1
test-long: $(WEB)/node_modules vision ## The proofs of test-proofs at length, for hours; a whole hour replayed in a real browser, its memory watched
	cargo test --release -p posesession-store --features sqlite --test recover --test recover_mutated -- --nocapture | $(SHOW)
	cargo build --release --quiet -p posesession-server
	scripts/test_browser.sh tests/browser/long_replay.test.mjs
	cargo test --release -p power-loss --all-features -- --nocapture | $(SHOW)
	$(MAKE) --no-print-directory test-network-simulation
	cargo test --workspace --exclude power-loss --exclude network-simulation --all-features --test proofs -- --nocapture --test-threads=1 | $(SHOW)
	cargo test --release -p posesession-core --test simulation -- --nocapture | $(SHOW)
	scripts/fuzz.sh $${FUZZ_SECONDS:-600}

pictures: setup vision $(WEB)/node_modules ## Take README's pictures of the pages anew, from a real run
	cargo build --release --quiet -p posesession-server
	python3 scripts/fetch_video.py webcam >/dev/null
	POSESESSION_BIN=$${CARGO_TARGET_DIR:-target}/release/posesession node scripts/take_pictures.mjs

bench: ## Run the benchmarks: the library's by criterion, then the server as a whole process
	cargo bench --benches $(ARGS)
	cargo bench --quiet -p posesession-server --bench server

# A package of its own: what the peers need is neither in the library's lock file nor in its builds.
bench-peers: ## Compare size, speed and seeks with MCAP, Parquet, Arrow and SQLite rows, for docs/benchmarks.md (ARGS="--long": 10,000,000 frames)
	cargo run --release --quiet --locked --manifest-path benches/peers/Cargo.toml --target-dir $${CARGO_TARGET_DIR:-target}/peers -- --docs docs $(ARGS)

bench-python: ## Read 100,000 frames into NumPy, beside HDF5, Parquet, .pose, MCAP and np.load
	scripts/bench_python.sh $(ARGS)

bench-postgres: ## Compare the Postgres store with a row of JSON a frame
	cargo bench --quiet --bench postgres --features postgres

wheel: ## Build the Python package into target/wheels
	scripts/build_wheel.sh

lint: ## Check format, lints and docs, warnings denied
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features --quiet -- -D warnings
	for features in "" sqlite postgres ws; do cargo clippy -p posesession --features "$$features" --quiet -- -D warnings || exit 1; done
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --quiet

vision: $(VISION) ## Fetch the browser's pose model and its runtime into ./vision

$(VISION): scripts/fetch_vision.py
	python3 scripts/fetch_vision.py

setup: ## Install what the tests need from the system's packages (says what)
	scripts/setup_system.sh

$(WEB)/node_modules: $(WEB)/package-lock.json
	npm --prefix $(WEB) ci --no-fund --no-audit
	@touch $@
