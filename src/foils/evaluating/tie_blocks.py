"""Terms of the metrics at each position, in expectation over the orders of tied items.

Items with equal scores have no order of their own, and a metric must not depend on the order of the file. Let
a block of t tied items, r of them relevant, follow C relevant items, and let p be its j-th position. Over
uniformly random orders of every block,

    E[gain_p] = mean gain of the block,   E[rel_p] = r / t                  (McSherry & Najork 2008, ECIR)
    E[rel_p · Σ_{q ≤ p} rel_q] = r/t · (C + 1 + (j − 1)(r − 1) / (t − 1))   (two draws without replacement)
    P[p is the first relevant] = h_p · Π_{q < p} (1 − h_q),   h_p = r / (t − j + 1)

which is exact also for a block that straddles the cut-off. A block of one item gives back the textbook terms,
so trec_eval's fixed order is the same code with blocks of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foils.evaluating.qrels import ABSENT, FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class Positions:
    """What each position of the sorted rankings knows of its tie block, all [rows, D].

    In the module's letters: gain = mean gain of the block, relevant = r, size = t, offset = j, above = C.
    """

    gain: FloatArray
    relevant: FloatArray
    size: IntArray
    offset: IntArray
    above: FloatArray

    @property
    def place(self) -> IntArray:
        """The position p, from 1; int64[D]."""
        return np.arange(1, self.gain.shape[1] + 1)


def _ndcg_terms(at: Positions) -> FloatArray:
    return at.gain / np.log2(at.place + 1)


def _recall_terms(at: Positions) -> FloatArray:
    return at.relevant / at.size


def _map_terms(at: Positions) -> FloatArray:
    before_in_block = (at.offset - 1) * (at.relevant - 1) / np.maximum(at.size - 1, 1)
    return at.relevant / at.size * (at.above + 1 + before_in_block) / at.place


def _mrr_terms(at: Positions) -> FloatArray:
    hazard = at.relevant / (at.size - at.offset + 1)
    # The last hazard of a block with a relevant item is exactly 1, so every later position gets exactly 0.
    unseen = np.ones_like(hazard)
    np.cumprod(1 - hazard[:, :-1], axis=1, out=unseen[:, 1:])
    return hazard * unseen / at.place


TERMS: dict[str, Callable[[Positions], FloatArray]] = {
    "ndcg": _ndcg_terms,
    "mrr": _mrr_terms,
    "recall": _recall_terms,
    "map": _map_terms,
}


def sort_positions(
    items: IntArray, scores: NDArray[np.floating[Any]], gains: FloatArray, id_ranks: IntArray | None
) -> Positions:
    """Sort each row by descending score; cut it into tie blocks, or single items where ids break the ties."""
    absent = items == ABSENT
    # Absent items are at the right end, so a stable sort leaves them behind present items that score -inf.
    ascending = np.where(absent, np.inf, -scores)
    starts = np.ones(items.shape, np.bool_)
    if id_ranks is None:
        order = np.argsort(ascending, axis=1, kind="stable")
        ascending, absent = (np.take_along_axis(array, order, axis=1) for array in (ascending, absent))
        starts[:, 1:] = (ascending[:, 1:] != ascending[:, :-1]) | (absent[:, 1:] != absent[:, :-1])
    else:
        ranks = np.append(id_ranks, ABSENT)[np.where(absent, id_ranks.size, items)]
        by_id = np.argsort(-ranks, axis=1, kind="stable")
        by_score = np.argsort(np.take_along_axis(ascending, by_id, axis=1), axis=1, kind="stable")
        order = np.take_along_axis(by_id, by_score, axis=1)
    return _spread(np.take_along_axis(gains, order, axis=1), starts)


def _spread(gains: FloatArray, starts: NDArray[np.bool_]) -> Positions:
    """Reduce the sorted gains over the tie blocks that begin where ``starts`` is true."""
    first = np.flatnonzero(starts)
    size = np.diff(first, append=gains.size)
    relevant = (gains > 0).astype(np.float64)
    block_gain, block_relevant = (np.add.reduceat(array.ravel(), first) for array in (gains, relevant))
    above = np.cumsum(relevant, axis=1) - relevant

    def over_positions(values: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(values, size).reshape(gains.shape)

    return Positions(
        gain=over_positions(block_gain / size),
        relevant=over_positions(block_relevant),
        size=over_positions(size),
        offset=np.arange(gains.size).reshape(gains.shape) - over_positions(first) + 1,
        above=over_positions(above.ravel()[first]),
    )
