"""The rows of the table, estimated from all seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from foils.demo.experiment import MINED_ONLY, REFERENCE, Outcome
from foils.demo.measures import Float64, false_negative_rate
from foils.demo.result import Difference, Estimate, Row
from foils.demo.settings import RECIPES, ROUNDS
from foils.demo.truth import Int64, Truth
from foils.evaluating import paired_difference

BM25 = "BM25"


def table_rows(truth: Truth, outcomes: Sequence[Outcome], bm25: Float64) -> list[Row]:
    """Estimate what the table shows.

    Args:
        truth: which negatives are hidden positives.
        outcomes: of each seed.
        bm25: float64[Q], the metric of the lexical ranking, which has no seed.
    """
    reference = _ndcg(outcomes, REFERENCE)
    alone, lexical = _ndcg(outcomes, MINED_ONLY), np.broadcast_to(bm25, reference.shape)
    return [
        Row(name=REFERENCE, role="reference", ndcg=float(reference.mean())),
        *(_recipe_row(truth, outcomes, recipe, reference) for recipe in RECIPES),
        Row(name=MINED_ONLY, role="mined only", ndcg=float(alone.mean()), difference=_difference(alone, reference)),
        Row(name=BM25, role="lexical", ndcg=float(bm25.mean()), difference=_difference(lexical, reference)),
    ]


def _recipe_row(truth: Truth, outcomes: Sequence[Outcome], recipe: str, reference: Float64) -> Row:
    mined = [outcome.hidden[recipe] for outcome in outcomes]
    ndcg = _ndcg(outcomes, recipe)
    return Row(
        name=recipe,
        role="recipe",
        hidden=_rate(truth, mined),
        resolved=_rate(truth, [outcome.resolved[recipe] for outcome in outcomes]),
        hardness=float(np.nanmean([outcome.gaps[recipe] for outcome in outcomes])),
        negatives=sum(int((items >= 0).sum()) for items in mined),
        ndcg=float(ndcg.mean()),
        difference=_difference(ndcg, reference),
    )


def _rate(truth: Truth, mined: Sequence[Int64]) -> Estimate:
    return false_negative_rate(np.stack([truth.hidden(items) for items in mined]), np.stack(mined))


def _ndcg(outcomes: Sequence[Outcome], row: str) -> Float64:
    """float64[S, Q]."""
    return np.stack([outcome.ndcg[row] for outcome in outcomes])


def _difference(values: Float64, reference: Float64) -> Difference:
    compared = paired_difference(values, reference, rounds=ROUNDS)
    interval = compared.interval
    return Difference(interval.estimate, interval.low, interval.high, compared.p_value)
