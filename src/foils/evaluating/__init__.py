"""Evaluate: full ranking, metrics per anchor with expected ties, intervals and paired tests."""

from foils.evaluating.evaluate import METRICS, Evaluation, evaluate_vectors
from foils.evaluating.metrics import Metric, evaluate_ranking, rank_ids
from foils.evaluating.qrels import Qrels
from foils.evaluating.significance import (
    Interval,
    PairedDifference,
    bootstrap_hierarchical,
    bootstrap_mean,
    bootstrap_ratio,
    paired_difference,
    paired_randomisation_test,
)

__all__ = [
    "METRICS",
    "Evaluation",
    "Interval",
    "Metric",
    "PairedDifference",
    "Qrels",
    "bootstrap_hierarchical",
    "bootstrap_mean",
    "bootstrap_ratio",
    "evaluate_ranking",
    "evaluate_vectors",
    "paired_difference",
    "paired_randomisation_test",
    "rank_ids",
]
