# The two commands: `make train` and `make test`. Each makes .venv first if it is not there yet.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# A mark per environment, renewed only when pyproject.toml changes: a second call installs nothing.
RUN_READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev

# What `make compare` runs; each goes on where it was stopped.
COMPARISONS ?= core-digits core-japanese-vowels core-event-digits

.PHONY: train compare test lint types check wheel help

help:
	@echo "make train [ARGS=\"--recipe NAME --seed 3\"]   train (default: digits-bsa)"
	@echo "make compare [COMPARISONS=core-digits]        spiking networks beside their ANN twins: tables and pages"
	@echo "make test                                    lint, types, floors, tests, wheel"

train: $(RUN_READY)
	$(BIN)/python train.py $(ARGS)

compare: $(RUN_READY)
	@for name in $(COMPARISONS); do $(BIN)/snnpd compare $$name $(ARGS) || exit; done

test: lint types check wheel

lint: $(DEV_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV_READY)
	$(BIN)/mypy

check: $(DEV_READY)
	$(BIN)/python -m pytest --numprocesses 2 $(ARGS)

wheel: $(DEV_READY)
	$(BIN)/python tests/wheel/check_wheel.py

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "snnpd needs Python 3.11 or newer; say which: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "no environment could be made; on Debian: apt-get install python3-venv"; exit 2; }

$(RUN_READY): pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) (a few minutes, once)"
	$(BIN)/python -m pip install --quiet --editable ".[series]"
	@touch $@

$(DEV_READY): pyproject.toml | $(RUN_READY)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	@touch $@
