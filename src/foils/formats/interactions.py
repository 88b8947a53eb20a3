"""Interactions: which users took which items. Users are anchors without text; every product is its own item.

An interaction is a positive of grade 1. Where values are ratings, ``min_value`` says from which one on an interaction
counts; what lies below it is left out (``below="drop"``), or judged negative with grade 0 (``below="negative"``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from foils.collection import Collection, Records
from foils.errors import DataError, InputError, did_you_mean
from foils.formats.described import by_appearance, read_described
from foils.formats.files import Source, path_of
from foils.formats.known import Known
from foils.formats.messages import quoted
from foils.formats.parts import Parts, read_one, read_splits, require_ids, split_tables, tables_in
from foils.formats.rows import Field, first_true
from foils.formats.tables import read_table
from foils.positives import Int64, Judgements

Below = Literal["drop", "negative"]
SHAPE = "a folder of interactions holds train.tsv (.csv, .jsonl, .parquet), test.tsv and, if there is one, items.tsv"


@dataclass(frozen=True)
class Columns:
    """What the columns are called."""

    user: str = "user"
    item: str = "item"
    value: str = "value"


def read_interactions(
    path: str | Path, columns: Columns, items: Path | None, min_value: float | None, below: Below
) -> Collection:
    """Read a folder of splits, or one table.

    Args:
        path: the folder or table.
        columns: names of the columns.
        items: a table of the items; default: items.* in the folder, else the items that occur.
        min_value: least value of a positive; None = every interaction is one.
        below: what becomes of the others.

    Raises:
        DataError: a file, column or row is not what docs/input.md says.
    """
    path = path_of(path)
    if min_value is not None and (isinstance(min_value, bool) or not isinstance(min_value, int | float | np.number)):
        raise InputError(f"min_value is {quoted(min_value)}; expected a number, such as min_value=4")
    if below not in ("drop", "negative"):
        raise DataError(f"below is {quoted(below)}; {did_you_mean(str(below), ('drop', 'negative'))}")
    if below == "negative" and min_value is None:
        raise DataError("below='negative' needs min_value: the least value of a positive, such as min_value=4")
    value = [Field(columns.value, "number", option="value= (--value COLUMN)")] if min_value is not None else []
    user = Field(columns.user, "id", option="user= (--anchor COLUMN --positive COLUMN)")
    fields = [user, Field(columns.item, "id", option="item= (--anchor COLUMN --positive COLUMN)"), *value]
    tables = tables_in(path) if path.is_dir() else {}
    if tables:
        chosen = {name: tables[name] for name in split_tables(path, tables, SHAPE)}
        parts = read_splits(chosen, lambda source: read_table(source, fields))
    else:
        parts = read_one(Source(path), fields)
    require_ids(parts.rows, columns.user, columns.item)
    listed = Source(items) if items is not None else tables.get("items")
    anchors, users = _named(parts, columns.user, "user", tables.get("users"))
    records, rows = _named(parts, columns.item, "item", listed)
    values = parts.rows.columns[columns.value].to_numpy() if min_value is not None else None
    judgements = _judged(parts, users, rows, values, min_value, below)
    # Ids tell products apart, also where two have the same name.
    return Collection(anchors, records, judgements, item_groups=np.full(len(records), -1, np.int64))


def _named(parts: Parts, column: str, what: str, table: Source | None) -> tuple[Records, Int64]:
    """Give the records of a column of ids, and each row's record."""
    ids = parts.rows.columns[column]
    if table is None:
        records = by_appearance(ids)
        return records, records.rows(ids)
    records = read_described(table, ("id", column, f"{what}_id", "_id"))
    return records, Known(what, records, table.name).rows(ids, parts.rows.place)


def _judged(
    parts: Parts,
    users: Int64,
    items: Int64,
    values: npt.NDArray[np.float64] | None,
    min_value: float | None,
    below: Below,
) -> Judgements:
    """Grade the interactions; of repeated ones in a split the highest value counts."""
    grades = np.ones(len(users), np.float32)
    if values is not None and min_value is not None:
        if np.isnan(values).any():
            raise DataError(f"{parts.rows.place(first_true(np.isnan(values)))}: the value is NaN; expected a number")
        grades = (values >= min_value).astype(np.float32)
        if not grades.any():
            raise DataError(
                f"no value reaches min_value={min_value:g} (they lie between {values.min():g} and {values.max():g}); "
                "choose a lower one"
            )
    order = np.lexsort((-grades, items, users, parts.codes))
    key = np.stack([parts.codes[order], users[order], items[order]])
    first = np.ones(len(order), bool)
    first[1:] = (key[:, 1:] != key[:, :-1]).any(axis=0)
    keep = np.sort(order[first])
    if below == "drop":
        keep = keep[grades[keep] > 0]
    return Judgements(users[keep], items[keep], grades[keep], parts.codes[keep], parts.names)
