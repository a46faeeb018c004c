# make sweep and make test need nothing but Python 3.10 to 3.13 and make: they set up .venv themselves.
PYTHON ?= python3
VENV ?= .venv
SWEEP ?= dispatch
ARGS ?=
RUN ?=
# Whose environments `make frameworks` makes; keras has tensorflow's.
FRAMEWORKS ?= tensorflow keras jax pytensor mxnet chainer cntk
SHARDS ?= 4

BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOGIN := .login
LOGIN_READY := $(LOGIN)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup login sweep slurm-sweep frameworks report test emulator native gpu-check lint format clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 13
	@echo
	@echo 'make sweep SWEEP=p3dn ARGS="timing=precise"    another sweep, with overrides'
	@echo 'make report RUN=results/dispatch/...           another run than the latest'

setup: $(READY) ## create the virtual environment with pinned versions

# The versions are pinned in requirements.txt; the project itself is installed without looking for others.
# $(1): the environment; $(2): what is left out of it, a pattern.
define environment
@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 10) <= v[:2] <= (3, 13) else \
  "Python 3.10 to 3.13 is needed, $(PYTHON) is %d.%d; name another one: make PYTHON=python3.12" % v[:2])'
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
  { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
$(PYTHON) -m venv $(1)
grep -vE '$(2)' requirements.txt | $(1)/bin/python -m pip install --quiet --disable-pip-version-check -r /dev/stdin
$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
@touch $@
endef

$(READY): requirements.txt pyproject.toml
	$(call environment,$(VENV),^$$)

login: $(LOGIN_READY) ## create .login, what a login node needs to plan, submit and report: all but torch

$(LOGIN_READY): requirements.txt pyproject.toml
	$(call environment,$(LOGIN),^torch==)

sweep: $(READY) ## measure a sweep (SWEEP=dispatch, ARGS="overrides")
	$(BIN)/harness sweep sweep=$(SWEEP) $(ARGS)

slurm-sweep: $(if $(wildcard slurm/site.env $(LOGIN_READY)),,$(READY)) ## submit a sweep to SLURM as SHARDS=4 jobs and their report (slurm/README.md)
	@slurm/submit $(SHARDS) sweep=$(SWEEP) $(ARGS)

# One that cannot be made says why in a line, has rows with the reason, and the others go on. RUN=folder goes on there.
frameworks: $(READY) ## make other frameworks' environments, measure all of them beside torch, and report (docs/frameworks.md)
	@for name in $(FRAMEWORKS); do $(BIN)/harness environment create $$name >/dev/null || echo "$$name: goes on without it"; done
	@run="$(or $(RUN),results/frameworks/$$(date -u +%Y%m%dT%H%M%SZ))"; \
	$(BIN)/harness sweep sweep=frameworks out="$$run/textbook" $(ARGS) && \
	$(BIN)/harness sweep sweep=frameworks_grid out="$$run/grid" $(ARGS) && \
	$(BIN)/harness report "$$run/textbook" "$$run/grid" --out "$$run/report"

report: $(READY) ## write CSV, figures and page of a run anew (RUN=folder, default the latest)
	$(BIN)/harness report $(or $(RUN),$(shell ls -td results/*/*/raw 2>/dev/null | head -n 1 | xargs -r dirname)) $(ARGS)

# With CI=true there are tests that wait for a cluster: a worker more (tests/conftest.py says what runs beside them).
test: $(READY) ## run the tests (ARGS="-k resume"; with CI=true the long ones too)
	$(BIN)/python -m pytest -n $(if $(filter true,$(CI)),3,2) --dist loadfile --no-loadscope-reorder $(ARGS)

emulator: $(READY) ## compile the emulated CUDA node (device=emulated does it by itself)
	$(BIN)/python -m emulator build

native: $(READY) ## compile the C++ runner of exported models, and print its path
	@$(BIN)/python -m harness.modes.native_build

# Without a virtual environment too: a machine with a GPU has a torch of its own, and perhaps no network.
gpu-check: ## on a machine with a GPU: CUDA tests, a short sweep, the emulated profile's prediction beside it
	PYTHONPATH=.$${PYTHONPATH:+:$$PYTHONPATH} $(if $(wildcard $(READY)),$(BIN)/python,$(PYTHON)) -m benchmarks.gpu_check $(ARGS)

lint: $(READY) ## ruff, its formatter, and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove the virtual environment and caches; results stay
	rm -rf $(VENV) $(LOGIN) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
