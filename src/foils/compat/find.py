"""Mine in memory: the recipe's parts over blocks of anchors, as ``foils.mine`` does into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from foils import _array
from foils import _segments as segments
from foils._threads import one_thread
from foils.compat.candidates import CROSS_ENCODER, CrossEncoderScores, Judged
from foils.compat.pairs import Pairs
from foils.compat.request import Request
from foils.mining import Execution, counts
from foils.mining.counts import Counts
from foils.mining.prepare import prepare
from foils.mining.settle import Search, Settled, settle_fully
from foils.mining.shard import all_rows
from foils.positives import Int64
from foils.recipes import Recipe
from foils.search import MODEL
from foils.search.vectors import Float32, Matrix


@dataclass(frozen=True, eq=False)
class Found:
    """The negatives of a call.

    Attributes:
        items: int64[A, M], item rows, best first; −1 = absent, at the right end.
        scores: float32[A, M]; NaN = absent.
        positive_scores: float32[P], of the pairs in the order of ``Pairs``.
        exhausted: bool[A], True where every item was looked at.
        counts: what was searched, rejected and missed.
    """

    items: Int64
    scores: Float32
    positive_scores: Float32
    exhausted: np.ndarray[tuple[int], np.dtype[np.bool_]]
    counts: Counts

    @property
    def per_anchor(self) -> Int64:
        """int64[A], how many negatives each anchor has."""
        present: Int64 = np.count_nonzero(self.items >= 0, axis=1)
        return present


@dataclass(frozen=True, eq=False)
class _Group:
    """What is kept of some anchors that were settled together."""

    rows: Int64
    items: Int64
    scores: Float32
    positives: Float32
    exhausted: np.ndarray[tuple[int], np.dtype[np.bool_]]
    counts: Counts

    @classmethod
    def of(cls, settled: Settled, start: int, m: int, column: str) -> _Group:
        values = settled.candidates.columns[column]
        items, positions = settled.negatives.items, settled.negatives.positions
        scores = _array.take_valid(values.values, positions, np.float32(np.nan))
        order = np.argsort(np.where(items >= 0, -scores, np.inf), axis=1, kind="stable")
        return cls(
            settled.rows + start,
            np.take_along_axis(items, order, axis=1),
            np.take_along_axis(scores, order, axis=1),
            np.asarray(values.positives),
            settled.exhausted,
            counts.count(settled, m, column),
        )


def find(
    pairs: Pairs, vectors: tuple[Matrix, Matrix], request: Request, recipe: Recipe, scorer: CrossEncoderScores | None
) -> Found:
    """Mine the negatives of all anchors.

    Args:
        pairs: the data.
        vectors: float[A, d] of the anchors and float[I, d] of the items.
        request: what is asked for.
        recipe: the parts.
        scorer: a cross-encoder, or None.
    """
    m = request.num_negatives
    # A model on one device gains nothing from being called by two threads.
    execution = Execution() if scorer is None else Execution(threads=1)
    prepared = prepare(
        pairs.collection, recipe, {MODEL: vectors}, negatives=m, split="train", seed=request.seed, execution=execution
    )
    search = prepared.search()
    column = "dense" if scorer is None else CROSS_ENCODER

    def work(rows: slice) -> list[_Group]:
        provider = Judged(search.of(rows), request.include_positives, scorer)
        groups = settle_fully(provider, all_rows(rows), recipe, m, request.seed)
        return [_Group.of(group, rows.start, m, column) for group in groups]

    blocks = segments.slices(len(prepared.units), prepared.inputs.blocks.anchors)
    with one_thread(), ThreadPoolExecutor(execution.threads) as pool:
        groups = [group for block in pool.map(work, blocks) for group in block]
    return _joined(groups, pairs, search)


def _joined(groups: Sequence[_Group], pairs: Pairs, search: Search) -> Found:
    """Put the groups back into the order of the anchors, and the positives into that of the pairs."""
    order = np.argsort(np.concatenate([group.rows for group in groups]))
    items, scores, exhausted = (
        np.concatenate([getattr(group, name) for group in groups])[order] for name in ("items", "scores", "exhausted")
    )
    lengths = np.diff(search.units.indptr)
    of_pair = np.concatenate([np.repeat(group.rows, lengths[group.rows]) for group in groups])
    ascending = np.concatenate([group.positives for group in groups])[np.argsort(of_pair, kind="stable")]
    positive_scores = np.empty(len(pairs.anchors), np.float32)
    positive_scores[np.lexsort((pairs.positives, pairs.anchors))] = ascending
    return Found(items, scores, positive_scores, exhausted, counts.total(group.counts for group in groups))
