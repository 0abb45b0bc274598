# Everything a developer or CI needs. Each target makes .venv itself; Python 3.11 or newer is all that must be there.

# The first that runs: a version manager's shim is on the PATH also for a version that is not selected.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3 python; do \
            "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test test-long check format golden wheel bench clean

help:
	@echo "make demo       the whole job on the embedded emulator: no account, no telephone"
	@echo "make test       all tests but the long ones"
	@echo "make test-long  all tests"
	@echo "make check      formatting, lint, types"
	@echo "make golden     write the golden files anew; look at the diff"
	@echo "make bench      the benchmarks: ratios measured in one run"
	@echo "make wheel      build the wheel and the sdist into dist/"

$(READY): pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: no Python 3.11 or newer found"; \
	  echo "  why: $(if $(PYTHON),\`$(PYTHON)\` does not run or is older,none on the PATH runs)"; \
	  echo "  fix: install one, or name it: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@echo "setting up $(VENV) (once)"
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY)
	@$(BIN)/ga-deploy demo

# Three at a time on two cores: calls in real time and commands that wait leave a core idle.
test: $(READY)
	@$(BIN)/python -X utf8 -m pytest -m "not slow" -n 3 --dist loadgroup

test-long: $(READY)
	@$(BIN)/python -X utf8 -m pytest -n 2 --dist loadgroup --timeout 900

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

golden: $(READY)
	@GOLDEN_UPDATE=1 $(BIN)/python -X utf8 -m pytest -q -k golden

bench: $(READY)
	@$(BIN)/python -m benchmarks.functions
	@$(BIN)/python -m benchmarks.emulator.serving
	@$(BIN)/python benchmarks/deploy/deploying.py
	@$(BIN)/python benchmarks/simulate/streams.py

wheel: $(READY)
	@$(BIN)/python -m build

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache
