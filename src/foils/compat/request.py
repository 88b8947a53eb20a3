"""The arguments of a call, checked before work starts, and the recipe that they describe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from foils.errors import InputError, did_you_mean
from foils.recipes import Recipe
from foils.recipes.recipe import Part, Shortfall
from foils.rules import AbsoluteMargin, MaxScore, MinScore, RelativeMargin, Rule
from foils.samplers import Sampler, TopK, UniformWindow
from foils.sources import Dense

Format = Literal["triplet", "n-tuple", "labeled-pair", "labeled-list"]
FORMATS = ("triplet", "n-tuple", "labeled-pair", "labeled-list")
STRATEGIES = ("top", "random")
SHORTFALLS = ("drop", "short")
SPARE = 10
"""Where candidates may be rejected, the derived window holds this many times the negatives asked for."""
DEEPER = 10
"""Short anchors are searched down to this many times the derived window."""
THRESHOLDS = ("absolute_margin", "relative_margin", "max_score", "min_score")


class ArgumentError(InputError, ValueError):
    """An argument of the call cannot be used; also a ``ValueError``, as callers of the original expect."""


@dataclass(frozen=True)
class Request:
    """What a call asks for.

    Attributes:
        num_negatives: negatives asked for per anchor.
        range_min: ranks left out; ranks count all candidates but the anchor's positives, from 1.
        range_max: last rank of the window; None = derived, and short anchors are searched deeper.
        thresholds: bounds that were given, by name (``THRESHOLDS``).
        sampling_strategy: the best of the window, or a random choice.
        output_format: one of ``FORMATS``.
        output_scores: whether rows hold scores.
        include_positives: whether positives are ranked among the candidates.
        shortfall: what happens to a row that lacks negatives: left out, or kept with what there is.
        seed: of the random choice.
    """

    num_negatives: int
    range_min: int
    range_max: int | None
    thresholds: dict[str, float]
    sampling_strategy: str
    output_format: str
    output_scores: bool
    include_positives: bool
    shortfall: str
    seed: int

    def __post_init__(self) -> None:
        """Check each argument on its own, and the window."""
        choices = {
            "output_format": (self.output_format, FORMATS),
            "sampling_strategy": (self.sampling_strategy, STRATEGIES),
            "shortfall": (self.shortfall, SHORTFALLS),
        }
        for name, (value, valid) in choices.items():
            if value not in valid:
                raise ArgumentError(f"{name} is {value!r}; {did_you_mean(str(value), valid)}")
        for name, number in self.thresholds.items():
            if not math.isfinite(number):
                raise ArgumentError(f"{name} is {number}; give a finite number, or None for no bound")
        if self.num_negatives < 1:
            raise ArgumentError(f"num_negatives must be at least 1, got num_negatives={self.num_negatives}.")
        if self.range_min < 0:
            raise ArgumentError(f"range_min must be non-negative, got range_min={self.range_min}.")
        if self.range_max is None:
            return
        room = self.range_max - self.range_min
        if room <= 0:
            given = f"range_min={self.range_min} and range_max={self.range_max}"
            raise ArgumentError(f"range_min must be smaller than range_max, got {given}.")
        if self.num_negatives > room:
            raise ArgumentError(
                f"Cannot mine {self.num_negatives} negatives per query: only {room} candidates remain after the first "
                f"range_min={self.range_min} of range_max={self.range_max}; ask for fewer, skip less, or look further."
            )

    def window(self, most_positives: int, *, rescored: bool) -> int:
        """Give the last rank of the window, derived where ``range_max`` was not given."""
        if self.range_max is not None:
            return self.range_max
        spare = SPARE if self.thresholds.keys() - {"min_score"} or rescored else 1
        return self.range_min + self.num_negatives * spare + most_positives

    def recipe(self, window: int, n_items: int, *, rescored: bool) -> Recipe:
        """Assemble the parts.

        Args:
            window: last rank of the window.
            n_items: items of the collection; there is no deeper rank.
            rescored: whether a cross-encoder scores the candidates, which a deeper look would repeat.
        """
        depth = min(window, n_items)
        deepest = depth if self.range_max is not None or rescored else min(DEEPER * depth, n_items)
        return Recipe(
            name="mine_hard_negatives",
            summary="",
            per="anchor",
            source=Part("dense", Dense(k=depth, max_depth=deepest, similarity="dot")),
            scorers=(),
            rules=tuple(self._rules()),
            sampler=self._sampler(),
            relaxations=(),
            loss=None,
            shortfall=Shortfall(),
            paper=None,
            fidelity=None,
            evidence=None,
        )

    def _rules(self) -> list[Part[Rule]]:
        fields = {"absolute_margin": "margin", "relative_margin": "margin"}
        parts: dict[str, Any] = {
            "absolute_margin": AbsoluteMargin,
            "relative_margin": RelativeMargin,
            "max_score": MaxScore,
            "min_score": MinScore,
        }
        given = [name for name in THRESHOLDS if name in self.thresholds]
        return [Part(name, parts[name](**{fields.get(name, "threshold"): self.thresholds[name]})) for name in given]

    def _sampler(self) -> Part[Sampler]:
        # The window's far end is the depth of the search, which only grows for anchors that come out short.
        if self.sampling_strategy == "top":
            return Part("top_k", TopK(skip_ranks=self.range_min))
        return Part("uniform", UniformWindow(skip_ranks=self.range_min))
