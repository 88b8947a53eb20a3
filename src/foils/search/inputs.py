"""What sources and scorers read: the collection's side of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foils import _array
from foils.collection import Collection
from foils.errors import InputError, did_you_mean
from foils.positives import Int64, Positives, Relation, Units
from foils.search.blocks import Blocks
from foils.search.choice import SearchMode
from foils.search.forbidden import Forbidden
from foils.search.vectors import Float32, Matrix, Similarity, Vectors, pair_scores, require_equal_dims

MODEL = "model"
"""Name of the vectors given by ``--model`` or ``--query-vectors`` and ``--corpus-vectors``."""


@dataclass(frozen=True, eq=False)
class VectorPair:
    """The vectors of anchors and items from one encoder, ready for use with one similarity."""

    anchors: Vectors
    items: Vectors
    mineable: npt.NDArray[np.bool_]
    pairs_at_once: int

    def positive_scores(self, units: Units) -> Float32:
        """Score the positives of the units: float32[P], ragged by ``units.indptr``."""
        return self.pair_scores(units.pair_anchors(), units.positives)

    def pair_scores(self, rows: Int64, columns: Int64) -> Float32:
        """Score pairs of anchor and item rows: float32[P]; NaN for −1 and for items with empty text."""
        scored = np.where(_array.take_valid(self.mineable, columns, fill=False), columns, -1)
        return pair_scores(self.anchors, self.items, rows, scored, self.pairs_at_once)


@dataclass(frozen=True, eq=False)
class Inputs:
    """The data that parts are opened with.

    Attributes:
        positives: known positives of the named split.
        trusted: trusted negatives of the named split.
        mineable: bool[N], False for items with empty text.
        matrices: encoder name → (anchor matrix, item matrix).
        negatives: negatives asked for per unit.
        seed: the run's seed.
        blocks: sizes of the blocks of work.
        collection: what is mined: texts, metadata, triples.
        forbidden: what no source may return.
        cache: folder for what is costly to make again; None = keep nothing.
        search: how all items are scored in an exact search; no result depends on it.
        spare_bytes: memory that blocks of work leave for copies of vectors.
    """

    positives: Positives
    trusted: Relation
    mineable: npt.NDArray[np.bool_]
    matrices: Mapping[str, tuple[Matrix, Matrix]]
    negatives: int
    seed: int
    blocks: Blocks
    collection: Collection
    forbidden: Forbidden
    cache: Path | None = None
    search: SearchMode = "auto"
    spare_bytes: int = 0

    def vectors(self, name: str, similarity: Similarity) -> VectorPair:
        """Give the vectors of one encoder under a similarity.

        Raises:
            InputError: no vectors of this name were given, or the two sides differ in dimensions.
        """
        if name not in self.matrices:
            given = did_you_mean(name, self.matrices) if self.matrices else "none were given"
            raise InputError(
                f"this recipe needs the vectors {name!r}: {given}; "
                "give a model (--model), or query vectors and corpus vectors (--query-vectors, --corpus-vectors)"
            )
        anchors, items = self.matrices[name]
        require_equal_dims(anchors, items)
        sides = Vectors(anchors, similarity, "query vectors"), Vectors(items, similarity, "corpus vectors")
        return VectorPair(*sides, self.mineable, self.blocks.pairs)

    def check_vectors(self, name: str, similarity: Similarity) -> None:
        """Look at every value of one encoder's vectors, before work starts; see ``Vectors.check``."""
        pair = self.vectors(name, similarity)
        pair.anchors.check()
        pair.items.check(may_be_zero=~self.mineable)
