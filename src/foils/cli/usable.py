"""Whether there is anything to do with a result, for what commands say last."""

from __future__ import annotations

from foils.mining import Mined
from foils.mining.reach import beyond_reach

MOSTLY = 0.5
"""Above this share of candidates that a model was to judge and did not, a result is as good as unjudged."""


def unusable(mined: Mined) -> str:
    """Say why a result is not to be trained with or audited; "" = it is."""
    stats = mined.stats
    if not stats["negatives"]:
        return "there are no negatives at all, and what rejected them stands above: nothing can be trained or audited"
    if beyond_reach(mined.recipe):
        return "what negatives there are no rule could judge: mend the rate first, as the warning above says"
    unscored = max(stats.get("unscored_pairs", {}).values(), default=0)
    if unscored > MOSTLY * stats["candidates"]:
        return (
            f"{unscored:,} pairs have no score, so that these negatives are as good as unjudged: give the same command "
            "with a larger budget, or to an endpoint that answers, before they are used"
        )
    return ""
