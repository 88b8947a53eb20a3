"""Tables of negatives: triplets, n-tuples, lists, labelled pairs and lists, in CSV, JSON Lines or Parquet.

The columns are found by their names: ``negative`` or ``negative_1`` …, ``positive``, ``label`` or ``score``; the anchor
by its name or as the first column that is left. ``_id`` and ``_ids`` may follow every name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from foils import _segments as segments
from foils.errors import DataError
from foils.formats.csvs import read_csv
from foils.formats.files import Source
from foils.formats.given_pairs import Pairs
from foils.formats.lines import numbered_lines, place_of, raw_lines
from foils.formats.messages import nearest, quoted
from foils.formats.rows import Field, number_in
from foils.positives import Int64

ID = r"([_-]?ids?)?"
NEGATIVE = re.compile(rf"(hard[_-]?)?neg(ative)?s?{ID}([_-]?\d+)?{ID}", re.IGNORECASE)
POSITIVE = re.compile(rf"pos(itive)?s?{ID}([_-]?\d+)?{ID}", re.IGNORECASE)
ANCHOR = re.compile(rf"anchor{ID}|query{ID}|question{ID}|qid|user{ID}", re.IGNORECASE)
LABEL, SCORE = re.compile(r"labels?", re.IGNORECASE), re.compile(r"(similarity_?)?scores?", re.IGNORECASE)
OURS = ("ranks", "p_positive", "log_q", "source", "unit_id")
"""Columns of foils' own tables that name nothing."""

Sides = tuple[str, pa.Array, Pairs, Pairs, bool]
"""Form, anchors, negatives, positives, and whether positives are told apart."""


@dataclass(frozen=True, eq=False)
class Columns:
    """A table: strings, lists of strings, numbers and lists of numbers by name."""

    name: str
    arrays: dict[str, pa.Array]
    place: Callable[[int], str]

    def find(self, pattern: re.Pattern[str]) -> list[str]:
        """Name the columns that match, ids before texts and in their order."""
        found = [name for name in self.arrays if pattern.fullmatch(name)]
        ids = [name for name in found if re.search(r"ids?(_?\d+)?$|^qid$", name, re.IGNORECASE)]
        return ids or found


def read_columns(source: Source, suffix: str) -> Columns:
    """Read a table with whatever columns it has.

    Raises:
        DataError: it cannot be read, or holds no row.
    """
    columns = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}[suffix](source)
    if not columns.arrays or not len(next(iter(columns.arrays.values()))):
        raise DataError(f"{source.name}: holds no row; give a table with an anchor and its negatives per row")
    return columns


def table_pairs(columns: Columns) -> Sides:
    """Find out which columns are what, and give the pairs.

    Raises:
        DataError: there are neither negatives nor documents with labels or scores.
    """
    negatives, positives = columns.find(NEGATIVE), columns.find(POSITIVE)
    labels, scores = columns.find(LABEL), columns.find(SCORE)
    anchor = _anchor(columns)
    named = {anchor, *negatives, *positives, *labels, *scores, *OURS}
    others = [name for name, array in columns.arrays.items() if name not in named and _holds_names(array)]
    anchors = _strings(columns.arrays[anchor])
    if negatives:
        sides = _with_negatives(columns, negatives, positives or others[:1], scores)
        return (sides[0], anchors, *sides[1:], True)
    documents = positives or others
    if documents and (labels or scores):
        form, negative, positive = _labelled(columns, documents[0], labels, scores)
        return form, anchors, negative, positive, bool(labels)
    raise DataError(
        f"{columns.name}: there is no column of negatives, and none of documents with labels; expected columns such as "
        "anchor, positive, negative (or negative_1 …), or anchor, passage, label; "
        f"{nearest('negative', columns.arrays)}"
    )


def _anchor(columns: Columns) -> str:
    found = columns.find(ANCHOR)
    rest = [name for name, array in columns.arrays.items() if _is_text(array) and not NEGATIVE.fullmatch(name)]
    rest = [name for name in rest if not POSITIVE.fullmatch(name)]
    if not found and not rest:
        raise DataError(f"{columns.name}: there is no column of anchors; {nearest('anchor', columns.arrays)}")
    return (found or rest)[0]


def _with_negatives(
    columns: Columns, negatives: list[str], positives: list[str], scores: list[str]
) -> tuple[str, Pairs, Pairs]:
    lists = any(not _is_text(columns.arrays[name]) for name in negatives)
    form = "lists" if lists else "triplet" if len(negatives) == 1 else "n-tuple"
    negative = Pairs.joined([_pairs(columns.arrays[name]) for name in negatives])
    positive = Pairs.joined([_pairs(columns.arrays[name]) for name in positives])
    listed = [name for name in scores if _is_numbers(columns.arrays[name])]
    if not listed:
        return form, negative, positive
    cells = [[columns.arrays[name] for name in names] for names in (negatives, [*positives, *negatives])]
    return form, *_scored(columns, listed[0], _of_present(columns.arrays[listed[0]], cells), negative, positive)


def _of_present(scores: pa.Array, either: list[list[pa.Array]]) -> tuple[Int64, pa.Array]:
    """Flatten lists of scores; where they have one per column, leave out those of empty cells, as of short n-tuples."""
    rows, values = _flat(scores)
    for cells in either:
        if all(map(_is_text, cells)) and (np.bincount(rows, minlength=len(scores)) == len(cells)).all():
            present = np.stack([_present(_strings(cell)) for cell in cells], axis=1).ravel()
            return rows[present], values.filter(pa.array(present))
    return rows, values


def _scored(
    columns: Columns, name: str, flat: tuple[Int64, pa.Array], negative: Pairs, positive: Pairs
) -> tuple[Pairs, Pairs]:
    """Give lists of scores to the pairs of their rows: of the negatives, or of the positives and then of these."""
    rows, values = flat
    count = len(columns.arrays[name])
    lengths, n_negative, n_positive = (np.bincount(r, minlength=count) for r in (rows, negative.rows, positive.rows))
    if (lengths == n_negative).all():
        return Pairs(negative.rows, negative.names, _float32(values)), positive
    wrong = lengths != n_positive + n_negative
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{columns.place(row)}: {quoted(name)} has {lengths[row]} entries; expected {n_negative[row]}, one per "
            f"negative, or {n_positive[row] + n_negative[row]}, those of the positives first"
        )
    place = segments.places(lengths)
    first = place < n_positive[rows]
    return (
        Pairs(negative.rows, negative.names, _float32(values)[~first]),
        Pairs(positive.rows, positive.names, _float32(values)[first]),
    )


def _labelled(columns: Columns, document: str, labels: list[str], scores: list[str]) -> tuple[str, Pairs, Pairs]:
    array = columns.arrays[document]
    form = "labeled-pair" if _is_text(array) else "labeled-list"
    pairs = _pairs(array)
    numbers = {name: _per_pair(columns, name, pairs) for name in (*labels[:1], *scores[:1])}
    told = numbers[scores[0]].astype(np.float32) if scores else pairs.scores
    pairs = Pairs(pairs.rows, pairs.names, told)
    if not labels:
        return form, pairs, Pairs.none()
    positive = numbers[labels[0]] > 0
    return form, pairs.where(~positive), pairs.where(positive)


def _per_pair(columns: Columns, name: str, pairs: Pairs) -> npt.NDArray[np.float64]:
    """Give a number to every pair: that of its row, or its own of a list."""
    array = columns.arrays[name]
    if _is_numbers(array):
        rows, values = _flat(array)
        if np.array_equal(rows, pairs.rows):
            return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
        counts = [np.bincount(r, minlength=len(array)) for r in (rows, pairs.rows)]
        row = int(np.argmax(counts[0] != counts[1]))
        raise DataError(
            f"{columns.place(row)}: {quoted(name)} has {counts[0][row]} entries for {counts[1][row]} documents; give "
            "one per document"
        )
    if _is_text(array):
        cells = [number_in(cell or "") for cell in array.to_pylist()]
        bad = next((row for row, cell in enumerate(cells) if cell is None), None)
        if bad is not None:
            raise DataError(f"{columns.place(bad)}: {quoted(name)} is {quoted(array[bad].as_py())}; expected a number")
        return np.array(cells, np.float64)[pairs.rows]
    numbers: npt.NDArray[np.float64] = array.cast(pa.float64()).to_numpy(zero_copy_only=False)[pairs.rows]
    return numbers


def _pairs(array: pa.Array) -> Pairs:
    rows, names = (np.arange(len(array)), array) if _is_text(array) else _flat(array)
    names = _strings(names)
    keep = _present(names)
    return Pairs(rows[keep], names.filter(pa.array(keep)), np.full(int(keep.sum()), np.nan, np.float32))


def _present(names: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.fill_null(pc.not_equal(names, ""), fill_value=False).to_numpy(zero_copy_only=False), bool)


def _flat(array: pa.Array) -> tuple[Int64, pa.Array]:
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    return segments.owners(lengths), pc.list_flatten(array)


def _strings(array: pa.Array) -> pa.Array:
    return pc.cast(array.dictionary_decode() if pt.is_dictionary(array.type) else array, pa.large_string())


def _float32(values: pa.Array) -> npt.NDArray[np.float32]:
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float32)


def _is_text(array: pa.Array) -> bool:
    kind = array.type.value_type if pt.is_dictionary(array.type) else array.type
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or pt.is_integer(kind))


def _holds_names(array: pa.Array) -> bool:
    kind: Any = array.type
    return _is_text(array) or (_is_list(kind) and not _is_numbers(array))


def _is_numbers(array: pa.Array) -> bool:
    return _is_list(array.type) and bool(pt.is_floating(array.type.value_type) or pt.is_integer(array.type.value_type))


def _is_list(kind: Any) -> bool:
    return bool(pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind))


def _csv(source: Source) -> Columns:
    names = next(csv.reader([next(raw_lines(source), b"").decode()]), [])
    rows = read_csv(source, [Field(name) for name in dict.fromkeys(names)])
    return Columns(source.name, rows.columns, rows.place)


def _parquet(source: Source) -> Columns:
    try:
        table = pq.read_table(source.path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{source.name}: cannot be read as Parquet ({str(error).splitlines()[0]}); write it again, or give JSONL"
        ) from error
    arrays = {name: table[name].combine_chunks() for name in dict.fromkeys(table.column_names)}
    return Columns(source.name, arrays, lambda row: f"{source.name}, row {row + 1}")


def _jsonl(source: Source) -> Columns:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    records = []
    for number, line in numbered_lines(source):
        try:
            records.append(decode(line))
        except (ValueError, RecursionError) as error:
            raise DataError(f"{source.name}, line {number}: {error}; write one JSON object per line") from error
    names = dict.fromkeys(name for record in records for name in record)
    arrays = {name: _json_column(source, name, [record.get(name) for record in records]) for name in names}
    return Columns(source.name, {name: array for name, array in arrays.items() if array is not None}, _place(source))


def _json_column(source: Source, name: str, values: list[Any]) -> pa.Array | None:
    """Make a column of strings, numbers or lists of one of them; None where it holds something else."""
    sample = next((value for value in values if value is not None and value != []), None)
    inner = sample[0] if isinstance(sample, list) else sample
    if isinstance(inner, bool) or not isinstance(inner, str | int | float):
        return None
    kind = pa.large_string() if isinstance(inner, str) else pa.float64() if isinstance(inner, float) else None
    kind = kind or (pa.float64() if LABEL.fullmatch(name) or SCORE.fullmatch(name) else pa.int64())
    try:
        return pa.array(values, pa.large_list(kind) if isinstance(sample, list) else kind)
    except (pa.ArrowException, TypeError, UnicodeError) as error:
        raise DataError(
            f"{source.name}: the field {quoted(name)} is not of one kind in all lines ({str(error).splitlines()[0]}); "
            "write strings, numbers, or lists of them"
        ) from error


def _place(source: Source) -> Callable[[int], str]:
    return partial(place_of, source)
