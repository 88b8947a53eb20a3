"""What files of negatives say, before anything is matched: the forms that people keep them in.

| form | a row holds |
|---|---|
| ``triplet``, ``n-tuple`` | anchor, positive, negative or negative_1 … negative_n; optional ``scores`` |
| ``lists`` | anchor, and lists of negatives and positives, as in foils' own negatives.parquet |
| ``labeled-pair``, ``labeled-list`` | anchor, document(s), and label(s) above 0 for a positive, or only score(s) |
| ``flagembedding`` | JSON Lines: query, pos, neg; optional pos_scores, neg_scores |
| ``tevatron`` | JSON Lines: query_id, positive_passages, negative_passages, or the same as ids |
| ``run`` | a TREC run: query id, Q0, item id, rank, score, tag |

A name is an id or a text; which of the two is found out where it is matched. Pairs that carry a score and no label say
not which of them are positives: ``Told.labelled`` is False, and whoever matches them asks the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.given_columns import Columns, read_columns, table_pairs
from foils.formats.given_pairs import Pairs
from foils.formats.given_records import RECORDS, recognised, record_pairs
from foils.formats.lines import numbered_lines, place_of
from foils.formats.messages import quoted
from foils.formats.rows import number_in
from foils.positives import Int64

RUN_SUFFIXES = (".trec", ".run", ".res", ".txt")
TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")

__all__ = ["Pairs", "Told", "read_told"]


@dataclass(frozen=True, eq=False)
class Told:
    """A file of negatives, flat.

    Attributes:
        form: which form it has.
        anchors: large_string[R], the anchor that each row names.
        negatives: the negatives.
        positives: the positives that the file names.
        labelled: False where positives may stand among the negatives.
        place: names the place of a row in the file.
    """

    form: str
    anchors: pa.Array
    negatives: Pairs
    positives: Pairs
    labelled: bool
    place: Callable[[int], str]


def read_told(source: Source) -> Told:
    """Recognise the form of a file and read it.

    Raises:
        DataError: the file cannot be read, its form is not known, a row does not fit, or it holds no negative.
    """
    suffix, gzipped = source.suffixes
    if suffix in RUN_SUFFIXES:
        told = _run(source)
    elif suffix not in TABLE_SUFFIXES or (gzipped and suffix == ".parquet"):
        raise DataError(
            f"{source.name}: has an unknown suffix; expected {', '.join(TABLE_SUFFIXES)} or, for a TREC run, "
            f"{', '.join(RUN_SUFFIXES)}"
        )
    else:
        told = _table(source, suffix)
    if not len(told.negatives.names):
        raise DataError(f"{source.name}: holds no negative (read as {told.form}); give a file with negatives")
    return told


def _table(source: Source, suffix: str) -> Told:
    form = recognised(source) if suffix == ".jsonl" else None
    if form is not None:
        anchors, negatives, positives = record_pairs(source, RECORDS[form])
        return Told(form, anchors, negatives, positives, labelled=True, place=lambda row: place_of(source, row))
    columns: Columns = read_columns(source, suffix)
    return Told(*table_pairs(columns), columns.place)


def _run(source: Source) -> Told:
    anchors: list[str] = []
    items: list[str] = []
    scores: list[float] = []
    for anchor, item, score in _run_lines(source):
        anchors.append(anchor)
        items.append(item)
        scores.append(score)
    pairs = Pairs(_numbers(len(items)), pa.array(items, pa.large_string()), np.array(scores, np.float32))
    names = pa.array(anchors, pa.large_string())
    return Told("run", names, pairs, Pairs.none(), labelled=False, place=lambda row: place_of(source, row))


def _run_lines(source: Source) -> Iterator[tuple[str, str, float]]:
    for number, line in numbered_lines(source):
        cells = line.decode().split()
        score = number_in(cells[4]) if len(cells) == 6 else None
        if score is None:
            raise DataError(
                f"{source.name}, line {number}: {quoted(line.decode().rstrip())} is no line of a TREC run; expected "
                "6 columns: query id, Q0, item id, rank, score, tag"
                f"{'' if PurePath(source.path).suffix != '.txt' else '; give other forms as .csv, .jsonl or .parquet'}"
            )
        yield cells[0], cells[2], score


def _numbers(count: int) -> Int64:
    rows: npt.NDArray[np.int64] = np.arange(count, dtype=np.int64)
    return rows
