"""What batches are drawn from: pairs to train on, what is never a negative, and the mined negatives of each anchor."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from foils import _segments as segments
from foils.collection import Collection
from foils.errors import DataError, InputError
from foils.positives import Examples, Int64, Positives
from foils.training.settings import NegativesMode
from foils.weights import Weight

Float32 = npt.NDArray[np.float32]

NO_RESULT = "weights rest on the scores of a mined result; give one that foils.mine gave, or leave weights out"


class BatchSettings(Protocol):
    """What the settings of every kind of training say about its batches; see ``StaticSettings``."""

    @property
    def batch_size(self) -> int:
        """Pairs in a batch."""

    @property
    def negatives(self) -> NegativesMode:
        """What an anchor sees beside its positive."""

    @property
    def mined_per_anchor(self) -> int:
        """Mined negatives drawn per pair."""


@runtime_checkable
class MinedResult(Protocol):
    """A result of mining that knows its rows: ``foils.Mined``."""

    def rows(self, collection: Collection, split: str | None = None) -> tuple[Int64, Int64]:
        """Give the negatives as rows of the collection: int64[U] anchors, int64[U, M] items, −1 = absent.

        Raises:
            InputError: they were mined from other data, or for another split.
        """


@runtime_checkable
class WeighingResult(Protocol):
    """A result of mining that can say how much its negatives count: ``foils.Mined``."""

    def log_weights(self, weights: Weight) -> Float32:
        """Give float32[U, M] of the negatives of ``rows``: 0 = full, −infinity = out, and where absent."""


@dataclass(frozen=True, eq=False)
class MinedNegatives:
    """Mined negatives as plain arrays.

    Attributes:
        anchors: int64[U], anchor rows; an anchor may occur more than once.
        items: int64[U, M], item rows; −1 = absent.
        log_weights: float32[U, M], how much each counts: 0 = full, −infinity = not at all; None = all of them fully.
    """

    anchors: Int64
    items: Int64
    log_weights: Float32 | None = None


def as_rows(
    mined: MinedNegatives | MinedResult | None, collection: Collection, split: str, weights: Weight | None = None
) -> MinedNegatives | None:
    """Give what was mined as rows of the collection, weighed where weights are asked for.

    Raises:
        InputError: it is no result and no rows; or was mined from other data, or for another split; or the weights
            cannot be had of it.
    """
    if weights is not None and (mined is None or isinstance(mined, MinedNegatives)):
        raise InputError(NO_RESULT)
    if mined is None or isinstance(mined, MinedNegatives):
        return mined
    if not isinstance(mined, MinedResult):
        raise InputError(
            f"mined is {mined!r:.80}; expected a Mined, which foils.mine gives, and foils.Mined.open(path) of a folder"
        )
    rows = mined.rows(collection, split)
    return MinedNegatives(*rows, None if weights is None else _weighed(mined, weights))


@dataclass(frozen=True, eq=False)
class Pool:
    """What batches are drawn from.

    Attributes:
        examples: the pairs.
        positives: what is never a negative.
        mined_indptr: int64[A + 1], where each anchor's mined negatives begin and end.
        mined_items: int64[P], their item rows, ascending within an anchor.
        mined_log_weights: float32[P], or None where all count fully.
    """

    examples: Examples
    positives: Positives
    mined_indptr: Int64
    mined_items: Int64
    mined_log_weights: Float32 | None = None

    @cached_property
    def keys(self) -> Int64:
        """int64[E], the number that a pair's randomness is keyed by, whatever the other pairs are."""
        return self.examples.anchors * np.int64(self.positives.n_items) + self.examples.positives

    @classmethod
    def of(
        cls,
        examples: Examples,
        positives: Positives,
        mined: MinedNegatives | None,
        items_with_text: npt.NDArray[np.bool_],
    ) -> Pool:
        """Group the mined negatives by anchor, without repetitions and without items that have no text.

        Of a pair that is repeated with several weights the lowest counts.

        Raises:
            DataError: the shapes of ``mined`` differ, a row is outside the collection, or a weight is none.
        """
        n_anchors, n_items = positives.n_anchors, positives.n_items
        if mined is None:
            mined = MinedNegatives(np.zeros(0, np.int64), np.zeros((0, 0), np.int64))
        _check(mined, n_anchors, n_items)
        anchors = np.repeat(mined.anchors, mined.items.shape[1])
        items = mined.items.ravel()
        keep = items >= 0
        keep[keep] = items_with_text[items[keep]]
        every = anchors[keep] * np.int64(n_items) + items[keep]
        pairs, log_weights = np.unique(every), None
        if mined.log_weights is not None:
            log_weights = np.zeros(len(pairs), np.float32)
            np.minimum.at(log_weights, np.searchsorted(pairs, every), mined.log_weights.ravel()[keep])
        anchors, items = np.divmod(pairs, np.int64(max(n_items, 1)))
        indptr = segments.bounds(np.bincount(anchors, minlength=n_anchors))
        return cls(examples, positives, indptr, items, log_weights)


def check_negatives(settings: BatchSettings, mined: MinedNegatives | None) -> None:
    """Check that the negatives asked for are there.

    Raises:
        InputError: the settings ask for mined negatives that are not given, or ignore those that are.
    """
    if settings.negatives == "mined" and mined is None:
        raise InputError("negatives is 'mined' and none are given; give some, or choose 'in_batch'")
    if settings.negatives == "in_batch" and mined is not None:
        raise InputError("negatives is 'in_batch' and mined ones are given; leave them out, or choose 'both'")
    if settings.negatives == "in_batch" and settings.batch_size == 1:
        raise InputError(
            "a batch of 1 pair has no in-batch negatives, so nothing is learnt; choose batch_size 2 or more"
        )
    if mined is not None and not (mined.items != -1).any():
        raise InputError("the mined negatives are none at all; mine again by another recipe, or leave them out")


def usable_examples(
    positives: Positives, anchors: npt.NDArray[np.bool_], items: npt.NDArray[np.bool_], split: str
) -> Examples:
    """List the pairs that can be trained on.

    Args:
        positives: of the split.
        anchors: bool[A], False where an anchor has nothing to learn from: no text, or it is held out.
        items: bool[I], False where an item has no text.
        split: how messages call the pairs.

    Raises:
        DataError: there are none.
    """
    pairs = positives.examples()
    keep = anchors[pairs.anchors] & items[pairs.positives]
    if not keep.any():
        raise DataError(
            f"the split {split!r} has no pair to train on: none of its {len(pairs)} positives has text "
            "on both sides; give pairs with a grade above 0 and texts that are not empty"
        )
    return Examples(pairs.anchors[keep], pairs.positives[keep])


def _weighed(mined: object, weights: Weight) -> Float32:
    if not isinstance(mined, WeighingResult):
        raise InputError(NO_RESULT)
    return mined.log_weights(weights)


def _check(mined: MinedNegatives, n_anchors: int, n_items: int) -> None:
    anchors, items = mined.anchors, mined.items
    if anchors.ndim != 1 or items.ndim != 2 or len(anchors) != len(items):
        raise DataError(
            f"mined anchors are {list(anchors.shape)} and items {list(items.shape)}; expected [U] and [U, M]"
        )
    for name, rows, least, most in (("anchors", anchors, 0, n_anchors), ("items", items, -1, n_items)):
        if rows.dtype.kind != "i":
            raise DataError(f"mined {name} are {rows.dtype}; expected int64 row numbers")
        if rows.size and not least <= rows.min() <= rows.max() < most:
            raise DataError(
                f"mined {name} hold rows from {rows.min()} to {rows.max()}; the collection has {most} {name}"
            )
    weights = mined.log_weights
    if weights is None:
        return
    if weights.shape != items.shape or weights.dtype.kind != "f":
        raise DataError(
            f"mined log_weights are {weights.dtype}{list(weights.shape)}; expected float32 {list(items.shape)}"
        )
    if not (weights[items >= 0] <= 0).all():
        raise DataError("mined log_weights hold NaN or numbers above 0; expected logarithms of weights from 0 to 1")
