# The commands a contributor needs. Each sets up what it needs: `make test` in a fresh clone is enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := .venv-audit
# Says in one line what a Python lacks, in words that old ones understand.
CHECK := import sys; \
  sys.version_info < (3, 11) and sys.exit("iam-key-rotator needs Python 3.11 or newer: make PYTHON=python3.13 ..."); \
  import importlib.util as modules; modules.find_spec("ensurepip") or \
  sys.exit("This Python cannot make virtual environments: install its venv (Debian, Ubuntu: apt install python3-venv)")
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock'

.PHONY: help setup demo playground test soak engine check bench screenshots lock clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# uv installs everything; pip installs uv alone, by its own lines of the lock. Both check every hash.
$(VENV)/.installed: requirements-dev.txt
	@$(PYTHON) -c '$(CHECK)'
	@echo "Installing everything into $(VENV): the first time, this takes half a minute"
	@$(PYTHON) -m venv $(VENV)
	@awk '/^[^ #]/ {own = /^uv==/} own' $< > $(VENV)/uv.txt
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	$(BIN)/uv pip install --python $(BIN)/python --require-hashes -r $<
	@touch $@

# Scanners of infrastructure, which pin an older boto3: tests/audit runs them.
$(AUDIT)/.installed: requirements-audit.txt $(VENV)/.installed
	@echo "Installing the scanners into $(AUDIT): the first time, this takes half a minute"
	@$(BIN)/python -m venv --without-pip $(AUDIT)
	$(BIN)/uv pip install --python $(AUDIT)/bin/python --require-hashes -r $<
	@touch $@

setup: $(VENV)/.installed ## Install everything into .venv

demo: setup ## Play two months of keys on the embedded cloud, and prove what is promised
	$(BIN)/python -m scripts.demo

playground: setup ## Keep the embedded cloud running, with sample users, to try the commands
	$(BIN)/python -m scripts.playground

check: setup ## Lint, type-check, and hold the walls between the folders
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check $(AUDIT)/.installed ## Run all checks and tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

soak: setup ## Live ten times as many random histories as the tests do
	HISTORIES=110 $(BIN)/python -m pytest -n 2 tests/faults/test_model.py

engine: setup ## Play the deployment on Pulumi's real engine; builds the command line with Go if there is none
	$(BIN)/python -m scripts.engine.command_line
	$(BIN)/python -m pytest tests/engine -n 2 --dist loadfile

bench: setup ## Count the calls and take the time of a run, and of the report of 3,000 users
	$(BIN)/python -m scripts.bench
	$(BIN)/python -m scripts.bench_report

screenshots: setup ## Take the pictures in docs/ anew; needs Chromium
	$(BIN)/python -m scripts.screenshots

# What all need together comes first: MiniStack says exactly which botocore.
lock: setup ## Pin the newest versions of everything, with hashes
	$(LOCK) --upgrade requirements-dev.in -o requirements-dev.txt
	$(LOCK) --upgrade requirements.in -c requirements-dev.txt -o requirements.txt
	$(LOCK) --upgrade functions/requirements.in -c requirements-dev.txt -o functions/requirements.txt
	$(LOCK) --upgrade requirements-audit.in -o requirements-audit.txt

clean: ## Remove everything that was built or installed
	rm -rf $(VENV) $(AUDIT) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
