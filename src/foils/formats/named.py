"""Data sets whose columns are called otherwise: what a user says of them chooses the reader, too.

    anchor, positive                    a table or folder of pairs; in a folder of splits, users and items
    anchor, positive and min_value      interactions: users and items, of which those from that value on count
    min_value, value                    interactions whose columns are called user and item

Without any, the data set is told by its files alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import msgspec

from foils.collection import Collection
from foils.errors import InputError
from foils.formats.files import Source, path_of
from foils.formats.lines import numbered_lines
from foils.formats.messages import shown
from foils.formats.parquets import number_columns
from foils.formats.parts import tables_in
from foils.formats.recognise import PAIRS, first_split, read_any, read_pairs_folder, recognised
from foils.formats.rows import NUMBER

RATING = re.compile(r"ratings?|scores?|stars?|values?|points|rank_?score|preference", re.IGNORECASE)
"""How a column of ratings is called, most often."""


@dataclass(frozen=True)
class Names:
    """What a user says of the columns; None = nothing.

    Attributes:
        anchor: column of the anchors of pairs, or of the users of interactions.
        positive: column of the positives, or of the items.
        min_value: least value of an interaction that counts.
        value: column of the values.
    """

    anchor: str | None = None
    positive: str | None = None
    min_value: float | None = None
    value: str | None = None


def read_named(path: str | Path, names: Names) -> Collection:
    """Read what is there by what was said of its columns; see ``Collection.from_path``.

    Raises:
        InputError: what was said does not go together, or with the data.
        DataError: it cannot be read.
    """
    path = path_of(path)
    if names.value is not None and names.min_value is None:
        raise InputError(
            f"--value {names.value} names the column that --min-value looks at; give --min-value too (in Python, "
            "min_value= beside value=)"
        )
    named = (names.anchor, names.positive) != (None, None)
    if names.min_value is None and not named:
        return read_any(path)
    if names.min_value is not None or (path.is_dir() and _holds_splits(path)):
        if not named and recognised(path) != Collection.from_interactions:
            raise InputError(
                "--min-value is for interactions, which have the columns user and item; "
                f"{shown(str(path))} is something else; if these are called otherwise, name them: --anchor COLUMN "
                "(of users) --positive COLUMN (of items)"
            )
        return Collection.from_interactions(
            path,
            user=names.anchor or "user",
            item=names.positive or "item",
            value=names.value or "value",
            min_value=names.min_value,
        )
    pairs = {"anchor": names.anchor or "anchor", "positive": names.positive or "positive"}
    return read_pairs_folder(path, **pairs) if path.is_dir() else Collection.from_pairs(path, **pairs)


def unused_rating(path: Path, names: Names) -> str | None:
    """Name the column of numbers that looks like ratings and is not read, if there is one."""
    if names.min_value is not None:
        return None
    source = first_split(tables_in(path)) if path.is_dir() else Source(path)
    if source is None or not (path.is_dir() or path.is_file()):
        return None
    named = (names.anchor, names.positive) != (None, None)
    if not named and recognised(path) != Collection.from_interactions:
        return None
    asked = {names.anchor, names.positive}
    return next((name for name in _numbers(source) if RATING.fullmatch(name) and name not in asked), None)


def _holds_splits(folder: Path) -> bool:
    tables = tables_in(folder)
    return PAIRS not in tables and "corpus" not in tables and first_split(tables) is not None


def _numbers(source: Source) -> list[str]:
    """Name the columns that hold a number in the first row."""
    suffix = source.suffixes[0]
    if suffix == ".parquet":
        return number_columns(source)
    lines = (line for _, line in numbered_lines(source))
    first, second = next(lines, b""), next(lines, b"")
    if suffix == ".jsonl":
        try:
            record = msgspec.json.decode(first)
        except msgspec.MsgspecError:
            return []
        cells = record.items() if isinstance(record, dict) else ()
        return [key for key, value in cells if isinstance(value, int | float) and not isinstance(value, bool)]
    comma = "\t" if suffix == ".tsv" else ","
    names, values = (
        [cell.strip().strip('"') for cell in line.decode().rstrip("\r\n").split(comma)] for line in (first, second)
    )
    return [name for name, value in zip(names, values, strict=False) if NUMBER.fullmatch(value)]
