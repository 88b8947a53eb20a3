"""docs/compat.md tells what the functions do: its table is what benchmarks/compat_faults.py prints."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_holds_what_the_script_prints():
    script = runpy.run_path(str(ROOT / "benchmarks" / "compat_faults.py"))
    assert script["markdown"]() in (ROOT / "docs" / "compat.md").read_text(encoding="utf-8")
