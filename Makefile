# Two commands do all: `make demo` and `make test`. Each makes its own .venv on first use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# The versions our CI runs with; `make LOCK= test` takes the newest the package allows instead.
LOCK   ?= -c requirements/ci.txt
JOBS   ?= 2

.PHONY: demo test lint types layers unit docs gallery lock clean help

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/'

demo: $(VENV)/.core  ## install, fuse and segment the embedded scenes, say where the pictures are
	$(BIN)/segmif demo -o out/demo

test: lint types layers unit docs  ## all checks, as in CI

lint: $(VENV)/.dev  ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## mypy, strict
	$(BIN)/mypy

layers: $(VENV)/.dev  ## imports go downward only
	PYTHONPATH=src $(BIN)/lint-imports --no-cache

docs: $(VENV)/.dev  ## the documentation site, warnings are errors
	$(BIN)/mkdocs build --strict --quiet

gallery: $(VENV)/.dev  ## draw the pictures of README and docs anew; DATA=ROOT: real pairs too, into out/gallery/real
	$(BIN)/segmif gallery -o docs/images
	$(BIN)/python docs/figures/how_it_works.py
	$(if $(DATA),$(BIN)/segmif gallery -o out/gallery --data $(DATA))

unit: $(VENV)/.dev  ## tests, doctests, branch coverage
	$(BIN)/pytest -n $(JOBS) --cov --cov-report=term

lock: $(VENV)/.dev  ## write down the versions installed now
	$(BIN)/pip freeze --exclude-editable | sed -E 's/\+cpu$$//' > requirements/ci.txt

clean:  ## remove the environment and everything made
	rm -rf $(VENV) out site dist .mypy_cache .ruff_cache .pytest_cache .coverage*

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check $(LOCK) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml requirements/ci.txt
	$(BIN)/pip install --quiet --disable-pip-version-check $(LOCK) -e '.[dev,docs]'
	@touch $@ $(VENV)/.core
