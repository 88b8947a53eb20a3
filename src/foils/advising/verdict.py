"""The rules that turn differences into a recommendation; fixed before anything is tried out.

    an arm pays           its difference to in-batch negatives is shown to be above zero (the interval's low end is),
                          and is estimated at the smallest effect worth the work, or more
    mining does not pay   every interval ends below that effect
    cannot tell           all else

Two cases are told apart before. Where no arm ranks clearly better than chance, the differences are those of noise, and
nothing is advised: cannot tell. Where every arm is at the ceiling, there is no room for a gain: does not pay.

Of the arms that pay, the best is recommended, unless one that comes earlier in ``PREFERRED`` (cheaper, or checked) pays
too and is not shown to be worse than it. Intervals of all pairs of arms hold together, so looking for the best is paid
for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from foils.advising.result import Arm, Verdict
from foils.advising.settings import PREFERRED, RECIPES, UNIFORM
from foils.evaluating import PairedDifference, paired_difference

TOGETHER = 0.95
"""Chance that all intervals of an advice cover, at least (Bonferroni)."""
PAIRS = (len(RECIPES) + 1) * len(RECIPES) // 2
"""Pairs of arms, the reference among them."""
FLOOR, CHANCES = 0.02, 2.0
"""No arm is looked at where none has an nDCG@10 of this much, or of so many times what a random ranking has."""
CEILING = 0.99
"""Where every arm has this much, there is no room."""
CHECK = (
    "Check that queries, corpus and judgements belong together (the ids of the judgements, the split, the order of the "
    "vectors), that the texts are in a language that the encoder reads, and that there is enough to train on; "
    "then ask again."
)
HARDER = "Where the real task is harder, try more items (--items), or harder queries."
MORE = "Try more seeds (--seeds), more anchors where there are more (--anchors), or a stronger encoder."

Float64 = npt.NDArray[np.float64]


def compare(a: Float64, b: Float64) -> PairedDifference:
    """Compare two arms of float64[S, Q], at a level at which all comparisons of an advice hold together."""
    return paired_difference(a, b, level=1 - (1 - TOGETHER) / PAIRS)


def recommend(
    arms: Sequence[Arm], values: Mapping[str, Float64], smallest_effect: float, *, chance: float = 0.0
) -> tuple[Verdict, str | None, tuple[str, ...]]:
    """Give the verdict, the recipe and the reasons.

    Args:
        arms: with their differences.
        values: arm → float64[S, Q].
        smallest_effect: what would be worth the work.
        chance: nDCG@10 of a random ranking.
    """
    level = [arm.ndcg for arm in arms]
    if max(level) < max(FLOOR, CHANCES * chance):
        said = (
            f"There is nothing to learn from: no arm has an nDCG@10 above {max(level):.3f} on the held-out queries "
            f"(a random ranking has {chance:.3f}). Differences between such numbers are noise: nothing is advised."
        )
        return "cannot tell", None, (said, CHECK)
    if min(level) >= CEILING:
        said = (
            f"Mining does not pay here: there is no room. Every arm has an nDCG@10 of {min(level):.3f} or more on the "
            "held-out queries, in-batch negatives alone among them."
        )
        return "does not pay", None, (said, HARDER)
    mined = [(arm, arm.to_reference) for arm in arms if arm.to_reference is not None]
    paying = [arm for arm, difference in mined if _pays(difference, smallest_effect)]
    if paying:
        best = max(paying, key=lambda arm: arm.ndcg)
        paying.sort(key=lambda arm: PREFERRED.index(arm.name))
        chosen = next(arm for arm in paying if arm is best or not _worse(values[arm.name], values[best.name]))
        return "pays", chosen.name, (_gain(chosen), *_beside(chosen, best))
    tried = "; ".join(f"{arm.name} {difference.interval}" for arm, difference in mined)
    reach = max(difference.interval.high for _, difference in mined)
    if reach < smallest_effect:
        said = (
            "Mining does not pay here: beside in-batch negatives, no recipe raises nDCG@10 by as much as "
            f"{smallest_effect:g} ({tried})."
        )
        return "does not pay", None, (said, "Train with in-batch negatives, and spend the time on more labelled pairs.")
    said = (
        f"This sample cannot tell: no recipe is shown to raise nDCG@10 by {smallest_effect:g}, and gains of up to "
        f"{reach:.3f} are not ruled out ({tried})."
    )
    return "cannot tell", None, (said, MORE)


def _pays(difference: PairedDifference, smallest_effect: float) -> bool:
    return difference.interval.low > 0 and difference.interval.estimate >= smallest_effect


def _worse(preferred: Float64, best: Float64) -> bool:
    return compare(preferred, best).interval.high < 0


def _gain(arm: Arm) -> str:
    what = "Negatives pay, random ones" if arm.name == UNIFORM else "Mining pays"
    return f"{what}: beside in-batch negatives, {arm.name} raises nDCG@10 by {_shown(arm)}."


def _beside(chosen: Arm, best: Arm) -> tuple[str, ...]:
    said = []
    if chosen is not best:
        why = "costs less" if chosen.name == UNIFORM else "checks its negatives"
        said.append(f"{best.name} came out higher ({_shown(best)}) and is not shown to be; {chosen.name} {why}.")
    over = chosen.to_uniform
    if over is not None:
        shown = "is shown to beat" if over.interval.low > 0 else "is not shown to beat"
        said.append(f"It {shown} uniform negatives ({over.interval}).")
    return tuple(said)


def _shown(arm: Arm) -> str:
    return "" if arm.to_reference is None else str(arm.to_reference.interval)
