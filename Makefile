# Each of these does all of its own set-up on a bare Debian 12 with Rust. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
# Where rustup puts cargo, for shells that have not been told.
export PATH := $(PATH):$(HOME)/.cargo/bin
.DEFAULT_GOAL := help
.PHONY: help setup build demo test lint deny api bench load man guides handover faults fuzz fuzz-short deb

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## system packages and Rust, where they are missing
	@packaging/setup

build: setup
	cargo build --locked --bins

demo: build ## a practice day from three simulated PBXs to a supplier's receipt, in under a minute
	target/debug/smdrd demo --no-wait

test: setup ## all tests, closing with the runner's counts
	@packaging/tests

lint: setup ## format, clippy (warnings denied), and the build without features
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo check --locked --no-default-features

deny: setup ## licences, banned crates, sources, advisories
	@packaging/deny

api: setup ## the receiver under requests generated from its OpenAPI description (schemathesis)
	packaging/api/run

bench: setup ## the two ratios and the dearest lines of docs/performance.md
	cargo bench --locked --bench wire

load: setup ## a night and a month of 7,000 practices at the receiver, on SQLite and PostgreSQL (docs/performance.md)
	@packaging/test-postgres
	SMDRD_PRACTICES=$${SMDRD_PRACTICES:-7000} cargo bench --locked --bench supplier

man: setup ## write the manual pages again from the commands
	UPDATE=1 cargo test --locked --test house the_manual_pages_are_those_of_the_commands

guides: setup ## write the site guides again from the dialect files and their notes
	UPDATE=1 cargo test --locked --test guides the_pages_are_what_the_program_prints

handover: setup ## 1,000 restarts of the daemon under a steady feed
	SMDRD_RESTARTS=1000 cargo test --locked --test handover restarts_under -- --nocapture

faults: setup ## F1 to F30 in full, as root, with their table in docs/guarantees.md (docs/guarantees.md says what they try)
	packaging/faults

fuzz: setup ## 1,000,000 executions of every fuzz target, with a table (docs/hardness.md)
	packaging/fuzz

fuzz-short: setup ## the same with 20,000 each
	packaging/fuzz 20000

deb: setup ## the Debian packages of the box and of the supplier's receiver
	@command -v cargo-deb >/dev/null || cargo install --locked cargo-deb
	cargo deb --locked
	cargo deb --locked --variant feed
