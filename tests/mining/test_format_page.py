"""docs/format.md lists the columns and entries that a result folder has, with their types, and no others."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mining_problem import problem

from foils.mining.identity import FORMAT, SHARD_UNITS
from foils.rules import REASONS

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
DEEP = Path(__file__).with_name("deep.yaml")


def rows(heading: str) -> list[list[str]]:
    """Read the first table under a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = re.findall(r"^\|(.*)\|$", section, flags=re.MULTILINE)[2:]
    return [[cell.strip() for cell in line.split("|")] for line in table]


def names(cell: str) -> list[str]:
    """Read the names in code marks."""
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("table", ["negatives", "candidates", "items"])
def test_columns_and_types_are_those_of_the_page(tmp_path, table):
    problem().mine(DEEP, tmp_path / "out")
    schema = pq.read_schema(tmp_path / "out" / f"{table}.parquet")
    there = [[name, str(type).replace("element: ", "")] for name, type in zip(schema.names, schema.types, strict=True)]
    page = [
        [names(name)[0].replace("NAME", "dense"), type.replace("&lt;", "<").replace("&gt;", ">")]
        for name, type, _ in rows(f"{table}.parquet")
    ]
    assert there == page


@pytest.mark.parametrize("file", ["identity", "stats"])
def test_entries_are_those_of_the_page(tmp_path, file):
    problem().mine(DEEP, tmp_path / "out")
    there = set(json.loads((tmp_path / "out" / f"{file}.json").read_text()))
    assert there == {name for cells in rows(f"{file}.json") for name in names(cells[0])}


def test_files_are_those_of_the_page(tmp_path):
    problem().mine(DEEP, tmp_path / "out")
    head = PAGE.split("\n## ")[0]
    listed = {name for line in re.findall(r"^\| (.*?) \|", head, flags=re.MULTILINE) for name in names(line)}
    assert listed - {"shards/"} == {path.name for path in (tmp_path / "out").iterdir()}


def test_numbers_and_reasons_are_those_of_the_page():
    assert PAGE.startswith(f"# The result folder, version {FORMAT}\n")
    assert f"shards of {SHARD_UNITS:,} units" in PAGE
    assert all(f"`{reason}`" in PAGE for reason in REASONS[:3])


def test_what_is_said_to_be_deterministic_is(tmp_path):
    for name in "ab":
        problem().mine(DEEP, tmp_path / name)
    head = PAGE.split("\n## ")[0]
    equal = [names(line)[0] for line in re.findall(r"^\| (.*) \| byte for byte \|$", head, flags=re.MULTILINE)]
    assert len(equal) == 5
    for name in equal:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
