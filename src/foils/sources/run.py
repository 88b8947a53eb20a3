"""What somebody else found: a TREC run, or anybody's file of negatives, as candidates.

A run (``qid Q0 docid rank score tag``) or a table of negatives (CSV, JSON Lines or Parquet, of the forms that
``foils.formats.given`` knows) is read once. Of an anchor's items the best-scored come first, equal scores in the order
of the file; without scores, the order of the file is the rank. Known positives in it are excluded and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from foils import _segments as segments
from foils._durable import checksum
from foils.candidates import Candidates, Column, Kind
from foils.errors import DataError, RecipeError
from foils.formats.negatives import GivenNegatives, read_negatives
from foils.positives import PAIR_BITS, Int64, Units, gather_segments
from foils.ranks import Depth, check_depths, depths
from foils.search import Inputs
from foils.search.vectors import Float32
from foils.sources.ragged import Cells

Bool = npt.NDArray[np.bool_]


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Candidates from a file: a TREC run, or anybody's negatives."""

    random: ClassVar[bool] = False

    file: str
    """Path of the file, plain or .gz."""
    k: Depth = 100
    """Candidates per unit, after known positives are left out."""
    max_depth: Depth | None = None
    """How deep a short unit is searched; default 10 × k; = k switches deepening off."""
    scored: bool = True
    """Whether the file's scores become the column ``run``; false for a file without any."""

    def __post_init__(self) -> None:
        """Check that the depths fit together, and that there is a file's name."""
        check_depths(self.k, self.max_depth)
        if not self.file:
            raise RecipeError("file is empty; give the path of a run, as in --set source.run.file=runs/bm25.txt")

    def columns(self) -> Mapping[str, Kind]:
        """The file's score, as column ``run``; nothing where it has none."""
        return {"run": Kind.SCORE} if self.scored else {}

    def reads(self) -> tuple[str, ...]:
        """No vectors."""
        return ()

    def depths(self, negatives: int) -> tuple[int, int]:
        """``k``, and ``max_depth``."""
        return depths(self.k, self.max_depth)

    def digests(self, inputs: Inputs) -> Mapping[str, str]:
        """Hash the file."""
        return {"run": checksum(Path(self.file))}

    def check(self, inputs: Inputs) -> None:
        """Look whether there is such a file; it is read when the run opens it."""
        if not Path(self.file).is_file():
            raise DataError(f"{self.file}: there is no such file; give a TREC run or a file of negatives")

    def open(self, inputs: Inputs) -> OpenRun:
        """Read the file, and sort its items by anchor and score.

        Raises:
            DataError: it cannot be read, names an anchor or an item that the collection does not have, or has no scores
                where the recipe says it has.
        """
        given = read_negatives(self.file, inputs.collection)
        _refuse_unknown(given)
        sides = (given.negatives, given.positives)
        anchors, items, scores = (
            np.concatenate([getattr(side, name) for side in sides]) for name in ("anchors", "items", "scores")
        )
        if self.scored and np.isnan(scores).all():
            raise DataError(f"{self.file}: holds no scores (read as {given.form}); use --set source.run.scored=false")
        order = np.lexsort((np.where(np.isnan(scores), np.inf, -scores), anchors))
        _, first = np.unique((anchors[order] << PAIR_BITS) | items[order], return_index=True)
        order = order[np.sort(first)]
        offered = (order < len(given.negatives)) | (not given.labelled)
        return OpenRun(inputs, anchors[order], items[order], scores[order], offered, scored=self.scored)


@dataclass(frozen=True, eq=False)
class OpenRun:
    """A file of candidates bound to a collection.

    Attributes:
        inputs: what is forbidden.
        anchors: int64[P], ascending.
        items: int64[P], best first within an anchor, each once.
        scores: float32[P], NaN where the file has none.
        offered: bool[P], False for what the file itself says is positive.
        scored: whether the scores become a column.
    """

    inputs: Inputs
    anchors: Int64
    items: Int64
    scores: Float32
    offered: Bool
    scored: bool

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """List what the file has for each unit's anchor."""
        indptr, pairs = gather_segments(self._indptr, units.anchors)
        rows, items = segments.owners(np.diff(indptr)), self.items[pairs]
        allowed = self.offered[pairs] & self.inputs.mineable[items]
        allowed &= ~self.inputs.forbidden.pairs(units.anchors[rows], items)
        cells, pairs = Cells.of(rows[allowed], len(units), depth), pairs[allowed]
        found = Candidates.listed(units, cells.filled(self.items[pairs], -1), "run", log_q=0.0)
        if not self.scored:
            return found
        column = Column(cells.filled(self.scores[pairs], np.nan), Kind.SCORE, self._positive_scores(units))
        return found.with_column("run", column)

    def facts(self) -> Mapping[str, Any]:
        """Count the pairs of the file, and those that are excluded."""
        known = self.inputs.positives.contains(self.anchors, self.items) | ~self.offered
        barred = self.inputs.forbidden.pairs(self.anchors, self.items) | ~self.inputs.mineable[self.items]
        counts = {
            "pairs": len(self.items),
            "anchors": len(np.unique(self.anchors)),
            "positives_excluded": int(known.sum()),
            "others_excluded": int((barred & ~known).sum()),
        }
        return {"run": counts}

    @cached_property
    def _indptr(self) -> Int64:
        return np.searchsorted(self.anchors, np.arange(self.inputs.positives.n_anchors + 1))

    @cached_property
    def _by_pair(self) -> tuple[Int64, Int64]:
        keys = (self.anchors << PAIR_BITS) | self.items
        order = np.argsort(keys)
        return keys[order], order

    def _positive_scores(self, units: Units) -> Float32:
        """Look up the units' positives: float32[P], NaN where the file does not have them."""
        wanted = (units.pair_anchors() << PAIR_BITS) | units.positives
        keys, order = self._by_pair
        at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[at] == wanted, self.scores[order[at]], np.float32(np.nan))


def _refuse_unknown(given: GivenNegatives) -> None:
    """Refuse a file that names what the collection does not have."""
    if given.unmatched.total:
        raise DataError(
            f"{given.unmatched.examples[0]} is not in the collection, as {given.unmatched.total} names in all "
            f"(of {given.rows} rows, read as {given.form}); give the collection that the file was made from, "
            "or leave these rows out"
        )
