"""Tables of several splits read as one: train.tsv, valid.tsv and test.tsv, or one table with a column ``split``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foils.errors import DataError
from foils.formats.extras import one_type
from foils.formats.files import Source
from foils.formats.folder import listed
from foils.formats.judged import Int16, in_split_order, split_codes
from foils.formats.messages import quoted, shown
from foils.formats.rows import Field, Rows, first_true
from foils.formats.tables import SUFFIXES, read_table

SPLIT = Field("split", required=False)
SPLITS = ("train", "dev", "valid", "validation", "test")


@dataclass(frozen=True, eq=False)
class Parts:
    """The rows of all splits, one below the other.

    Attributes:
        rows: the joined rows; ``place`` names the file and line of each.
        codes: int16[R], index into ``names``.
        names: the splits.
    """

    rows: Rows
    codes: Int16
    names: tuple[str, ...]


def tables_in(path: Path, suffixes: Sequence[str] = SUFFIXES) -> dict[str, Source]:
    """List the tables of a folder by their name without suffix; hidden files are passed over.

    Raises:
        DataError: the folder cannot be listed, or a table is there twice.
    """
    try:
        names = sorted(place.name for place in path.iterdir() if place.is_file() and not place.name.startswith("."))
    except OSError as error:
        raise DataError(f"{shown(str(path))}: cannot be listed ({error.strerror}); give a folder or a file") from error
    found: dict[str, Source] = {}
    for name in names:
        stem, _, suffix = name.partition(".")
        if suffix.casefold() not in suffixes:
            continue
        if stem in found:
            raise DataError(
                f"{shown(str(path))}: holds both {shown(found[stem].path.name)} and {shown(name)}; remove the one that "
                "is not meant"
            )
        found[stem] = Source(path / name)
    return found


def read_splits(tables: Mapping[str, Source], read: Callable[[Source], Rows]) -> Parts:
    """Read one table per split, in the order train, dev, valid, test, then by alphabet."""
    names = in_split_order(tables)
    return stacked([(name, read(tables[name])) for name in names])


def read_one(source: Source, fields: Sequence[Field]) -> Parts:
    """Read one table; a column ``split`` names the splits, else all is ``train``."""
    rows = read_table(source, [*fields, SPLIT])
    return by_column(Parts(rows, np.zeros(len(rows), np.int16), ("train",)))


def by_column(parts: Parts) -> Parts:
    """Part rows by their column ``split``, where it is given."""
    splits = parts.rows.all_or_none(SPLIT.name)
    if splits is None:
        return parts
    codes, names = split_codes(splits, parts.rows.place)
    return Parts(parts.rows, codes, names)


def stacked(parts: Sequence[tuple[str, Rows]]) -> Parts:
    """Put rows of the same columns below each other."""
    starts = np.cumsum([0, *(len(rows) for _, rows in parts)])
    columns = {name: pa.concat_arrays([rows.columns[name] for _, rows in parts]) for name in parts[0][1].columns}

    def place(row: int) -> str:
        part = int(np.searchsorted(starts, row, "right")) - 1
        return parts[part][1].place(row - int(starts[part]))

    extra = dict.fromkeys(name for _, rows in parts for name in rows.others)
    others = {name: one_type(_everywhere(name, parts)) for name in extra}
    codes = np.repeat(np.arange(len(parts), dtype=np.int16), np.diff(starts))
    return Parts(Rows(columns, place, others), codes, tuple(name for name, _ in parts))


def _everywhere(name: str, parts: Sequence[tuple[str, Rows]]) -> list[pa.Array]:
    """Give a column that some parts have, null in the others."""
    return [rows.others.get(name, pa.nulls(len(rows))) for _, rows in parts]


def split_tables(path: Path, tables: Collection[str], shape: str) -> list[str]:
    """Choose the tables that are splits.

    Raises:
        DataError: there is none.
    """
    found = [name for name in tables if name in SPLITS]
    if not found:
        raise DataError(f"{shown(str(path))}: there is no table of a split (found {listed(tables)}); {shape}")
    return found


def require_ids(rows: Rows, *names: str) -> None:
    """Refuse empty ids.

    Raises:
        DataError: names the first.
    """
    for name in names:
        blank = pc.equal(pc.utf8_trim_whitespace(rows.columns[name]), "")
        if pc.any(blank).as_py():
            raise DataError(f"{rows.place(first_true(blank))}: {quoted(name)} is empty; write an id, or remove the row")
