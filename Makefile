# make sweep and make test need nothing but Python 3.10 to 3.13 and make: they set up .venv themselves.
PYTHON ?= python3
VENV ?= .venv
SWEEP ?= dispatch
ARGS ?=
RUN ?=

BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup sweep report test lint format clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10
	@echo
	@echo 'make sweep SWEEP=p3dn ARGS="timing=precise"    another sweep, with overrides'
	@echo 'make report RUN=results/dispatch/...           another run than the latest'

setup: $(READY) ## create the virtual environment with pinned versions

# The versions are pinned in requirements.txt; the project itself is installed without looking for others.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 10) <= v[:2] <= (3, 13) else \
	  "Python 3.10 to 3.13 is needed, $(PYTHON) is %d.%d; name another one: make PYTHON=python3.12" % v[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

sweep: $(READY) ## measure a sweep (SWEEP=dispatch, ARGS="overrides")
	$(BIN)/harness sweep sweep=$(SWEEP) $(ARGS)

report: $(READY) ## write CSV, figures and page of a run anew (RUN=folder, default the latest)
	$(BIN)/harness report $(or $(RUN),$(shell ls -td results/*/*/raw 2>/dev/null | head -n 1 | xargs -r dirname)) $(ARGS)

test: $(READY) ## run the tests (ARGS="-k resume")
	$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(READY) ## ruff, its formatter, and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the virtual environment and caches; results stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
