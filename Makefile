# One file of commands. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run ui test test-quick soak lint format schemas dashboard migration bench lock clean

PYTHON ?= python3
comma := ,
VENV := .venv
BIN := $(VENV)/bin
export DAGSTER_HOME := $(CURDIR)/.dagster
PYTEST_WORKERS ?= 2
# uv installs in a third of the time; where it cannot (pip set up for a company's own index), pip does it.
INSTALL = $(BIN)/uv pip install --quiet --compile-bytecode -c requirements.lock $(1) 2>/dev/null \
	|| $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock $(1)

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(BIN)/customer-profiles: setup.cfg pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "customer-profiles needs Python 3.11 or newer: make run PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up $(VENV) (about a minute, once) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || true
	@$(call INSTALL,-e .)
	@touch $@

$(VENV)/.dev: $(BIN)/customer-profiles setup.cfg requirements.lock
	@echo "Adding what the tests and checks need …"
	@$(call INSTALL,-e '.[postgres$(comma)aws$(comma)dev]')
	@$(call INSTALL,--no-deps -r benchmarks/requirements-datasets.txt)
	@touch $@

run: $(BIN)/customer-profiles  ## the demo company, from six sources to customer profiles
	@$(BIN)/customer-profiles demo generate --if-missing
	@$(BIN)/customer-profiles run

ui: $(BIN)/customer-profiles  ## Dagster's web UI on http://127.0.0.1:3000
	@$(BIN)/customer-profiles ui

test: $(VENV)/.dev  ## every test, on SQLCipher and Postgres
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadgroup

test-quick: $(VENV)/.dev  ## the tests that take no more than a few seconds each
	@$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadgroup -m 'not slow'

COUNT ?= 1000
FIRST ?= 1
KILLS ?= 100
soak: $(VENV)/.dev  ## random histories, and processes killed under traffic, on both engines: make soak COUNT=1000 FIRST=1 KILLS=100
	@$(BIN)/python -m customer_profiles_tests.identity.histories $(COUNT) $(FIRST) sqlcipher
	@$(BIN)/python -m customer_profiles_tests.identity.histories $(COUNT) $(FIRST) postgres
	@$(BIN)/python -m customer_profiles_tests.whole.killing $(KILLS) sqlcipher
	@$(BIN)/python -m customer_profiles_tests.whole.killing $(KILLS) postgres

lint: $(VENV)/.dev  ## style, types, import directions, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m customer_profiles.contracts.json_schema --check
	@$(BIN)/python deploy/grafana/dashboard.py --check

format: $(VENV)/.dev  ## mend what the style check can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

schemas: $(VENV)/.dev  ## write schemas/*.json from the contracts
	@$(BIN)/python -m customer_profiles.contracts.json_schema

dashboard: $(VENV)/.dev  ## write deploy/grafana/customer_profiles.json from its code
	@$(BIN)/python deploy/grafana/dashboard.py

migration: $(VENV)/.dev  ## write a new Alembic revision from the tables: make migration MESSAGE="…"
	@$(BIN)/python -m customer_profiles.cli.migrations "$(MESSAGE)"

bench: $(VENV)/.dev  ## the benchmarks of docs/benchmarks.md
	@$(BIN)/python -m benchmarks

lock: $(VENV)/.dev  ## pin the whole tree again
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --no-annotate --all-extras setup.cfg -o requirements.lock

clean:  ## remove the virtual environment, the demo's data, its state and its key
	rm -rf $(VENV) .data .dagster build *.egg-info
