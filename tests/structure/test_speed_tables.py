"""docs/speed.md is made of the saved numbers: settings side by side, losses and missed aims said, never stale."""

import json
from pathlib import Path

import pytest
import speed_tables
import tables

ROOT = Path(__file__).parents[2]
PIN, UNPINNED = "OPENBLAS_CORETYPE=Haswell OPENBLAS_L2_SIZE=512", "unpinned"


def row(name, speed, ratio=1.0, *, wall=0.5, peak=2_000_000, note=""):
    ratios = {"median": ratio, "low": ratio / 2, "high": ratio * 2}
    return {
        "name": name, "per_cpu_second": speed, "ratio": ratios, "wall_seconds": wall, "peak_bytes": peak, "note": note,
    }  # fmt: skip


def entry(rows, *, reference="limit: product", **facts):
    table = {
        "title": "Top 10",
        "unit": "queries",
        "reference": reference,
        "rounds": 5,
        "load": [0.1, 1.26],
        "rows": rows,
    }
    machine = {
        "cpu": "Some CPU", "cores": 2, "flags": ["avx2"], "memory_gb": 25.3, "packages": {"numpy": "2.4.6"},
        "blas": [{"package": "numpy", "core_type": "Zen"}, {"package": "torch", "core_type": None}],
    }  # fmt: skip
    return {"machine": machine, "tables": [table], "facts": facts}


@pytest.fixture
def saved(monkeypatch, tmp_path):
    monkeypatch.setattr(speed_tables, "FOLDER", tmp_path)

    def save(settings):
        (tmp_path / "search.json").write_text(json.dumps({"settings": settings}), encoding="utf-8")

    return save


def cells(text, name):
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_settings_stand_side_by_side(saved):
    limit = row("limit: product", 12_345.0)
    saved(
        {PIN: entry([limit, row("foils exact", 1234.0, 0.5)]), UNPINNED: entry([limit, row("peer", 20, wall=12.3456)])}
    )
    text = speed_tables.section("search")
    assert "**Top 10** (5 rounds; load AVX2 pin 0.1 → 1.3; unpinned 0.1 → 1.3)" in text
    assert cells(text, "limit: product")[1:5] == ["12,300", "1 (reference)", "12,300", "1 (reference)"]
    assert cells(text, "**foils exact**")[1:8] == ["1,230", "0.500 [0.250, 1.00]", "", "", "0.500", "", "2"]
    assert cells(text, "peer")[1:7] == ["", "", "20.0", "1.00 [0.500, 2.00]", "", "12.35"]


def test_a_row_of_ours_names_the_peers_that_were_faster(saved):
    rows = [row("limit: product", 9), row("foils exact", 3, note="all found"), row("peer", 4), row("slow peer", 2)]
    saved({UNPINNED: entry(rows)})
    text = speed_tables.section("search")
    assert cells(text, "**foils exact**")[-1] == "all found; **slower than peer** (unpinned)"
    assert "slower" not in cells(text, "peer")[-1]


def test_a_missed_aim_is_marked(saved):
    aims = [
        {"what": "share", "bar": "≥ 0.85", "reached": "0.80", "met": False},
        {"what": "times", "bar": "≥ 4", "reached": "5.00", "met": True},
    ]
    grids = [{"head": ["size", "s"], "rows": [["1", "2"]]}]
    saved({UNPINNED: entry([], aims=aims, lines=["Found so."], grids=grids)})
    text = speed_tables.section("search")
    assert cells(text, "share") == ["share", "≥ 0.85", "0.80 **missed**"]
    assert cells(text, "times") == ["times", "≥ 4", "5.00"]
    assert "- unpinned: Found so." in text
    assert cells(text, "1") == ["1", "2"]


def test_what_was_not_measured_is_said(saved):
    assert speed_tables.section("search") == "Not measured yet."
    assert speed_tables.machines() == "Not measured yet."
    saved({UNPINNED: entry([])})
    row = "| search | unpinned | 2 cores of Some CPU (avx2), 25 GB | numpy Zen | numpy 2.4.6 |"
    assert row in speed_tables.machines()


def test_check_fails_when_the_page_is_older_than_the_numbers(saved, tmp_path, capsys):
    page = tmp_path / "speed.md"
    page.write_text("<!-- table: speed-search -->\n<!-- /table -->\n", encoding="utf-8")
    assert tables.main([str(page)]) == 0
    assert tables.main(["--check", str(page)]) == 0
    saved({UNPINNED: entry([row("limit: product", 1)])})
    assert tables.main(["--check", str(page)]) == 1
    assert "limit: product" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.123456, "0.123"),
        (0.9996, "1.00"),
        (1.5, "1.50"),
        (12.34, "12.3"),
        (99.96, "100"),
        (20_440_000, "20,400,000"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert speed_tables.number(value) == text


def test_every_saved_benchmark_has_its_section():
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    assert [name for name in speed_tables.TABLES if f"<!-- table: {name} -->" not in page] == []
    assert {path.stem for path in (ROOT / "docs" / "speed").glob("*.json")} <= set(speed_tables.NAMES)
