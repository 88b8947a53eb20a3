"""Files are short: one idea each."""

import statistics
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "foils"
MEDIAN_LIMIT = 120
LIMIT = 400


def lengths() -> dict[str, int]:
    files = PACKAGE.glob("**/*.py")
    return {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}


def test_the_median_file_is_short():
    assert statistics.median(lengths().values()) < MEDIAN_LIMIT


def test_no_file_is_long():
    assert {name: lines for name, lines in lengths().items() if lines > LIMIT} == {}
