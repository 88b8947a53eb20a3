#!/usr/bin/env bash
# Check the package as a user without extras has it: built as a wheel, the core dependencies alone.
# Usage: scripts/check_core.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$PWD/.venv-core

"${1:-python3}" -m venv --clear "$venv"
PIP_CONSTRAINT=constraints.txt "$venv/bin/python" -m pip install \
  --quiet --disable-pip-version-check --only-binary :all: .

cd "$venv" # not the repository, whose files must not be what is imported
bin/python -c "
import sys, foils
assert foils.__file__.startswith(sys.prefix), foils.__file__
optional = {'torch', 'matplotlib', 'jinja2', 'sentence_transformers'} & set(sys.modules)
assert not optional, f'import foils imports {optional}'
"
bin/foils --help > help.txt
bin/foils recipes
echo "The core works without extras."
