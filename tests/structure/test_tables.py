"""The script that writes the tables of README and reference: it fills, finds what is old, refuses broken markers."""

import enum

import msgspec
import pytest
import tables

TABLES = {"a": lambda: "| x |\n| --- |\n| 1 |", "b": lambda: "| y |"}
PAGE = "top\n<!-- table: a -->\nold\n<!-- /table -->\nbetween\n<!-- table: b -->\n<!-- /table -->\nend\n"


class Measure(enum.StrEnum):
    COSINE = "cosine"


class Part(msgspec.Struct):
    """Reject the best | worst.

    More is told here.
    """

    margin: float
    measure: Measure = Measure.COSINE
    depth: int | None = None


def test_tables_are_filled_and_the_rest_is_kept():
    made = tables.rewritten(PAGE, TABLES)
    assert made == (
        "top\n<!-- table: a -->\n\n| x |\n| --- |\n| 1 |\n\n<!-- /table -->\n"
        "between\n<!-- table: b -->\n\n| y |\n\n<!-- /table -->\nend\n"
    )
    assert tables.rewritten(made, TABLES) == made


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("<!-- table: a -->\n", "not closed"),
        ("<!-- /table -->\n", "line 1"),
        ("<!-- table: a -->\n<!-- table: b -->\n<!-- /table -->\n", "line 2"),
        ("\n<!-- table: c -->\n<!-- /table -->\n", "line 2: no table 'c'; valid: a, b"),
    ],
)
def test_a_broken_marker_is_refused(page, message):
    with pytest.raises(ValueError, match=message):
        tables.rewritten(page, TABLES)


def test_check_fails_until_the_tables_are_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "TABLES", TABLES)
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    assert tables.main(["--check", str(page)]) == 1
    assert "-old" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == PAGE
    assert tables.main([str(page)]) == 0
    assert tables.main(["--check", str(page)]) == 0
    page.write_text("<!-- /table -->\n", encoding="utf-8")
    assert tables.main([str(page)]) == 2


def test_a_part_becomes_a_row(monkeypatch):
    family = type("Family", (), {"REGISTRY": {"part": Part}})
    monkeypatch.setattr(tables, "FAMILIES", ("rules",))
    monkeypatch.setattr(tables.importlib, "import_module", {"foils.rules": family}.__getitem__)
    assert tables.parts_table().splitlines() == [
        "| family | part | what it does | fields |",
        "| --- | --- | --- | --- |",
        r"| rule | `part` | Reject the best \| worst. | `margin` `measure=cosine` `depth` |",
    ]
