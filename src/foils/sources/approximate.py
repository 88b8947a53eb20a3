"""A source that an approximate index proposes to: scored canonically, its recall measured when it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from foils.candidates import Candidates, Column, Kind
from foils.positives import Int64, Units
from foils.search import ExactIndex, Inputs, VectorPair, Work, choose_screen
from foils.search.approximate import ApproximateIndex, propose
from foils.search.best import best_of_pairs
from foils.search.vectors import Float32

SAMPLE = 200
"""Anchors that recall is measured on, at most."""
ENOUGH_RECALL = 0.95
"""Below this the run warns."""


@dataclass(frozen=True, eq=False)
class OpenApproximate:
    """A source bound to its index.

    Attributes:
        name: of the source and of its column.
        index: what proposes.
        exact: the same items, for anchors to which most of them are forbidden, and to measure against.
        vectors: of both sides.
        inputs: what is forbidden.
        width: how many survivors are looked for, whatever part of them is asked for: a deeper look then goes on where
            a shallower one stopped.
        advice: how recall can be raised, for the warning.
        measured: what was found when it was opened.
    """

    name: str
    index: ApproximateIndex
    exact: ExactIndex
    vectors: VectorPair
    inputs: Inputs
    width: int
    advice: str
    measured: Mapping[str, Any]

    @classmethod
    def opened(
        cls, name: str, index: ApproximateIndex, vectors: VectorPair, inputs: Inputs, depths: tuple[int, int],
        advice: str, facts: Mapping[str, Any],
    ) -> OpenApproximate:  # fmt: skip
        """Bind the source, and measure what it misses."""
        first, deepest = depths
        # Searched for a sample, and for anchors to which most items are forbidden: how many those are shows only later.
        work = Work.of(vectors.anchors, first, inputs.blocks)
        sampled = replace(work, count=min(SAMPLE, work.count))
        screen, _ = choose_screen(vectors.items, sampled, inputs.search, inputs.spare_bytes)
        exact = ExactIndex(vectors.items, inputs.mineable, screen)
        source = cls(name, index, exact, vectors, inputs, deepest, advice, {})
        recall, sample = source.recall(first)
        measured = {"digest": index.digest, "recall": recall, "recall_at": first, "recall_anchors": sample, **facts}
        return cls(name, index, exact, vectors, inputs, deepest, advice, measured)

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """Search the items of each unit's anchor."""
        anchors = self.vectors.anchors.read(units.anchors)
        items, scores = self._search(units.anchors, anchors, depth)
        column = Column(scores, Kind.RATIO, self.vectors.positive_scores(units))
        return Candidates.listed(units, items, self.name, log_q=0.0).with_column(self.name, column)

    def facts(self) -> Mapping[str, Any]:
        """Give the index's digest and recall."""
        recall = self.measured["recall"]
        low = recall is not None and recall < ENOUGH_RECALL
        warning = (
            f"{self.name} finds {recall:.1%} of the {self.measured['recall_at']} nearest items: raise it, for instance "
            f"with {self.advice}, or use the source dense, which misses nothing"
            if low
            else None
        )
        return {self.name: dict(self.measured), "warnings": [warning] if warning else []}

    def recall(self, k: int) -> tuple[float | None, int]:
        """Measure the share of the k nearest that the index finds, on a sample of anchors spread evenly.

        Returns:
            The share, None where there is nothing to find; and how many anchors it was measured on.
        """
        anchors = np.unique(self.inputs.positives.units().anchors)
        anchors = anchors[np.unique(np.linspace(0, len(anchors) - 1, min(SAMPLE, len(anchors))).astype(np.int64))]
        found, _ = self._search(anchors, self.vectors.anchors.read(anchors), k)
        true, _ = self._exactly(anchors, self.vectors.anchors.read(anchors), k)
        rows = np.repeat(np.arange(len(anchors)), k) * len(self.inputs.mineable)
        hits = np.isin((rows + true.ravel())[true.ravel() >= 0], (rows + found.ravel())[found.ravel() >= 0])
        return (float(hits.mean()) if len(hits) else None), len(anchors)

    def _search(self, anchors: Int64, vectors: Float32, depth: int) -> tuple[Int64, Float32]:
        forbidden = self.inputs.forbidden
        rows, items, exactly = propose(
            self.index,
            vectors,
            max(self.width, depth),
            forbidden.relation(anchors).degrees,
            lambda rows, items: ~forbidden.pairs(anchors[rows], items),
        )
        scores = self.vectors.items.dots(vectors, rows, items, self.inputs.blocks.pairs)
        found, values = best_of_pairs(rows, items, scores, len(anchors), depth)
        found[exactly], values[exactly] = self._exactly(anchors[exactly], vectors[exactly], depth)
        return found, values

    def _exactly(self, anchors: Int64, vectors: Float32, depth: int) -> tuple[Int64, Float32]:
        forbidden = self.inputs.forbidden
        return self.exact.search(
            vectors, depth, forbidden.relation(anchors), self.inputs.blocks,
            lambda block: forbidden.mask(anchors, block),
        )  # fmt: skip
