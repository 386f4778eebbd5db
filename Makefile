# Pilothouse: every target sets up what it needs, so `make demo` and `make test` work on a fresh machine.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := protos actors machinery etcdlite apiserver controllermgr scheduler nodeagent pilothouse cli
GENERATED := protos/descriptors.binpb machinery/schema/kubernetes.json.gz

.PHONY: help demo test check fix bench clean generated debian

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.run: pyproject.toml hatch_build.py
	@test -x $(BIN)/python || .ci/venv $(PYTHON) $(VENV)
	@echo "Installing Pilothouse into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fast]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "Installing what tests and checks need into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fast,test,dev]'
	@touch $@

generated: $(VENV)/.dev $(GENERATED)

$(GENERATED) &: $(VENV)/.dev $(shell find protos -name '*.proto') hatch_build.py
	@$(BIN)/python hatch_build.py

demo: $(VENV)/.run ## a cluster with three nodes and the guestbook; ONCE=1 ends when all is ready
	@$(BIN)/python examples/guestbook/demo.py $(if $(ONCE),--once)

debian: ## the Debian packages that the end-to-end tests drive (needs root)
	@.ci/debian-packages

test: debian generated ## everything: unit, contract, integration and end-to-end tests
	@$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: generated ## format, lint, types, import contracts, unit tests
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted: make fix" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -n 2 tests/unit

fix: generated ## repair what a tool can repair
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

bench: generated ## what Pilothouse takes in time and memory, peers beside it where they are installed
	@$(BIN)/python -m benchmarks

clean: ## remove what was built and installed
	rm -rf $(VENV) build dist $(GENERATED) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
