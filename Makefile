PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-oldest check lint types imports docs clean

# Upscale the samples with the real weights; look into out/ afterwards.
demo: .venv/installed
	$(BIN)/aimanga upscale samples --output out

# The whole test suite, a worker for each core.
test: .venv/installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

# The fast part of the suite with the oldest PyTorch that is supported, in an environment of its own: gigabytes to download.
test-oldest:
	$(PYTHON) -m venv .venv-oldest
	grep -v '^torch==' constraints.txt > .venv-oldest/constraints.txt
	echo 'torch==2.8.0' >> .venv-oldest/constraints.txt
	.venv-oldest/bin/python -m pip install --quiet --constraint .venv-oldest/constraints.txt --editable '.[dev]'
	.venv-oldest/bin/python -m pytest -m 'not slow' -n auto --maxprocesses 8 --dist worksteal

# Everything that is checked without running the code.
check: lint types imports

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/installed-dev
	$(BIN)/mypy

imports: .venv/installed-dev
	$(BIN)/lint-imports

# The documentation site, in site/; `.venv/bin/mkdocs serve` shows it while you write.
docs: .venv/installed-docs
	$(BIN)/mkdocs build --strict --quiet

# The stamps make a second run install nothing, until the dependencies change.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "aimanga needs Python 3.11 or newer: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

.venv/installed-docs: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf .venv .venv-oldest out site
