# Two commands for everybody: `make demo` shows it, `make test` proves it. `make help` lists the rest.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# No hash, no installation; a wheel or nothing, so that no compiler is needed.
PINNED := install --require-hashes --only-binary :all:
PIN := $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	--no-header --no-annotate --strip-extras --allow-unsafe

.PHONY: help demo lab test check bench venv venv-test packages requirements clean

help:
	@echo 'make demo    the network of the example, the engine, traffic and the dashboard; nothing stays behind'
	@echo 'make lab     the same network to work in (bng-lab exec NODE -- COMMAND, bng-lab down)'
	@echo 'make test    install what tests need, run them all'
	@echo 'make check   format, lint, types, import contracts and the fast tests'
	@echo 'make bench   packets a second'
	@echo 'make venv    the virtual environment ($(VENV)) with the commands in it'
	@echo 'make clean   remove what these made'

demo: venv
	@$(BIN)/bng-lab demo

lab: venv
	@$(BIN)/bng-lab up

test: venv-test packages
	$(BIN)/python -m pytest

check: venv-test packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -m 'not netns and not terminal and not slow'

bench: venv-test
	$(BIN)/python -m tests.bench.run

venv: $(VENV)/.runtime
venv-test: $(VENV)/.test

# Debian packages some tests drive (tcpdump, tmux ...); says what is missing where it may not install them.
packages:
	@.ci/packages

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: $(BIN)/pip .ci/requirements.txt pyproject.toml
	$(PIP) $(PINNED) -r .ci/requirements.txt
	$(PIP) install --no-build-isolation --no-deps --no-index --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime .ci/requirements-test.txt
	$(PIP) $(PINNED) -r .ci/requirements-test.txt
	@touch $@

# The versions stand in pyproject.toml; this pins what they pull in, with the hashes of every platform's files.
requirements: venv-test
	$(PIP) install pip-tools
	$(PIN) -o .ci/requirements.txt .ci/build.in pyproject.toml
	$(PIN) --extra test -o .ci/requirements-test.txt .ci/build.in pyproject.toml

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find engine bngtui tests -name __pycache__ -prune -exec rm -rf {} +
