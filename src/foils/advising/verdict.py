"""The rules that turn differences into a recommendation; fixed before anything is tried out.

An arm *gains* where the interval of its difference to in-batch negatives lies above zero. Then mining pays, and of the
arms that gain, the best is recommended, unless a cheaper one that gains too is not shown to be worse than it.
Where none gains: mining *does not pay* if every interval ends below the smallest effect that would be worth the work;
else the sample *cannot tell*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from foils.advising.result import Arm, Verdict
from foils.advising.settings import RECIPES, UNIFORM
from foils.evaluating import PairedDifference, paired_difference

TOGETHER = 0.95
"""Chance that all intervals of an advice cover, at least (Bonferroni)."""

Float64 = npt.NDArray[np.float64]


def compare(a: Float64, b: Float64) -> PairedDifference:
    """Compare two arms of float64[S, Q], at a level at which all comparisons of an advice hold together."""
    comparisons = 2 * len(RECIPES) - 1  # each recipe to the reference, and all but uniform to uniform
    return paired_difference(a, b, level=1 - (1 - TOGETHER) / comparisons)


def recommend(
    arms: Sequence[Arm], values: Mapping[str, Float64], smallest_effect: float
) -> tuple[Verdict, str | None, tuple[str, ...]]:
    """Give the verdict, the recipe and the reasons.

    Args:
        arms: with their differences.
        values: arm → float64[S, Q].
        smallest_effect: what would be worth the work.
    """
    mined = [(arm, arm.to_reference) for arm in arms if arm.to_reference is not None]
    gains = [arm for arm, difference in mined if difference.interval.low > 0]
    if gains:
        best = max(gains, key=lambda arm: arm.ndcg)
        chosen = next(arm for arm in gains if arm is best or _not_worse(values[arm.name], values[best.name]))
        return "pays", chosen.name, (_gain(chosen), *_beside(chosen, best))
    reach = max(difference.interval.high for _, difference in mined)
    tried = ", ".join(f"{arm.name} {difference.interval}" for arm, difference in mined)
    if reach < smallest_effect:
        said = (
            "Mining does not pay here: beside in-batch negatives, no recipe raises nDCG@10 by as much as "
            f"{smallest_effect:g} ({tried})."
        )
        return "does not pay", None, (said, "Train with in-batch negatives, and spend the time on more labelled pairs.")
    said = (
        f"This sample cannot tell: no recipe is shown to raise nDCG@10, and gains of up to {reach:.3f} are not ruled "
        f"out ({tried})."
    )
    return "cannot tell", None, (said, "Try more anchors (--anchors), more seeds (--seeds), or a stronger encoder.")


def _gain(arm: Arm) -> str:
    cost = f"It costs {arm.seconds:.1f} s per training on this sample, mining included."
    if arm.name == UNIFORM:
        return f"Negatives pay, random ones: {arm.name} raises nDCG@10 by {_shown(arm)}. {cost}"
    return f"Mining pays: {arm.name} raises nDCG@10 by {_shown(arm)} over in-batch negatives only. {cost}"


def _beside(chosen: Arm, best: Arm) -> tuple[str, ...]:
    said = []
    if chosen is not best:
        said.append(f"{best.name} came out higher ({_shown(best)}) and is not shown to be better, so the cheaper wins.")
    over = chosen.to_uniform
    if over is not None:
        shown = "is shown to beat" if over.interval.low > 0 else "is not shown to beat"
        said.append(f"It {shown} uniform negatives ({over.interval}).")
    return tuple(said)


def _shown(arm: Arm) -> str:
    return "" if arm.to_reference is None else str(arm.to_reference.interval)


def _not_worse(cheaper: Float64, best: Float64) -> bool:
    return compare(cheaper, best).interval.high >= 0
