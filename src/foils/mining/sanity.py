"""Do vectors belong to the data? Known positives should score above random items.

    share of (anchor, positive, random item) with s(anchor, positive) > s(anchor, item), ties as half

This is the area under the ROC curve. Vectors in another order than the data, or of two encoders, give one half; any
encoder that knows something of the task gives clearly more. Rows that were swapped show neither in shapes nor in
lengths, and whatever is mined with them is random, so every run looks: some ten thousand products. (Rows that moved by
one place only, in data sorted by topic, may still score above chance and are then not seen.)

The alarm rings when the 99 % interval holds one half and leaves out 0.7, so that an encoder that truly reaches 0.7 is
wrongly doubted once in two hundred times at most, however few the anchors; and when the whole interval is below 0.6.
The interval is that of as many looks as there are different anchors or different positives, whichever are fewer (a few
labels or popular items make for few looks), and no narrower than that of numbers about which nothing is known. Fewer
than 20 looks never ring. Inner products and cosines are both tried, and the better of the two counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils._stored import as_float32
from foils.collection import Collection
from foils.positives import Int64, Positives
from foils.search import MODEL
from foils.search.vectors import Matrix

ANCHORS, ITEMS = 1000, 10
"""Anchors that are looked at, with one positive each, and random items that it is compared with."""
ANCHORS_AT_ONCE = 100
CHANCE, HARDLY_BETTER, WEAK = 0.5, 0.6, 0.7
"""Shares: of vectors that have nothing to do with the data, of hardly better ones, and of a weak encoder."""
LOOKS = 20
"""Fewer say nothing."""
NORMAL = 2.5758293035489004  # the 99.5 % quantile of the normal distribution
SPREAD = math.sqrt(1 / 12)
"""Standard deviation of a share about which nothing is known."""

Float64 = npt.NDArray[np.float64]


class Separation(msgspec.Struct, frozen=True, kw_only=True):
    """How well scores tell known positives from random items."""

    share: float
    """Of the comparisons that the positive wins, between 0 and 1."""
    low: float
    """End of the interval of 99 %."""
    high: float
    anchors: int
    """Looked at."""
    looks: int = LOOKS
    """Different anchors or different positives among them, whichever are fewer; results of before do not tell."""

    @property
    def suspicious(self) -> bool:
        """Whether positives score no better than random items, for all that can be seen."""
        if self.looks < LOOKS:
            return False
        return self.high < HARDLY_BETTER or (self.low <= CHANCE and self.high < WEAK)

    def complaint(self, vectors: str = MODEL) -> str:
        """Say what was seen, and what to look at."""
        whose = "" if vectors == MODEL else f" by the vectors {vectors!r}"
        return (
            f"positives {self._how} random items{whose}: a positive is above a random item in {self.share:.0%} of "
            f"cases [{100 * self.low:.0f}, {100 * self.high:.0f}], where chance gives {CHANCE:.0%} ({self.anchors:,} "
            "anchors looked at). Are the vectors in the order of the data (row i for data.anchors.texts[i] and "
            "data.items.texts[i]), and all from one model? If not, nothing that is done with them means anything"
        )

    @property
    def _how(self) -> str:
        """Say no more than is known."""
        return "cannot be told by their scores from" if self.low <= CHANCE else "score hardly better than"


def separation(collection: Collection, positives: Positives, queries: Matrix, corpus: Matrix) -> Separation | None:
    """Measure how well vectors tell known positives from random items, on a sample that the rows decide.

    Args:
        collection: what the vectors are of.
        positives: known positives.
        queries: float[anchors, d], finite.
        corpus: float[items, d], finite.

    Returns:
        None where there is nothing to compare.
    """
    anchors, chosen, others = _sample(collection, positives)
    parts = list(segments.slices(len(anchors), ANCHORS_AT_ONCE))
    if not parts:
        return None
    won = np.concatenate([_won(queries[anchors[at]], corpus, chosen[at], others[at]) for at in parts], axis=1)
    own = won[np.argmax(won.mean(axis=1))]
    share, looks = float(own.mean()), min(len(own), len(np.unique(chosen)))
    reach = NORMAL * max(float(own.std()), SPREAD) / math.sqrt(looks)
    ends = max(share - reach, 0.0), min(share + reach, 1.0)
    return Separation(share=share, low=ends[0], high=ends[1], anchors=len(own), looks=looks)


def complaints(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Give the warnings for the separations of stats.json, by the vectors' name."""
    read = {name: msgspec.convert(facts, Separation) for name, facts in found.items()}
    return [one.complaint(name) for name, one in read.items() if one.suspicious]


def _sample(collection: Collection, positives: Positives) -> tuple[Int64, Int64, Int64]:
    """Choose int64[A] anchors, int64[A] a positive of each, int64[A, ITEMS] random items (−1 for a positive)."""
    given, mineable = positives.given(), ~collection.items.empty
    usable = np.flatnonzero(~collection.anchors.empty & (given.degrees > 0))
    noise = _array.counter_uniform(_array.Key(0, "sanity.anchors", 0), usable, np.zeros(1, np.int64))
    anchors = usable[np.argsort(noise, kind="stable")[:ANCHORS]]
    draws = _array.counter_uniform(_array.Key(0, "sanity.items", 0), anchors[:, None], np.arange(1 + ITEMS)[None])
    chosen = given.items[given.indptr[anchors] + (draws[:, 0] * given.degrees[anchors]).astype(np.int64)]
    rows = np.flatnonzero(mineable)
    if not len(rows):
        return anchors[:0], chosen[:0], np.zeros((0, ITEMS), np.int64)
    others = rows[(draws[:, 1:] * len(rows)).astype(np.int64)]
    others = np.where(positives.contains(anchors, others), -1, others)
    able = mineable[chosen] & (others >= 0).any(axis=1)
    return anchors[able], chosen[able], others[able]


def _won(queries: npt.NDArray[Any], corpus: Matrix, chosen: Int64, others: Int64) -> Float64:
    """Give the share of its items that each positive beats: float64[2, A], by inner product and by cosine."""
    items = np.concatenate([chosen[:, None], np.maximum(others, 0)], axis=1)
    vectors = as_float32(corpus[items.ravel()]).astype(np.float64).reshape(*items.shape, -1)
    products = np.einsum("ad,aid->ai", as_float32(queries).astype(np.float64), vectors)
    lengths = np.sqrt(np.einsum("aid,aid->ai", vectors, vectors))
    shares = []
    for scores in (products, products / np.where(lengths > 0, lengths, 1.0)):
        beaten = (scores[:, :1] > scores[:, 1:]) + 0.5 * (scores[:, :1] == scores[:, 1:])
        shares.append(np.where(others >= 0, beaten, 0.0).sum(axis=1) / (others >= 0).sum(axis=1))
    return np.stack(shares)
