# Everything a developer or a new user types. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false
export OMP_WAIT_POLICY := PASSIVE
# What was imported once is kept compiled, whatever the shell says: importing a trainer from its sources takes 15 s instead of 5.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help install demo test weaviate unit check format lint types floors docs bench clean

help:  ## This list
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /	/' | expand -t 12

install: $(STAMP)  ## The virtual environment .venv, with everything

# Compiling the 18,000 files of all packages took a minute, and Python compiles the few that are imported by itself.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt --editable '.[demo,dev]'
	touch $@

demo: $(STAMP)  ## The whole story on an embedded Postgres, under live traffic; writes report.html
	$(BIN)/transvase demo

# A module's tests stay together, for they share a server. Modules are taken in their order: by number of tests, as is the
# default, those of one long test come last, and a processor had nothing to do for ten minutes.
test: $(STAMP)  ## All tests but the long ones on Weaviate, on two processors
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -q -m "not long"

weaviate: $(STAMP)  ## All tests on Weaviate, the long ones too; most of their time they wait for it
	$(BIN)/python -m pytest -n 3 --dist loadscope -q -m weaviate

unit: $(STAMP)  ## The quick ones
	$(BIN)/python -m pytest -n 2 -q tests/unit tests/house -m "not story and not model"

check: $(STAMP) .lint/ready  ## Format, lint, types, floors, then the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=.lint $(BIN)/lint-imports
	$(MAKE) test

format: $(STAMP)  ## Rewrite the code in house form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP)  ## Lint alone
	$(BIN)/ruff check .

types: $(STAMP) .lint/ready  ## Types alone
	$(BIN)/mypy

floors: $(STAMP) .lint/ready  ## Import contracts alone
	PYTHONPATH=.lint $(BIN)/lint-imports

docs: $(STAMP)  ## Draw docs/states.md from the machine
	$(BIN)/python -m transvase.cli.states > docs/states.md

bench: $(STAMP)  ## Benchmarks, as ratios within one run
	for b in benchmarks/[a-z]*.py; do $(BIN)/python $$b || exit 1; done

# Type checker and import linter do not see through pyproject's folder mapping; a tree of links shows them the packages.
.lint/ready: Makefile
	mkdir -p .lint/transvase
	for p in core migrations adapters cli; do ln -sfn ../../$$p .lint/transvase/$$p; done
	touch $@

clean:  ## Remove what make made
	rm -rf $(VENV) .lint build *.egg-info .pytest_cache .mypy_cache .ruff_cache
