"""Evaluate: full ranking, metrics per anchor with expected ties, intervals and paired tests."""

from foils.evaluating.evaluate import METRICS, Evaluation, Rankings, depth_of, evaluate_vectors, rank_vectors
from foils.evaluating.metrics import Metric, evaluate_ranking, rank_ids
from foils.evaluating.qrels import Qrels
from foils.evaluating.significance import (
    Interval,
    PairedDifference,
    bootstrap_hierarchical,
    bootstrap_mean,
    bootstrap_ratio,
    paired_difference,
)

__all__ = [
    "METRICS",
    "Evaluation",
    "Interval",
    "Metric",
    "PairedDifference",
    "Qrels",
    "Rankings",
    "bootstrap_hierarchical",
    "bootstrap_mean",
    "bootstrap_ratio",
    "depth_of",
    "evaluate_ranking",
    "evaluate_vectors",
    "paired_difference",
    "rank_ids",
    "rank_vectors",
]
