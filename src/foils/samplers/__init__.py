"""Samplers: which of the survivors, and how many?

All are one kernel, Gumbel top-k (Kool et al., 2019): give candidate j the log-weight φ_j, −∞ if it may not be drawn,
perturb by Gumbel noise keyed by the item, and take the m largest. That is m successive draws without replacement from
softmax(φ).

    top_k    no noise, φ = s
    strided  no noise, φ = −(the turn in which every s-th by score is reached)
    uniform  φ = 0 inside a window of ranks
    softmax  φ = s / τ
    simans   φ = −a·(s − s⁺ − b)²   or   −a·|s − s⁺ − b|
    resample φ = φ of one of these + γ·log(1 − p)

With κ the (m + 1)-th largest perturbed weight, ``log_q`` = log(1 − exp(−exp(φ_j − κ))) is the inclusion probability
conditional on κ; top_k and strided have no law, and NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from foils import _array
from foils._array import Array, Key
from foils.candidates import Candidates, Kind, Negatives
from foils.samplers.gumbel import gumbel_top_k
from foils.samplers.resample import Resample
from foils.samplers.simans import SimANS
from foils.samplers.softmax import Softmax
from foils.samplers.strided import Strided
from foils.samplers.top_k import TopK
from foils.samplers.uniform import UniformWindow
from foils.samplers.windows import Window


class Sampler(Protocol):
    """The fields of a sampler, and its log-weights."""

    needs: ClassVar[Kind | None]
    random: ClassVar[bool]

    @property
    def column(self) -> str | None:
        """The score column it looks at; None = the one added last."""

    def window(self) -> Window:
        """Say which ranks it may draw from."""

    def weigh(self, candidates: Candidates, keep: Array) -> Array:
        """Give float64[A, K] log-weights; −∞ where a candidate may not be drawn."""


def draw(sampler: Sampler, candidates: Candidates, weights: Array, m: int, key: Key) -> Negatives:
    """Draw m negatives per unit from weights that the sampler gave.

    The law is the source's times the sampler's: log_q adds up, and is NaN where either has none.
    """
    noise = None
    if sampler.random:
        noise = _array.gumbel(key, candidates.units.keys[:, None], candidates.items)
    positions, log_q = gumbel_top_k(weights, noise, m)
    source = candidates.columns["log_q"].values
    items = _array.take_valid(candidates.items, positions, -1)
    return Negatives(items, positions, log_q + _array.take_valid(source, positions, float("nan")))


REGISTRY: Mapping[str, type[Sampler]] = {
    "top_k": TopK,
    "uniform": UniformWindow,
    "softmax": Softmax,
    "simans": SimANS,
    "strided": Strided,
    "resample": Resample,
}

__all__ = [
    "REGISTRY",
    "Resample",
    "Sampler",
    "SimANS",
    "Softmax",
    "Strided",
    "TopK",
    "UniformWindow",
    "Window",
    "draw",
    "gumbel_top_k",
]
