# The commands of this house. `make` alone lists them.
# PYTHON=python3.12 chooses the Python of a new environment; ARGS="..." is passed on to demo, test and verify.

PYTHON ?= python3
ARGS   ?=
VENV   := .venv
PY     := $(VENV)/bin/python
BENCH  := .venv-bench
PIP    := $(PY) -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test lint types layers verify matrix docs bench clean

help: ## list these commands
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: $(VENV)/.demo ## real documents through a tracked two-step job, a worker killed on the way
	@$(VENV)/bin/statustrack demo $(ARGS)

test: lint types layers docs ## everything that must pass: style, types, layers, documentation, all tests
	$(PY) -m pytest -n 2 $(ARGS)

lint: $(VENV)/.dev ## style and likely mistakes
	$(PY) -m ruff check .

types: $(VENV)/.dev ## mypy --strict, as on Linux, macOS and Windows; the examples with pyright too
	@for platform in linux darwin win32; do echo "mypy --strict on $$platform"; \
	    $(PY) -m mypy --strict --platform $$platform --cache-dir .mypy_cache/$$platform || exit 1; done
	$(PY) -m pyright --pythonpath $(PY) --warnings

layers: $(VENV)/.dev ## who may import whom
	$(VENV)/bin/lint-imports --no-logo

verify: $(VENV)/.dev ## the lifecycle, exhausted within stated bounds, and workers killed in large numbers (minutes)
	$(PY) -m tests.modelcheck.run $(ARGS)
	$(PY) -m tests.worker.verify

matrix: ## the tests on each Python from 3.10 to 3.13 found here, against the built wheel
	@PYTHON="$(PYTHON)" .ci/matrix $(ARGS)

docs: $(VENV)/.docs ## this documentation as a web site, in build/docs; a warning is an error
	$(PY) -m sphinx --fail-on-warning --keep-going --quiet -d .cache/docs docs build/docs

bench: $(BENCH)/.made ## the benchmarks, beside their peers; writes docs/benchmarks.md (a quarter of an hour)
	$(BENCH)/bin/python -m bench.run $(ARGS)

clean: ## remove the environment, the caches and what was built
	rm -rf $(VENV) $(BENCH) .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. It is installed as editable, so that the source is what runs; a stamp says what is in it,
# and only a change of pyproject.toml installs again.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("statustrack needs Python 3.10 or later, and \
	$(PYTHON) is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	@echo "Making $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.made
	@echo "Installing statustrack with the demo into $(VENV) (once)"
	@$(PIP) -e '.[demo]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.made
	@echo "Installing statustrack with what its tests need into $(VENV) (once)"
	@$(PIP) -e '.[demo,dev]'
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: pyproject.toml | $(VENV)/.made
	@echo "Installing what the documentation is built with into $(VENV) (once)"
	@$(PIP) -e '.[docs]'
	@touch $@

$(BENCH)/.made: bench/requirements.txt pyproject.toml
	@echo "Making $(BENCH) with what the benchmarks compare (once)"
	@$(PYTHON) -m venv $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt -e .
	@touch $@
