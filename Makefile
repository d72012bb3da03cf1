# Everything that one does with a checkout; `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
BIN := .venv/bin
PACKAGES := matrix base logs internalapi roomwriting requesting describing components deploy localcluster
CODE := $(PACKAGES) bench tests
CONFIG := data/xylem.yaml
LOCK := build/lock/bin/uv pip compile pyproject.toml --quiet --upgrade --universal \
  --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url
RUNNING := .venv/requirements.installed
DEVELOPING := .venv/requirements-dev.installed

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# What runs needs requirements.lock, what checks and measures requirements-dev.lock, which has all.
.venv/%.installed: %.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv \
	  || { rm -rf .venv; echo "Python's venv module is needed (Debian, Ubuntu: apt install python3-venv)"; exit 1; }
	@echo "Installing what $< names into .venv ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: install
install: $(DEVELOPING) ## Make .venv with all that is needed to develop

$(CONFIG): | $(RUNNING)
	@$(BIN)/python -m deploy.cli generate-config --registration open --output $@ >/dev/null

.PHONY: run
run: $(RUNNING) $(CONFIG) ## Start a server on 127.0.0.1:8008 to try things out, with data in ./data
	@$(BIN)/python -m deploy.cli monolith --config $(CONFIG) --welcome

.PHONY: cluster
cluster: $(RUNNING) ## Start every component as a separate process; CLUSTER="--replicas clientapi=2"
	@$(BIN)/python -m deploy.cli cluster $(CLUSTER)

.PHONY: test
test: $(DEVELOPING) ## Run all tests
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

.PHONY: faults
faults: $(DEVELOPING) ## Break a cluster on this machine, one thing after the other; BALANCER=own or nginx
	@XYLEM_FAULTS_BALANCER=$(BALANCER) $(BIN)/python -m pytest -m faults tests/system/cluster/test_faults.py

.PHONY: check
check: $(DEVELOPING) ## Check format, lint, types, imports and unit tests (a minute on two idle cores)
	@$(BIN)/ruff format --check $(CODE) || { echo "Run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m pytest -q -n $(WORKERS) tests/unit

.PHONY: format
format: $(DEVELOPING) ## Format the code and mend what the lint can mend
	@$(BIN)/ruff check --fix --quiet $(CODE) || true
	@$(BIN)/ruff format $(CODE)

.PHONY: docs
docs: $(DEVELOPING) ## Renew the pages and files that are made from code
	@$(BIN)/python -m deploy.generating.reference
	@$(BIN)/python -m deploy.generating.metrics_reference
	@$(BIN)/python -m deploy.generating.proxy_files
	@$(BIN)/python -m tests.spec.endpoints

.PHONY: bench
bench: $(DEVELOPING) ## Measure this checkout; arguments in BENCH="..."
	@$(BIN)/python -m bench $(BENCH)

.PHONY: bench-compare
bench-compare: $(DEVELOPING) ## Measure this checkout beside another server
	@$(BIN)/python -m bench compare $(BENCH)

.PHONY: bench-cluster
bench-cluster: $(DEVELOPING) ## Measure a cluster beside the monolith: times, and the cost of each component
	@$(BIN)/python -m bench cluster $(BENCH)

.PHONY: lock
lock: ## Take the newest versions that pyproject.toml allows into both lock files
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(LOCK) --extra postgres --extra kafka --extra otel --extra s3 --output-file requirements.lock
	@$(LOCK) --all-extras --constraint requirements.lock --output-file requirements-dev.lock
	@rm -rf build/lock && echo "Wrote requirements.lock and requirements-dev.lock"

.PHONY: clean
clean: ## Remove caches and builds; .venv and data stay
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +
