# Everything a person types. `make help` lists it. The environment is made in .venv on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
MARK ?= not full
RESUME ?=
WORKERS ?= 2

.PHONY: help demo notebook test test-full test-spark lint format bench clean

help:  ## List these commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or later is needed; this is $$($(PYTHON) --version). Set PYTHON=python3.12 or the like."; exit 1; }
	@echo "Making the environment in $(VENV) (once; a minute or two) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[local]" --group dev
	@touch $@

demo: $(READY)  ## The main job on the local lakehouse, from a statement to a deployed table
	@$(BIN)/pipeline-magic demo --local

notebook: $(READY)  ## Open the quickstart in JupyterLab, with the extension ready
	@PATH="$(CURDIR)/$(BIN):$$PATH" PIPELINE_MAGIC_LOCAL=1 \
	  $(BIN)/jupyter lab examples/quickstart.ipynb $$(test "$$(id -u)" != 0 || echo --allow-root) $(ARGS)

test: $(READY)  ## Run the tests (under 15 minutes on two cores)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(RESUME) -m "$(MARK)" $(ARGS)
	@home=$$(mktemp -d); PATH="$(CURDIR)/$(BIN):$$PATH" PIPELINE_MAGIC_LOCAL=1 PIPELINE_MAGIC_HOME=$$home \
	  $(BIN)/python -m pytest $(RESUME) --nbval-lax --nbval-cell-timeout=300 examples; status=$$?; rm -rf $$home; exit $$status
	@$(MAKE) --no-print-directory lint

test-full: $(READY)  ## Run everything without bounds (under two hours; run again, it goes on where it stopped)
	@PIPELINE_MAGIC_TEST_FULL=1 $(MAKE) --no-print-directory test MARK="not delta" RESUME="-p tests.support.resume --durations=20"

test-spark: $(READY)  ## Run the write modes on Apache Spark with Delta's jars (needs Java and Maven Central; not in test-full)
	@PIPELINE_MAGIC_TEST_DELTA=1 $(BIN)/python -m pytest -m delta tests/spark $(ARGS)

lint: $(READY)  ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY)  ## Mend the style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY)  ## Run the benchmarks in their quick form (statements.py needs a --corpus of yours)
	@for name in own_cost generated_vs_hand catalog_index store; do echo "== $$name"; $(BIN)/python benchmarks/$$name.py --quick || exit 1; done

clean:  ## Remove the environment and what tests left
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
