"""Rules that no candidate can pass: the least p_positive that a calibrator says lies above what they allow."""

from __future__ import annotations

import math

import numpy as np

from foils.recipes import Recipe
from foils.rules import MaxFalseNegativeRate

TRUSTED = "only trusted negatives and unscored ones that a rule keeps can be used"


def beyond_reach(recipe: Recipe) -> list[str]:
    """Say of each rate that lies below the least p_positive how to mend it; nothing where all can be kept.

    A search that goes deeper finds nothing either: beyond a curve's lowest point, its probability holds.
    """
    if recipe.p_positive is None:
        return []
    least = recipe.p_positive.fields.least()
    return [
        f"the lowest p_positive that {recipe.p_positive.name} says is {shown(least)}, above the rate {rate:g} of "
        f"max_false_negative_rate, however deep the search: {TRUSTED}; ask for at least {at_least(least)}, calibrate "
        "by --method platt, or label lower ranks and calibrate again"
        for rate in rates(recipe)
        if np.float32(least) > np.float32(rate)  # as the rule compares
    ]


def rates(recipe: Recipe) -> list[float]:
    """List the rates that the rules allow."""
    return [rule.fields.rate for rule in recipe.rules if isinstance(rule.fields, MaxFalseNegativeRate)]


def shown(probability: float) -> str:
    """Write a probability by two digits that count.

    >>> shown(0.05631), shown(0.5), shown(0.000444)
    ('0.056', '0.5', '0.00044')
    """
    return f"{probability:.2g}"


def at_least(probability: float) -> str:
    """Write the next rate above, in hundredths, or in the first digit that counts.

    >>> at_least(0.0563), at_least(0.06), at_least(0.3), at_least(0.00123)
    ('0.06', '0.06', '0.3', '0.002')
    """
    digits = max(2, -math.floor(math.log10(probability))) if probability > 0 else 2
    return f"{math.ceil(round(probability * 10**digits, 6)) / 10**digits:.{digits}f}".rstrip("0").rstrip(".")
