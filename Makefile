# Every command a developer or the CI runs; CI calls these and nothing else.
PYTHON ?= python3
BIN := .venv/bin
export PYTHONUNBUFFERED := 1

.PHONY: demo test test-all bench check lint types imports format docs figures clean

demo: .venv/installed
	$(BIN)/bench demo --out demo

# One process a core, of one thread: small networks gain little from a second thread
test test-all: export OMP_NUM_THREADS := 1
PYTEST := $(BIN)/pytest --numprocesses logical tests --ignore tests/performance

test: check
	$(PYTEST) -m "not slow" --dist loadfile

test-all: .venv/installed
	$(PYTEST) -m slow --dist worksteal --durations 25

bench: .venv/installed
	$(BIN)/pytest tests/performance -s --timeout 1800

check: lint types imports

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed
	$(BIN)/mypy

imports: .venv/installed
	$(BIN)/lint-imports

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/installed
	$(BIN)/python -m ci.readme

figures: docs
	$(BIN)/python -m ci.figures
	$(BIN)/python -m ci.kinds

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[all]"
	touch $@

clean:
	rm -rf .venv demo test-output
