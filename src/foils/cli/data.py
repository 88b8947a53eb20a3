"""The data that a command reads: where it is looked for, what its columns are called, and whether it has the split."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Group, Parameter

from foils.cli.console import note
from foils.collection import Collection
from foils.errors import InputError
from foils.formats.datasets import NAME, load
from foils.formats.named import Names, read_named, unused_rating
from foils.positives import DEVELOPMENT, nearest_split

EVALUATION = ("test", *DEVELOPMENT)
"""Splits that models are measured or chosen on."""

COLUMNS = Group("Columns of DATA", help="What the columns of a table are called, and which ratings count.")

Data = Annotated[
    Path,
    Parameter(
        help="BEIR folder or .zip; TREC folder; folder of interactions, triples or labelled texts; table of pairs, or "
        "folder with pairs.csv and corpus.csv; or the name of a public data set, such as scifact."
    ),
]
Split = Annotated[str, Parameter(help="Whose judgements to use: the name of a file in qrels.")]


@Parameter(name="*", group=COLUMNS)
@dataclass(frozen=True)
class Columns:
    """What a user says of the columns of a table.

    Attributes:
        anchor: column of the anchors of a table of pairs, or of the users of interactions.
        positive: column of its positives, or of the items.
        min_value: least value of an interaction that counts.
        value: column of the values of interactions.
    """

    anchor: Annotated[
        str | None,
        Parameter(help="Column of the anchors of pairs, or the users of interactions. [default: anchor, user]"),
    ] = None
    positive: Annotated[
        str | None, Parameter(help="Column of the positives, or the items of interactions. [default: positive, item]")
    ] = None
    min_value: Annotated[
        float | None, Parameter(help="Least value of an interaction that counts; a rating such as 4.")
    ] = None
    value: Annotated[str | None, Parameter(help="Column of the values of interactions. [default: value]")] = None

    def given(self) -> dict[str, str]:
        """Name what was said, as options."""
        said = {"anchor": self.anchor, "positive": self.positive, "min-value": self.min_value, "value": self.value}
        return {f"--{name}": str(value) for name, value in said.items() if value is not None}

    def words(self) -> str:
        """Write them as they stand in a command, with a space in front."""
        return "".join(f" {name} {shlex.quote(value)}" for name, value in self.given().items())


AS_THEY_ARE = Columns()


def read(data: Path, columns: Columns = AS_THEY_ARE, *, split: str | None = None) -> Collection:
    """Read the collection, and say what it holds.

    Args:
        data: a path, or the name of a data set: of a folder in $FOILS_DATA, in the cache, or to download.
        columns: what its columns are called.
        split: a split that it must have.

    Raises:
        InputError: it cannot be read as was said, or has no such split.
    """
    collection = _read(data, columns)
    splits = ", ".join(collection.splits)
    note(f"{data}: {len(collection.anchors):,} queries, {len(collection.items):,} items; splits: {splits}")
    if split is not None:
        _require_split(collection, split)
    return collection


def require_positives(collection: Collection, split: str, *, least: int = 1, why: str = "") -> None:
    """Check, before long work, that queries of the split have positives.

    Args:
        collection: the data.
        split: name of the split.
        least: how many queries with a positive are needed.
        why: what they are needed for.

    Raises:
        InputError: there is no such split, or too few of its queries have a positive.
    """
    _require_split(collection, split)
    judged = collection.judgements.select((split,))
    found = len(np.unique(judged.anchors[judged.grades > 0]))
    if found < least:
        raise InputError(
            f"{found} queries of the split {split!r} have a positive{why}; choose another --split "
            f"(there are: {', '.join(collection.splits)}), or add judgements with a grade above 0"
        )


def note_evaluation_split(split: str, what: str) -> None:
    """Warn where a split that models are measured on is mined or trained on.

    Args:
        split: name of the split.
        what: what becomes of it, for the sentence.
    """
    if split in EVALUATION:
        note(
            f"warning: --split {split}: {what} from the split that models are evaluated on; what is then measured on "
            f"{split} says nothing about new queries"
        )


def _read(data: Path, columns: Columns) -> Collection:
    given = columns.given()
    if not given and NAME.fullmatch(str(data)) and not data.exists():
        note(f"there is no folder or file {data} here; looking for the data set of this name, or downloading it")
        return load(str(data))
    names = Names(columns.anchor, columns.positive, columns.min_value, columns.value)
    collection = read_named(data, names)
    if rating := unused_rating(data, names):
        column = "" if rating == "value" else f"--value {shlex.quote(rating)} "
        note(
            f"the column {rating!r} is not used: every row counts as liked; give {column}--min-value N to count those "
            "from N on alone"
        )
    return collection


def _require_split(collection: Collection, split: str) -> None:
    if split not in collection.splits:
        raise InputError(
            f"the data has no split {split!r}; choose another --split; {nearest_split(split, collection.splits)}"
        )
