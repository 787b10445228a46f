# Everything that is run on this project. `make help` lists it.
#
# A machine needs Rust (cargo with rustfmt and clippy), Python 3.10 or newer with venv, and a C compiler. The rest is installed when it is
# first needed, into .tools and .venv of this folder.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
RUFF_VERSION := 0.17.6

PYTHON ?= python3
CARGO_DENY := .tools/bin/cargo-deny
RUFF := .venv/lint/bin/ruff
PACKAGE_PYTHON := .venv/python/bin/python
BENCH_PYTHON := .venv/bench/bin/python
DOCS_PYTHON := .venv/docs/bin/python
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable

# Seconds for each fuzz target; options of benchmarks/run.py; "short" for examples with less data.
SECONDS ?= 600
BENCH ?=
EXAMPLES ?=

.PHONY: help demo test lint lint-rust lint-python test-rust python test-python doc docs licences miri audit browser bench bench-quick bench-build bench-kernels fuzz format clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

demo: ## learn the regularization of an embedded data set; says where its report lies
	cargo run --release --locked -p bilevel-cli -- demo --output demo-output
	@echo "The report lies in $(CURDIR)/demo-output/report.html"

test: lint test-rust doc test-python licences ## every check but the slow one of the kernels under Miri (make miri)

lint: lint-python lint-rust ## formatting and lints of Rust and Python

lint-rust: ## rustfmt and clippy, warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p bilevel-io --no-default-features --locked -- -D warnings

lint-python: .venv/lint/ruff-$(RUFF_VERSION) ## ruff on the Python files
	$(RUFF) check .
	$(RUFF) format --check .

test-rust: ## unit, property, integration and documentation tests; the report in a browser where there is one
	@find_browser() { for b in $${BILEVEL_CHROMIUM:-} $(BROWSERS); do command -v "$$b" && return; done; return 1; }; \
	find_browser >/dev/null || $(MAKE) --no-print-directory browser || true; \
	if browser=$$(find_browser); then \
	  echo "The report is tested in $$browser."; export BILEVEL_REQUIRE_BROWSER=1; \
	else \
	  echo "SKIPPED: the report's browser test; no Chromium on PATH."; \
	fi; \
	set -x; cargo test --workspace --locked

python: .venv/python/ready ## builds the Python package and installs it into .venv/python
	$(PACKAGE_PYTHON) -m pip install --quiet .

test-python: python ## the Python package: its tests, scikit-learn's checks of its estimators, its types
	$(PACKAGE_PYTHON) -m pytest --quiet --doctest-modules --pyargs bilevel crates/bilevel-python/tests \
	  benchmarks/test_neutral.py
	$(PACKAGE_PYTHON) -m mypy

docs: .venv/docs/ready ## the Python package's site with its gallery, warnings are errors; EXAMPLES=short for less data
	$(DOCS_PYTHON) -m pip install --quiet --no-deps .
	BILEVEL_SHORT_EXAMPLES=$(if $(filter short,$(EXAMPLES)),1,0) MPLBACKEND=agg \
	  $(DOCS_PYTHON) -m sphinx --fail-on-warning --keep-going -q -b html docs/python docs/python/_build/html
	@echo "The site lies in $(CURDIR)/docs/python/_build/html/index.html"

doc: ## the Rust API's pages, warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

licences: .tools/cargo-deny-$(CARGO_DENY_VERSION) ## licences and sources of the dependencies
	$(CARGO_DENY) --locked check licenses bans sources

audit: .tools/cargo-deny-$(CARGO_DENY_VERSION) ## known vulnerabilities of the dependencies (downloads the advisory database)
	$(CARGO_DENY) --locked check advisories

miri: ## the unsafe kernels under Miri, where a nightly toolchain has it
	@if cargo +nightly miri --version >/dev/null 2>&1; then \
	  set -x; cargo +nightly miri test --locked -p bilevel --test kernels --test designs; \
	  cargo +nightly miri test --locked -p bilevel --lib row_major; \
	else \
	  echo "SKIPPED: Miri; install it with: rustup toolchain install nightly --component miri,rust-src"; \
	fi

browser: ## installs Chromium for the report's test (as root, on Debian and its kin)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  set -x; apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
	  echo "Chromium cannot be installed here (that needs root and apt-get); put one on PATH."; exit 1; \
	fi

bench: bench-build ## times bilevel beside its peers, hours; writes docs/benchmarks.md; options in BENCH="..."
	$(BENCH_PYTHON) benchmarks/run.py $(BENCH)

bench-quick: bench-build ## the same in five minutes, on fewer sets; writes .bench/quick/benchmarks.md
	$(BENCH_PYTHON) benchmarks/run.py --quick --again $(BENCH)

bench-build: .venv/bench/ready ## builds the command and the Python package in release, for the benchmarks
	cargo build --release --locked -p bilevel-cli
	$(BENCH_PYTHON) -m pip install --quiet .

bench-kernels: ## the products of matrices beyond the cache against the memory's bandwidth (1 minute, 3 GB); prints Markdown
	cargo bench --locked -p bilevel --bench kernels

fuzz: .tools/cargo-fuzz-$(CARGO_FUZZ_VERSION) ## fuzzes every reader for SECONDS=600 each (needs a nightly toolchain)
	@export PATH="$(CURDIR)/.tools/bin:$$PATH"; cd crates/bilevel-io; \
	for target in $$(cargo +nightly fuzz list); do \
	  (set -x; cargo +nightly fuzz run "$$target" -- -max_total_time=$(SECONDS)); \
	done

format: .venv/lint/ruff-$(RUFF_VERSION) ## formats Rust and Python files in place
	cargo fmt --all
	$(RUFF) format .
	$(RUFF) check --fix .

clean: ## removes everything that was built or installed in this folder
	cargo clean
	rm -rf .tools .venv .bench demo-output docs/python/_build docs/python/auto_examples docs/python/generated

# A debug build of cargo-deny takes 1 CPU-minute, a release build several; it checks a lock file in a second either way.
.tools/cargo-deny-$(CARGO_DENY_VERSION):
	CARGO_PROFILE_DEV_DEBUG=0 cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --debug --force \
	  --no-default-features --root .tools
	touch $@

.tools/cargo-fuzz-$(CARGO_FUZZ_VERSION):
	cargo install cargo-fuzz --version $(CARGO_FUZZ_VERSION) --locked --root .tools
	touch $@

.venv/lint/ruff-$(RUFF_VERSION):
	$(PYTHON) -m venv .venv/lint
	.venv/lint/bin/pip install --quiet ruff==$(RUFF_VERSION)
	touch $@

.venv/python/ready: crates/bilevel-python/tests/requirements.txt
	$(PYTHON) -m venv .venv/python
	.venv/python/bin/pip install --quiet -r crates/bilevel-python/tests/requirements.txt
	touch $@

.venv/docs/ready: docs/python/requirements.txt
	$(PYTHON) -m venv .venv/docs
	.venv/docs/bin/pip install --quiet -r docs/python/requirements.txt
	touch $@

.venv/bench/ready: benchmarks/requirements.txt benchmarks/peers.txt
	$(PYTHON) -m venv .venv/bench
	.venv/bench/bin/pip install --quiet -r benchmarks/requirements.txt
	@while read -r peer; do \
	  .venv/bench/bin/pip install --quiet --constraint benchmarks/requirements.txt $$peer \
	    || echo "SKIPPED: $$peer cannot be installed on this platform."; \
	done < benchmarks/peers.txt
	touch $@
