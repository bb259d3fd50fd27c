# Two commands for everybody: `make demo` shows it, `make test` proves it. `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Without a network that is said soon; PIP_RETRIES=5 for a bad one.
export PIP_RETRIES ?= 1
# No hash, no installation; a wheel or nothing, so that no compiler is needed.
PINNED := install --require-hashes --only-binary :all:
PIN := $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	--no-header --no-annotate --strip-extras --allow-unsafe

define INSTALL
$(PIP) $(PINNED) -r $(1) || { echo 'make: the packages of $(1) are not installed, see above. Without a package index,' \
	'or behind a proxy: docs/installing.md' >&2; exit 1; }
endef

.PHONY: help demo lab test check lint bench mutants venv venv-test packages requirements clean

help:
	@echo 'make demo    the network of the example, the engine, traffic and the dashboard; nothing stays behind'
	@echo 'make lab     the same network to work in; it says how to look in and how to remove it'
	@echo 'make test    install what tests need, run them all'
	@echo 'make check   format, lint, types, import contracts and the fast tests'
	@echo 'make lint    format, lint, types and import contracts alone'
	@echo 'make bench   packets a second, loss, delay, memory'
	@echo 'make mutants does a test notice when the code is wrong? SEED=7 COUNT=100 (tests/mutants/README.md)'
	@echo 'make venv    the virtual environment ($(VENV)): bng-engine, bngctl, bngtui, bng-lab are in $(BIN)'
	@echo 'make clean   remove what these made'

demo: venv
	@$(BIN)/bng-lab demo

lab: venv
	@$(BIN)/bng-lab up

test: venv-test packages
	$(BIN)/python -m pytest

check: lint packages
	$(BIN)/python -m pytest -m 'not netns and not terminal and not slow'

# The cache of lint-imports goes by the times of files, which copying and unpacking keep.
lint: venv-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: venv-test
	$(BIN)/python -m tests.bench.run

mutants: $(VENV)/.mutants
	$(BIN)/python -m pytest -q tests/mutants
	$(BIN)/python -m tests.mutants.run $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(if $(PART),--part $(PART))

venv: $(VENV)/.runtime
venv-test: $(VENV)/.test

# Debian packages some tests drive (tcpdump, tmux ...); says what is missing where it may not install them.
packages:
	@.ci/packages

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(BIN)/pip .ci/requirements.txt pyproject.toml
	@$(call INSTALL,.ci/requirements.txt)
	$(PIP) install --no-build-isolation --no-deps --no-index --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime .ci/requirements-test.txt
	@$(call INSTALL,.ci/requirements-test.txt)
	@touch $@

# Without dependencies: cosmic-ray asks for yattag, which is no wheel and only writes its HTML report. The file lists the rest.
$(VENV)/.mutants: $(VENV)/.test .ci/requirements-mutants.txt
	$(PIP) $(PINNED) --no-deps -r .ci/requirements-mutants.txt
	@touch $@

# The versions stand in pyproject.toml; this pins what they pull in, with the hashes of every platform's files.
requirements: venv-test
	$(PIP) install pip-tools
	$(PIN) -o .ci/requirements.txt .ci/build.in pyproject.toml
	$(PIN) --extra test -o .ci/requirements-test.txt .ci/build.in pyproject.toml
	$(PIN) --extra mutants --constraint .ci/requirements-test.txt --no-allow-unsafe --unsafe-package yattag \
		-o .ci/requirements-mutants.txt .ci/build.in pyproject.toml

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find engine bngtui tests -name __pycache__ -prune -exec rm -rf {} +
