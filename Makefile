# make setup   everything that is needed, into .venv, executor/target, frontend/node_modules; quick when nothing changed
# make up      the whole agent on this machine; options: make up ARGS="--replay FILE --speed max"
# make test    all tests          make check   formatters, linters, types
# make chaos   faults, kills and cuts in 200 seeded runs, and the long property tests; ARGS="--seeds 50"
# make bench   the measured figures, as ratios in one run
.DEFAULT_GOAL := help
.PHONY: help setup up test test-rust test-python test-web check chaos bench clean
PYTHON ?= python3.11
BIN := .venv/bin
STAMPS := .venv/.stamps
POSTGREST := functions/smc_agent/local/postgrest
RUST := $(shell find executor -name target -prune -o \( -name '*.rs' -o -name Cargo.toml -o -name Cargo.lock \) -print)
DETECTION := $(wildcard functions/smc_agent/detection/*.py functions/smc_agent/detection/kernel/*.py)
WEB := $(shell find frontend -name node_modules -prune -o -name dist -prune -o -name test-results -prune -o -type f -print 2>/dev/null)

define need_npm
@command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || { echo "setup: no npm, or a Node older than 20. Install Node 20 or newer (https://nodejs.org), then run make setup again." >&2; exit 1; }
endef

help:
	@sed -n 's/^# //p' Makefile

setup: $(STAMPS)/python $(STAMPS)/postgrest $(STAMPS)/js-client executor/target/release/executor frontend/dist/index.html $(STAMPS)/detection

$(STAMPS)/python: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "setup: $(PYTHON) not found. Install Python 3.11, or: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || { echo "setup: $(PYTHON) is no Python 3.11 or 3.12. Install one, or: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@# Without pip it is what a Python without its venv package left behind.
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { rm -rf .venv; echo "setup: $(PYTHON) makes no virtual environment. Install its venv package (Debian, Ubuntu: apt install python3.11-venv), then run make setup again." >&2; exit 1; }
	mkdir -p $(STAMPS)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv==0.9.11
	$(BIN)/uv pip install -q -p $(BIN)/python --require-hashes -r requirements.lock
	$(BIN)/uv pip install -q -p $(BIN)/python --no-deps -e .
	@touch $@

$(STAMPS)/detection: $(DETECTION) $(STAMPS)/python
	@# The rules are compiled here, so that no test and no user waits for it.
	$(BIN)/python -c 'from smc_agent.detection import Detector; Detector().push(0, 1.0, 1.0, 1.0, 1.0, 1.0)'
	@touch $@

$(STAMPS)/postgrest: $(POSTGREST)/package-lock.json | $(STAMPS)/python
	$(need_npm)
	cd $(POSTGREST) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# The official JavaScript client, which the embedded server is tested against.
$(STAMPS)/js-client: tests/supabase/js/package-lock.json | $(STAMPS)/python
	$(need_npm)
	cd tests/supabase/js && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

executor/target/release/executor: $(RUST)
	@command -v cargo >/dev/null || { echo "setup: cargo not found. Install Rust (https://rustup.rs), then run make setup again." >&2; exit 1; }
	cd executor && cargo build --release --locked
	@touch $@

frontend/node_modules/.stamp: frontend/package-lock.json
	$(need_npm)
	cd frontend && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

frontend/dist/index.html: frontend/node_modules/.stamp $(WEB)
	$(need_npm)
	cd frontend && npm run --silent build
	@touch $@

up: setup
	@exec $(BIN)/smc up $(ARGS)

test: setup test-rust test-web test-python

test-rust:
	cd executor && cargo test --release --locked --quiet

# Two workers: most of a test's time is spent waiting for the programs that it drives.
test-python:
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

test-web:
	cd frontend && npm test --silent

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd executor && cargo fmt --check && cargo clippy --release --locked --all-targets --quiet -- -D warnings
	cd frontend && npm run --silent check

.venv-peers/.stamp: benchmarks/peers.lock | $(STAMPS)/python
	@# What the benchmarks are measured beside, apart from what the agent runs on; they say so where it cannot be built.
	-$(BIN)/uv venv -q --clear -p $(BIN)/python .venv-peers && $(BIN)/uv pip install -q -p .venv-peers/bin/python --require-hashes -r benchmarks/peers.lock && touch $@

chaos: setup
	$(BIN)/python -m tests.chaos $(ARGS)
	cd executor && SMC_STEPS=1000000 cargo test --release --locked --quiet -p orders --test lifecycle_machine -- --nocapture
	cd executor && SMC_FUZZ_SECONDS=300 cargo test --release --locked --quiet -p journal -p venues -p executor fuzz -- --nocapture

bench: setup .venv-peers/.stamp
	@for b in detection compat executor api cold_start; do $(BIN)/python benchmarks/$$b.py || exit 1; done

clean:
	rm -rf .venv .venv-peers executor/target frontend/node_modules frontend/dist $(POSTGREST)/node_modules tests/supabase/js/node_modules
