PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: bench quickstart test lint types docs site clean fuzz flips kill audit lock dist

# A small model trained and tried on generated motion, without any download of data; results in ./quickstart.
quickstart: $(VENV)/installed
	$(BIN)/ups quickstart --output quickstart

test: lint types
	$(BIN)/pytest -q -n 2

lint: $(VENV)/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/installed-test
	$(BIN)/pyright --pythonpath $(BIN)/python

# Width and links of Markdown, and that the commands and snippets of README and docs are right.
docs: $(VENV)/installed-test
	$(BIN)/pytest -q tests/docs

# The same pages and the reference of commands and API as a site without outside resources: site/index.html.
site: $(VENV)/installed-test
	$(PIP) --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

clean:
	rm -rf $(VENV)

# The environment is made anew when the requirements change.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) --editable '.[train]'
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(PIP) --editable '.[test]'
	touch $@

# 10,000 damaged and hostile inputs of every kind (1,000 of those that take long), and a table of what became of them.
fuzz: $(VENV)/installed-test
	cd tests && ../$(BIN)/python -m fuzz.run 10000

# Wheel and source archive in dist/, the same bytes from the same commit wherever they are built; checked as an index would.
dist: $(VENV)/installed
	$(PIP) 'build' 'hatchling' 'twine'
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/twine check --strict dist/*
	sha256sum dist/*

# Is anything slower than it was, beside the matrix product of the same run? Leave the machine alone meanwhile.
bench: $(VENV)/installed
	$(BIN)/ups bench ups-small --threads 2 --repeats 3 --seconds 0.3 --precision bf16-mixed --against dev/bench.json

# One byte changed, 5,000 times: in stores, checkpoints and exports.
flips: $(VENV)/installed-test
	cd tests && ../$(BIN)/python -m fuzz.flips 5000

# Writers killed at every system call that writes, syncs, renames, links or unlinks; needs strace.
kill: $(VENV)/installed-test
	cd tests && ../$(BIN)/python -m kill.run

# Known weaknesses of the locked versions; says so where the service that knows them can't be reached.
audit: $(VENV)/installed
	$(PIP) pip-audit
	$(BIN)/python dev/audit.py

# The exact versions with the hashes of their files: pip install --require-hashes -r requirements.lock
lock: $(VENV)/installed
	$(BIN)/python dev/lock.py
