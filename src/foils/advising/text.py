"""An advice in words: the sentences, a table of the arms, and what following it costs."""

from __future__ import annotations

from foils.advising.result import Advice, Arm
from foils.evaluating import PairedDifference
from foils.planning.text import about

TRAINED = {"static": "a static encoder", "adapter": "an adapter behind frozen vectors"}
HEAD = ("negatives", "nDCG@10", "difference to in-batch", "difference to uniform", "seconds")
WIDTHS = (14, 9, 25, 25, 7)


def describe(advice: Advice) -> str:
    """Write an advice as text."""
    tried = (
        f"{TRAINED[advice.kind]}, {advice.settings.seeds} seeds: trained on {advice.train_anchors:,} anchors, "
        f"evaluated on {advice.held_out_anchors:,} others over {advice.items:,} items"
    )
    lines = [*advice.sentences, "", tried, "", _row(HEAD), *map(_arm, advice.arms)]
    if advice.cost is not None:
        mining, training = about(advice.cost.mining_seconds), about(advice.cost.training_seconds)
        lines += ["", f"on all of the data: mining takes {mining}, one training {training}"]
    together = "intervals hold together at 95 %; they are over seeds and held-out anchors"
    return "\n".join([*lines, "", together])


def _arm(arm: Arm) -> str:
    seconds = arm.mining_seconds + arm.training_seconds
    differences = map(_difference, (arm.to_reference, arm.to_uniform))
    return _row((arm.name, f"{arm.ndcg:.3f}", *differences, f"{seconds:.1f}"))


def _difference(found: PairedDifference | None) -> str:
    return "" if found is None else str(found.interval)


def _row(cells: tuple[str, ...]) -> str:
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()
