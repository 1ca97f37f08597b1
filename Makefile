# Two commands for a newcomer: `make demo` and `make test`. Both set up everything they need in .venv.

# The newest that Dagster takes, that runs and can make an environment; another one: make PYTHON=...
SUITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for name in python3.14 python3.13 python3.12 python3.11 python3; do \
  if $$name -c '$(SUITS)' 2>/dev/null; then echo $$name; break; fi; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test dev install check site clean

demo: install        ## Archive, verify, restore and compare a day on the sandbox.
	$(BIN)/lse demo

# One process more than cores: a third of the time of some tests is waiting for others. More than four only wait
# for the longest file.
test: install-dev    ## Run the whole test suite, on all cores.
	$(BIN)/python -m pytest --numprocesses $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --maxprocesses 4 --durations 10 $(ARGS)

dev: install         ## Open the Dagster UI on .env, or on the sandbox.
	$(BIN)/lse dev

site: install-dev    ## The documentation as a site, in site/; a link that leads nowhere is an error.
	$(BIN)/python docs/site.py

check: install-dev   ## Lint, format, types and the rule on imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy docs/site.py
	$(BIN)/lint-imports

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	@$(or $(PYTHON),false) -c '$(SUITS)' || { echo "This needs Python 3.11 to 3.14 with its venv module" \
	  "(Debian: python3-venv). If you have one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml setup.cfg constraints.txt | $(BIN)/python
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --editable '.[dev]'
	touch $@

clean:               ## Remove the environment and the demo.
	rm -rf $(VENV) .demo build site
