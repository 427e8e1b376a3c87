# `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help

QUESTION ?= tests/fixtures/audio/what_time_is_it.wav
ANSWER ?= target/demo/answer.wav
PROGRAM = $${CARGO_TARGET_DIR:-target}/debug/rejoinder

# cargo chooses the features of dependencies by all that it is asked to build. All targets ask alike (for the whole
# workspace, and for something that may use what tests use), so that nothing is compiled twice.

.PHONY: help setup demo test templates endpoint barista lint bench bench-train parity conversation libtorch

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  \1\t/' | expand -t 14

setup: ## install what a build needs and the machine lacks
	@scripts/setup.sh

demo: setup ## a spoken conversation: a recorded question goes in, a spoken answer comes out
	@mkdir -p $(dir $(ANSWER))
	cargo build --workspace --bin rejoinder --example embed
	$(PROGRAM) converse --input $(QUESTION) --output $(ANSWER)
	@echo "The conversation is in $(ANSWER): the caller left, the assistant right."

test: ## set up and run every test
	@scripts/setup.sh test
	cargo test --workspace --no-fail-fast

templates: setup ## the prompts of published chat templates beside those of Jinja2
	@scripts/llama_server.sh templates
	PYTHONPATH=.runtime/peers python3 tests/peers/templates.py .runtime/templates
	REJOINDER_TEMPLATES=$(CURDIR)/.runtime/templates cargo test --workspace --test templates -- --nocapture

endpoint: setup ## conversations with the shipped model behind llama.cpp's own server
	@scripts/llama_server.sh
	cargo test --workspace --test endpoint -- --nocapture

barista: setup ## all spoken coffee orders of the recordings in REJOINDER_DATA as whole conversations, clean and noisy
	REJOINDER_BARISTA_STEP=1 cargo test --workspace --test barista -- --nocapture

lint: setup ## formatting, lints, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc -q --workspace --no-deps

bench: setup ## medians and percentiles of the parts and of whole turns, and two of the parts beside their peers
	@scripts/setup.sh bench
	cargo bench --profile dev --workspace --bench decode --bench signal
	@mkdir -p target
	cargo build --workspace --bin rejoinder --example embed
	$(PROGRAM) bench --json target/bench.json
	PYTHONPATH=.runtime/peers:.runtime python3 tests/peers/bench.py

# On libtorch as well, where `make libtorch` has put it.
bench-train: setup ## training steps beside the same nets in PyTorch and SpeechBrain: time, memory, the loader's share
	@scripts/setup.sh bench-train
	@backends=flex; \
	if [ -d .runtime/libtorch ]; then \
	  export LIBTORCH=$(CURDIR)/.runtime/libtorch LIBTORCH_BYPASS_VERSION_CHECK=1; \
	  features="--features rejoinder-training/tch" libraries="--libraries $$LIBTORCH/lib" backends="flex tch tch:bf16"; \
	fi; \
	echo "bench-train: on $$backends"; \
	LD_LIBRARY_PATH=$$LIBTORCH/lib cargo build --workspace --bin rejoinder-train --example embed $$features && \
	PYTHONPATH=.runtime/pytorch:.runtime/torch python3 -W ignore tests/peers/training.py $(PROGRAM)-train $$backends $$libraries

parity: setup ## modules beside SpeechBrain's with the same weights: outputs, gradients, exported files, into tests/peers/parity.md
	@scripts/setup.sh bench-train
	PYTHONPATH=.runtime/pytorch:.runtime/torch python3 -W ignore tests/peers/parity.py

conversation: setup ## hundreds of turns with a simulated caller: delays, interruptions, mistakes, cut-offs; some in real time
	@scripts/setup.sh test
	@mkdir -p target
	cargo build --workspace --bin rejoinder --example embed
	$(PROGRAM) bench conversation --json target/conversation.json
	$(PROGRAM) bench turns --json target/turns.json
	$(PROGRAM) bench conversation --realtime --json target/conversation-realtime.json

libtorch: ## fetch libtorch's CPU kernels, on which nets train too
	@scripts/libtorch.sh
