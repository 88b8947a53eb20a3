# Each target has a virtual environment of its own in this folder, installed with the exact versions of
# constraints.txt and again only after pyproject.toml or constraints.txt has changed.
# Another Python:  make demo PYTHON=python3.12   (3.11 or newer; `make clean` first when changing it)

PYTHON ?= python3
export NO_MKDOCS_2_WARNING = 1

.PHONY: help demo test check format tables docs clean
.DELETE_ON_ERROR:

help:
	@echo "make demo     the main job on real input: foils demo (no download beyond packages, no PyTorch)"
	@echo "make test     all tests"
	@echo "make check    lint, format, types, documentation"
	@echo "make format   mend what lint and format can mend"
	@echo "make tables   write the tables of README.md and of the reference anew"
	@echo "make docs     build the documentation's site into site/"
	@echo "make clean    remove the virtual environments and caches"

demo: .venv-demo/installed
	.venv-demo/bin/foils demo

test: .venv-test/installed
	.venv-test/bin/python -m pytest -n 2

check: .venv-dev/installed
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy
	.venv-dev/bin/python scripts/tables.py --check
	.venv-dev/bin/python scripts/check_docs.py
	.venv-dev/bin/mkdocs build --quiet

format: .venv-dev/installed
	.venv-dev/bin/ruff check --fix .
	.venv-dev/bin/ruff format .

tables: .venv-dev/installed
	.venv-dev/bin/python scripts/tables.py

docs: .venv-dev/installed
	.venv-dev/bin/mkdocs build --quiet

# PIP_CONSTRAINT rather than -c: it reaches the build backend too.
.venv-%/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "foils needs Python 3.11 or newer, and '$(PYTHON)' is not. Name another: make <target> PYTHON=python3.12" >&2; \
	  exit 1; }
	@echo "Installing foils[$*] into .venv-$* (once)"
	@$(PYTHON) -m venv --clear .venv-$*
	@PIP_CONSTRAINT=constraints.txt .venv-$*/bin/python -m pip install \
	  --quiet --disable-pip-version-check --only-binary :all: --editable '.[$*]'
	@touch $@

clean:
	rm -rf .venv-demo .venv-test .venv-dev .venv-core .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist site
