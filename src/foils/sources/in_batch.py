"""In-batch negatives as a source: the positives of the other examples of a batch (Henderson et al., 2017).

The E given pairs of the split are shuffled by noise and cut into batches of B, the last one shorter. A unit stands in
the batches of its examples, and its candidates are the positives of all others there, each once. A popular item is
met more often, and its law is exact. Let a unit have d examples, and item j another c. As seen from the unit, the
c examples of j lie at random in the E − d places that are left, so with S the places of the unit's batches

    P(j is met) = 1 − E_S[ C(E − S, c) / C(E − d, c) ],

where S follows from which batches the d examples fall into, one after another: into a batch that already holds one,
a new full one, or the short one. With d = 1 and full batches that is the hypergeometric 1 − C(E − B, c) / C(E − 1, c).

Lists longer than the depth are cut at random: ``log_q`` = log P(j is met) + log(depth / length of the list).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from foils import _array
from foils import _segments as segments
from foils._array import Key
from foils.candidates import Candidates, Kind
from foils.positives import PAIR_BITS, Int64, Positives, Units, gather_segments
from foils.search import Inputs
from foils.sources.ragged import Cells

Float64 = npt.NDArray[np.float64]


class InBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Positives of the other examples of the unit's batches, as in-batch training meets them."""

    random: ClassVar[bool] = True

    batch_size: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)] = 32
    """Examples of a batch."""
    k: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """Candidates per unit; default: batch_size − 1."""

    def columns(self) -> Mapping[str, Kind]:
        """No scores."""
        return {}

    def reads(self) -> tuple[str, ...]:
        """No vectors."""
        return ()

    def depths(self, negatives: int) -> tuple[int, int]:
        """``k``, once."""
        depth = self.k or self.batch_size - 1
        return depth, depth

    def check(self, inputs: Inputs) -> None:
        """Nothing to look at."""

    def open(self, inputs: Inputs) -> OpenInBatch:
        """Shuffle the examples into batches."""
        return OpenInBatch(inputs, inputs.positives.given(), self.batch_size)


@dataclass(frozen=True, eq=False)
class OpenInBatch:
    """An in-batch source bound to its batches."""

    inputs: Inputs
    given: Positives
    batch_size: int

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """List the items that each unit meets, in random order."""
        rows, items = self._met(units)
        noise = _array.counter_uniform(self._key("order"), units.keys[rows], items)
        order = np.lexsort((noise, rows))
        rows, items = rows[order], items[order]
        lengths = np.bincount(rows, minlength=len(units))
        law = self._log_chance(np.diff(units.indptr)[rows], self._examples_of[items])
        law += np.log(np.minimum(1.0, depth / np.maximum(lengths, 1)))[rows]
        cells = Cells.of(rows, len(units), depth)
        log_q = cells.filled(law.astype(np.float32), np.nan)
        return Candidates.listed(units, cells.filled(items, -1), "in_batch", log_q)

    def _key(self, purpose: str) -> Key:
        return Key(self.inputs.seed, f"source.in_batch.{purpose}", 0)

    @cached_property
    def _examples_of(self) -> Int64:
        """int64[I], how many examples each item is the positive of."""
        return np.bincount(self.given.items, minlength=len(self.inputs.mineable))

    @cached_property
    def _batches(self) -> tuple[Int64, Int64]:
        """int64[E], the batch of each example; int64[E], the positives of all batches, one after another."""
        examples = self.given.examples()
        noise = _array.counter_uniform(self._key("batches"), examples.anchors, examples.positives)
        order = np.argsort(noise, kind="stable")
        batch = np.empty(len(order), np.int64)
        batch[order] = np.arange(len(order)) // self.batch_size
        return batch, examples.positives[order]

    def _met(self, units: Units) -> tuple[Int64, Int64]:
        """Pair units (by place, ascending) with the items of their batches, each once; what is forbidden left out."""
        batch, shuffled = self._batches
        anchors = units.pair_anchors()
        places = _array.row_searchsorted(self.given.items, self.given.indptr, anchors, units.positives, "left")
        owners = segments.owners(np.diff(units.indptr))
        visits = np.unique((owners << PAIR_BITS) | batch[self.given.indptr[anchors] + places])
        size, total = self.batch_size, len(shuffled)
        edges = np.minimum(np.arange(-(-total // size) + 1) * size, total)
        indptr, slots = gather_segments(edges, visits & ((1 << PAIR_BITS) - 1))
        met = np.unique((np.repeat(visits >> PAIR_BITS, np.diff(indptr)) << PAIR_BITS) | shuffled[slots])
        rows, items = met >> PAIR_BITS, met & ((1 << PAIR_BITS) - 1)
        allowed = self.inputs.mineable[items] & ~self.inputs.forbidden.pairs(units.anchors[rows], items)
        return rows[allowed], items[allowed]

    def _log_chance(self, degrees: Int64, counts: Int64) -> Float64:
        """Give log P(item is met) for units of ``degrees`` examples and items of ``counts``: float64[P]."""
        total = len(self.given.items)
        cases, inverse = np.unique((degrees << PAIR_BITS) | counts, return_inverse=True)
        case_degrees, case_counts = cases >> PAIR_BITS, cases & ((1 << PAIR_BITS) - 1)
        answers = np.empty(len(cases))
        for degree in np.unique(case_degrees).tolist():
            chance, slots = batch_slots(degree, total, self.batch_size)
            here = np.flatnonzero(case_degrees == degree)
            missed = _log_choose(total - slots[:, None], case_counts[here])
            missed = missed - _log_choose(np.array(total - degree), case_counts[here])
            answers[here] = np.log(np.minimum(chance @ -np.expm1(missed), 1.0))
        return answers[inverse]


def batch_slots(degree: int, total: int, size: int) -> tuple[Float64, Int64]:
    """Say how many places the batches of some examples have.

    Args:
        degree: how many examples fall into batches.
        total: places in all.
        size: places of a full batch; what is left makes the last, shorter one.

    Returns:
        float64[S] probabilities, and int64[S] places, of each number of full batches with and without the short one.
    """
    full, rest = divmod(total, size)
    most = min(degree, full)
    chance = np.zeros((most + 1, 2))  # [full batches met, short one met]
    chance[0, 0] = 1.0
    met, short = np.arange(most + 1)[:, None], np.arange(2)[None, :]
    slots = met * size + short * rest
    for placed in range(degree):
        left = total - placed
        new = chance * (full - met) * size / left
        new_short = chance * (1 - short) * rest / left
        chance = chance * np.maximum(slots - placed, 0) / left
        chance[1:] += new[:-1]
        chance[:, 1] += new_short[:, 0]
    return chance.ravel(), slots.ravel()


def _log_choose(n: npt.NDArray[Any], k: Int64) -> Float64:
    """Log C(n, k); −∞ where k > n."""
    with np.errstate(invalid="ignore"):
        chosen = gammaln(n + 1.0) - gammaln(k + 1.0) - gammaln(np.maximum(n - k, 0) + 1.0)
    return np.where(k > n, -np.inf, chosen)
