# Every target sets up .venv by itself: Python 3.11 or newer and make are all that is needed.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
LOG ?= embedded
TESTS ?= tests
# For a small machine of two cores: four workers wait for processes and timers half of their time.
WORKERS ?= 5

# What is imported again and again is compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test fetch compiled check style types imports unit bench bench-full sim scale conformance compose-test lock sbom clean
.DEFAULT_GOAL := test

define CHECK_PYTHON
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3"; exit 1; }
endef

# Of the libraries, only what is imported is compiled: the rest is most of it.
$(STAMP): pyproject.toml sdk/pyproject.toml
	@$(CHECK_PYTHON)
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile -e ./sdk -e '.[dev]'
	@touch $@

# The demo runs in the environment of development if there is one, else in a smaller one.
DEMO := .venv-demo
DEMO_PYTHON = $(if $(wildcard $(STAMP)),$(PY),$(DEMO)/bin/python)
DEMO_STAMP = $(if $(wildcard $(STAMP)),$(STAMP),$(DEMO)/.with-$(LOG))

$(DEMO)/.with-%: pyproject.toml
	@$(CHECK_PYTHON)
	@$(PYTHON) demo/prepare.py $(DEMO) $(if $(filter kafka,$*),broker)
	@touch $@

# Start a server and a sign-up workflow, kill the service twice, show that nothing is lost.
demo: $(DEMO_STAMP)
	@PYTHONPATH=sdk $(DEMO_PYTHON) -m demo --log $(LOG)

# Everything that must hold before a change is taken; what tests fetch comes while types are checked.
# The direction of imports is one of the tests.
test: $(STAMP)
	@$(MAKE) --no-print-directory -j 2 $(if $(filter tests,$(TESTS)),style types fetch compiled,check)
	$(PY) -m pytest -n $(WORKERS) $(TESTS)

# What the tests need from registries.
fetch: $(STAMP)
	@$(PY) -m tests.parts.fetching

# Tests are compiled before the workers begin: each would compile all of them, at the same time. What
# cannot be imported is said by the run.
compiled: $(STAMP)
	@$(PY) -m pytest --collect-only --quiet $(TESTS) > /dev/null || true

# What needs no running: style, types, the direction of imports.
check: style types imports

style: $(STAMP)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(STAMP)
	$(VENV)/bin/mypy

imports: $(STAMP)
	$(VENV)/bin/lint-imports --no-cache

# The fast part of the tests, for the time between two edits.
unit: $(STAMP)
	$(PY) -m pytest tests/architecture tests/unit tests/golden tests/contracts

bench: $(STAMP)
	$(PY) -m tests.bench

bench-full: $(STAMP)
	$(PY) -m tests.bench --full

# The simulation for an hour, or HOURS=8; SEEDS=1000:2000 takes these seeds.
sim: $(STAMP)
	$(PY) -m tests.simulation $(if $(HOURS),--hours $(HOURS)) $(if $(SEEDS),--seeds $(SEEDS))

# A million of things: what each costs, the silences of the loop, memory. SCALE=small: as in the tests.
scale: $(STAMP)
	$(PY) -m tests.scale $(if $(filter small,$(SCALE)),--small) $(RUNS)

# Every combination of mode, log, SDK and protocol version.
conformance: $(STAMP)
	PERDURE_CONFORMANCE=full $(PY) -m pytest -n $(WORKERS) tests/conformance

# Build the images and run the compositions on the Docker engine of DOCKER_HOST; parts are killed.
compose-test: $(STAMP)
	$(PY) -m tests.compose $(ARGS)

# The newest libraries within the bounds of pyproject.toml, by hash: deploy/constraints.txt.
lock:
	$(PYTHON) -m venv .lock && .lock/bin/python -m pip install --quiet uv
	.lock/bin/python -m deploy.lock && rm -rf .lock

# The bill of materials of a release (CycloneDX), of what deploy/constraints.txt pins.
sbom: $(STAMP)
	@mkdir -p dist && $(PY) -m deploy.sbom > dist/sbom.cdx.json && echo dist/sbom.cdx.json

clean:
	rm -rf $(VENV) $(DEMO) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
