# SPDX-License-Identifier: Apache-2.0
# `make demo` and `make test` are all a fresh machine needs; both set up what they use.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Targets share one virtual environment and two cores: one after the other.
.NOTPARALLEL:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What the environment was built from; another pyproject.toml, or another Python, builds it again.
STAMP := $(VENV)/.installed-$(shell { cat pyproject.toml; $(PYTHON) --version 2>&1; } | sha256sum | cut -c1-16)
PYTEST := $(BIN)/python -m pytest $(PYTEST_FLAGS)

.PHONY: help setup system demo test lint format types contract test-unit test-property test-store test-arbiter \
	test-cluster test-crash conformance test-operator test-e2e test-long test-ha soak bench clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(STAMP) ## Create .venv with everything the targets below use

$(STAMP):
	@scripts/create-venv "$(PYTHON)" "$(VENV)"
	@rm -f $(VENV)/.installed-*
	@touch $@

system: ## Install system packages the tests use, where that is allowed
	@scripts/install-system-packages

demo: setup ## Run real Spark jobs through real queues (KEEP=1, KUBECONFIG=…)
	$(BIN)/python demo/run.py $(if $(KEEP),--keep) $(if $(filter command line,$(origin KUBECONFIG)),--kubeconfig "$(KUBECONFIG)")

test: setup system lint types contract ## Everything CI runs, two processes side by side
	$(PYTEST) tests -m "not soak and not long" --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: setup ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup ## Let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup ## mypy
	$(BIN)/mypy

contract: setup ## import-linter: which room may import which
	$(BIN)/lint-imports

test-unit: setup ## Pure rooms and small parts
	$(PYTEST) tests/unit

test-property: setup ## Hypothesis
	$(PYTEST) tests/property

test-store: setup system ## Tables and migrations on SQLite and PostgreSQL
	$(PYTEST) tests/store

test-arbiter: setup system ## Every queueing rule and every act of a person, from pure decisions to both databases
	$(PYTEST) tests/unit/scheduling tests/unit/arbiter tests/unit/acts tests/property/scheduling tests/property/simulator tests/store

# On another cluster than an embedded one: KUBECONFIG=… on the command line; CONTROLLERS=1 brings nodes, a kubelet
# and the Spark operator along, for a bare control plane.
ON_CLUSTER = $(if $(filter command line,$(origin KUBECONFIG)),TEST_KUBECONFIG="$(abspath $(KUBECONFIG))" TEST_CONTROLLERS=$(CONTROLLERS))

test-cluster: setup system ## Cluster tests and a job's way through Airflow (KUBECONFIG=… [CONTROLLERS=1])
	$(ON_CLUSTER) $(PYTEST) tests/cluster
	$(ON_CLUSTER) $(PYTEST) tests/e2e/test_way_of_a_job.py

test-crash: setup system ## Kill and stop the arbiter at every commit and request; random histories
	$(PYTEST) tests/crash -s

conformance: setup ## The same requests to a real control plane and the embedded one (KUBECONFIG=… [RECORD=1])
	$(BIN)/python -m tests.cluster.conformance --kubeconfig "$(abspath $(KUBECONFIG))" $(if $(RECORD),--record)

test-operator: setup ## The numbered requirements of the operator, one line each
	$(PYTEST) tests/operator

test-e2e: setup system ## Real Airflow processes, one test per path
	$(PYTEST) tests/e2e -m "not soak and not long"

test-long: setup system ## Real Airflow processes that are killed, crowded, and the whole demo
	$(PYTEST) tests/e2e -m long

soak: setup system ## Minutes of interleaved parking and deferring
	$(PYTEST) tests -m soak

test-ha: setup system ## Three arbiters on PostgreSQL: killed and stopped leaders, outages of database and cluster
	$(PYTEST) tests/ha -s

bench: setup system ## Benchmarks of the queue: tables, and JSON in benchmarks/results (FULL=1, ONLY=simulator)
	$(BIN)/python benchmarks/bench.py $(if $(FULL),--full) $(addprefix --only ,$(ONLY))

clean: ## Remove everything these targets made
	rm -rf $(VENV) .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build .coverage
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
