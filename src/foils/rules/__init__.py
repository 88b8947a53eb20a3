"""Rules: may this candidate be used as a negative?

With s a candidate's score and s⁺ the score of the unit's reference positive, a rule rejects a candidate when

    max_score        s ≥ t
    absolute_margin  s ≥ s⁺ − δ
    relative_margin  s ≥ s⁺ − m·|s⁺|          (sign-safe: with s⁺ < 0 the bound still lies below s⁺)
    mean_std         s ≥ mean + λ·std         (of the unit's own candidates)
    min_score        s < t                    (too easy; the other end of a band)

and with the calibrated p of the candidates, in the order of their ranks,

    max_false_negative_rate    mean p of what is kept would pass r

Each is pure, works on any score column, and is written once for NumPy and PyTorch. A rule declares the kind of column
it needs and a recipe that gives less is refused. Verdicts combine by OR; the first reason is kept. Candidates of the
provided source are trusted and exempt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind
from foils.rules.margins import AbsoluteMargin, MaxScore, RelativeMargin
from foils.rules.max_false_negative_rate import MaxFalseNegativeRate
from foils.rules.mean_std import MeanStd
from foils.rules.min_score import MinScore
from foils.rules.verdicts import REASONS


class Rule(Protocol):
    """The fields of a rule, and the rule itself."""

    needs: ClassVar[Kind]

    @property
    def column(self) -> str | None:
        """The score column it looks at; None = the one added last."""

    def __call__(self, candidates: Candidates) -> Array:
        """Give int8[A, K], an index into ``REASONS``; 0 = kept."""


@runtime_checkable
class Cumulative(Protocol):
    """A rule whose word on a candidate depends on which others are kept."""

    def after(self, candidates: Candidates, kept: Array) -> Array:
        """Give int8[A, K], knowing what the rules before it keep, bool[A, K]."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the rules say together.

    Attributes:
        keep: bool[A, K], True where a candidate is present and no rule rejects it.
        reason: int8[A, K], index into ``REASONS`` of the first rule that rejects it; 0 = kept or absent.
    """

    keep: Array
    reason: Array


def judge(rules: Sequence[Rule], candidates: Candidates) -> Verdict:
    """Apply the rules in order."""
    xp = _array.namespace(candidates.items)
    reason = xp.zeros_like(candidates.items, dtype=xp.int8)
    trusted = xp.zeros_like(candidates.items, dtype=xp.bool)
    if "provided" in candidates.sources:
        trusted = candidates.columns["source"].values == candidates.sources.index("provided")
    for rule in rules:
        if isinstance(rule, Cumulative):
            said = rule.after(candidates, candidates.valid & (trusted | (reason == 0)))
        else:
            said = rule(candidates)
        reason = xp.where(reason == 0, said, reason)
    reason = xp.where(trusted | ~candidates.valid, xp.zeros_like(reason), reason)
    return Verdict(candidates.valid & (reason == 0), reason)


REGISTRY: Mapping[str, type[Rule]] = {
    "max_score": MaxScore,
    "absolute_margin": AbsoluteMargin,
    "relative_margin": RelativeMargin,
    "mean_std": MeanStd,
    "min_score": MinScore,
    "max_false_negative_rate": MaxFalseNegativeRate,
}

ALIASES: Mapping[str, Callable[[float], tuple[str, dict[str, Any]]]] = {
    "perc_pos": lambda share: ("relative_margin", {"margin": round(1 - share, 12)}),
}
"""Other names of rules: ``perc_pos: 0.95`` (NV-Retriever's TopK-PercPos) is ``relative_margin: {margin: 0.05}``."""

__all__ = [
    "ALIASES",
    "REASONS",
    "REGISTRY",
    "AbsoluteMargin",
    "Cumulative",
    "MaxFalseNegativeRate",
    "MaxScore",
    "MeanStd",
    "MinScore",
    "RelativeMargin",
    "Rule",
    "Verdict",
    "judge",
]
