"""Which pairs to label, and in which order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils._array import Key, counter_uniform
from foils.errors import InputError, whole_number
from foils.estimating.allocation import inclusion_probabilities
from foils.estimating.pivotal import nested_order, pivotal, shuffled
from foils.estimating.population import Population

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

FIRST_LOOK, MOST_LOOKS = 60, 6
LOOK_RATIO = 1.4
"""Looks lie at least so far apart, as a ratio of labels."""


@dataclass(frozen=True, eq=False)
class Design:
    """The pairs to label, drawn with known chances.

    Attributes:
        order: int64[n], places in the population in the order of labelling; every prefix is a valid design.
        pi: float64[n], the chance that the pair is among the n; among the first m it is pi · m / n.
        size: N, the pairs of the population.
        looks: The numbers of labels, rising to n, at which an interval may be looked at by one who stops as he likes.
        start: Where the population's score groups were cut, 0 … 1; see :meth:`Population.cells`.
    """

    order: Int64
    pi: Float64
    size: int
    looks: tuple[int, ...]
    start: float = 0.0

    def __post_init__(self) -> None:
        if not (self.order.shape == self.pi.shape and self.order.ndim == 1 and len(self.order)):
            raise InputError(f"order has shape {self.order.shape} and pi {self.pi.shape}; expected one chance per pair")
        if len(np.unique(self.order)) < len(self.order) or self.order.min() < 0 or self.order.max() >= self.size:
            raise InputError(f"order must name different places from 0 to {self.size - 1:,}")
        if not ((self.pi > 0) & (self.pi <= 1)).all():
            raise InputError("pi holds a number outside (0, 1]; expected the chance with which each pair was drawn")
        if not 0 <= self.start <= 1:
            raise InputError(f"start is {self.start}; expected a number from 0 to 1")


def draw_design(population: Population, n: int, key: Key) -> Design:
    """Draw n pairs to label: more where the scorer leaves doubt, spread over score groups and bands.

    The chances are those of :mod:`foils.estimating.allocation`; the draw is ordered pivotal sampling (Deville and
    Tillé, 1998) along score groups and bands, in random order within them, so each gets its share of labels. Where
    groups are cut has a random start, as in systematic sampling (Madow and Madow, 1944). The order of labelling is
    nested: see :func:`foils.estimating.pivotal.nested_order`.

    Args:
        population: The N pairs.
        n: How many to draw, 1 … N.
        key: Of the noise: equal keys give equal draws.

    Raises:
        InputError: n is out of range.
    """
    n = whole_number("n", n, 1, population.size)
    pi = inclusion_probabilities(population.weights, n)
    mixed = shuffled(np.arange(population.size), key._replace(stage=f"{key.stage}, population"))
    first = np.zeros(1, np.int64)
    start = float(counter_uniform(key._replace(stage=f"{key.stage}, start"), first, first)[0])
    along = mixed[np.argsort(population.cells(start)[mixed], kind="stable")]
    places = nested_order(pivotal(pi[along], key._replace(stage=f"{key.stage}, draw")), key)
    order = along[places]
    return Design(order, pi[order], population.size, looks(n), start)


def looks(n: int) -> tuple[int, ...]:
    """Give the numbers of labels to look at: at most six, by equal ratios from 60 to n.

    >>> looks(400)
    (60, 88, 128, 187, 274, 400)
    >>> looks(50)
    (50,)
    """
    if n <= FIRST_LOOK:
        return (n,)
    count = min(MOST_LOOKS, 1 + int(np.log(n / FIRST_LOOK) / np.log(LOOK_RATIO)))
    if count == 1:
        return (n,)
    return tuple(int(look) for look in np.round(np.geomspace(FIRST_LOOK, n, count)))
