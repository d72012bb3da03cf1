# Everything that one does with a checkout; `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
BIN := .venv/bin
PACKAGES := matrix base logs internalapi components deploy
CODE := $(PACKAGES) bench tests
CONFIG := data/xylem.yaml

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
	  || { rm -rf .venv; echo "Python's venv module is needed (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@echo "Installing what requirements.lock names into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

.PHONY: install
install: .venv/.locked ## Make .venv with the locked requirements

$(CONFIG): | .venv/.locked
	@$(BIN)/python -m deploy.cli generate-config --registration open --output $@ >/dev/null

.PHONY: run
run: .venv/.locked $(CONFIG) ## Start a server on 127.0.0.1:8008 to try things out, with data in ./data
	@$(BIN)/python -m deploy.cli monolith --config $(CONFIG) --welcome

.PHONY: cluster
cluster: .venv/.locked ## Start every component as a process of its own; CLUSTER="--replicas clientapi=2"
	@$(BIN)/python -m deploy.cli cluster $(CLUSTER)

.PHONY: test
test: .venv/.locked ## Run all tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

.PHONY: faults
faults: .venv/.locked ## Break a cluster on this machine, one thing after the other; BALANCER=own or nginx
	@XYLEM_FAULTS_BALANCER=$(BALANCER) $(BIN)/python -m pytest -m faults tests/system/cluster/test_faults.py

.PHONY: check
check: .venv/.locked ## Check format, lint, types, imports and unit tests (about a minute)
	@$(BIN)/ruff format --check $(CODE) || { echo "Run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q -n $(WORKERS) tests/unit

.PHONY: format
format: .venv/.locked ## Format the code and mend what the lint can mend
	@$(BIN)/ruff check --fix --quiet $(CODE) || true
	@$(BIN)/ruff format $(CODE)

.PHONY: docs
docs: .venv/.locked ## Renew the pages that are made from code
	@$(BIN)/python -m deploy.reference
	@$(BIN)/python -m deploy.metrics_reference
	@$(BIN)/python -m tests.spec.endpoints

.PHONY: bench
bench: .venv/.locked ## Measure this checkout; arguments in BENCH="..."
	@$(BIN)/python -m bench $(BENCH)

.PHONY: bench-compare
bench-compare: .venv/.locked ## Measure this checkout beside another server
	@$(BIN)/python -m bench compare $(BENCH)

.PHONY: bench-cluster
bench-cluster: .venv/.locked ## Measure a cluster beside the monolith: times, and the cost of each component
	@$(BIN)/python -m bench cluster $(BENCH)

.PHONY: lock
lock: ## Take the newest versions that pyproject.toml allows into requirements.lock
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	  print("\n".join(p["dependencies"] + [d for e in p["optional-dependencies"].values() for d in e]))' \
	  > build/lock/requirements.in
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check $(LOCK_OPTIONS) -r build/lock/requirements.in
	@build/lock/bin/python -m pip freeze | LC_ALL=C sort -f > requirements.lock
	@rm -rf build/lock && echo "Wrote requirements.lock"

.PHONY: clean
clean: ## Remove caches and builds; .venv and data stay
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
