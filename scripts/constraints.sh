#!/usr/bin/env bash
# Write constraints.txt anew: the newest versions that pip resolves today for every extra and for the build.
# Usage: scripts/constraints.sh PYTHON [HELD...]
#   PYTHON  the oldest Python that foils supports, so that every version serves the newer ones too
#   HELD    versions to hold, such as torch==2.13.0
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --upgrade pip
"$work/venv/bin/python" -m pip install --quiet --dry-run --only-binary :all: --report "$work/report.json" \
  -e '.[all,bench]' hatchling "$@"
{
  echo "# Exact versions of everything that make installs: what the checks ran with, not what foils requires."
  echo "# Written by: scripts/constraints.sh $(basename "$python") $*"
  echo "# A local suffix such as +cpu is left out, so that any build of a version serves."
  "$python" - "$work/report.json" <<'PY'
import json, sys

with open(sys.argv[1], encoding="utf-8") as file:
    found = [entry["metadata"] for entry in json.load(file)["install"]]
pins = {package["name"].lower().replace("_", "-"): package["version"].split("+")[0] for package in found}
print("\n".join(f"{name}=={version}" for name, version in sorted(pins.items()) if name != "foils"))
PY
} > "$work/constraints.txt"
cp "$work/constraints.txt" constraints.txt
