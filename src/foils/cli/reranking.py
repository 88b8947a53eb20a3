"""``foils eval --rerank``: the best items of a first model, in the order of a cross-encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from foils.cli.console import progress
from foils.collection import Collection
from foils.evaluating import Rankings
from foils.positives import Int64
from foils.scorers.cross_encoder import cached_logits
from foils.scorers.cross_encoder_model import CrossEncoderModel
from foils.scorers.pair_cache import PairCache

QUERIES_AT_ONCE = 16


def rerank(
    collection: Collection, rankings: Rankings, model: CrossEncoderModel, depth: int, cache: Path | None
) -> Rankings:
    """Score the first ``depth`` items of each ranking anew; what lies below keeps its order, behind them.

    Args:
        collection: the texts.
        rankings: of the first model.
        model: the cross-encoder.
        depth: how many items are scored anew.
        cache: folder of the cache of scores; None = none.
    """
    scores = np.tile(-np.arange(rankings.items.shape[1], dtype=np.float32), (len(rankings.anchors), 1))
    pairs = PairCache.open(cache, model.identity())
    with progress("reranking") as report:
        for start in range(0, len(rankings.anchors), QUERIES_AT_ONCE):
            part = slice(start, min(start + QUERIES_AT_ONCE, len(rankings.anchors)))
            _score(collection, rankings, model, pairs, part, depth, scores)
            report(part.stop, len(rankings.anchors))
    scores[rankings.items < 0] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")
    return replace(
        rankings,
        items=np.take_along_axis(rankings.items, order, axis=1),
        scores=np.take_along_axis(scores, order, axis=1),
    )


def _score(
    collection: Collection,
    rankings: Rankings,
    model: CrossEncoderModel,
    pairs: PairCache,
    part: slice,
    depth: int,
    scores: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
) -> None:
    """Write the scores of some rankings in place."""
    items: Int64 = rankings.items[part, :depth]
    rows, columns = np.nonzero(items >= 0)
    found = cached_logits(collection, model, pairs, rankings.anchors[part][rows], items[rows, columns])
    scores[rows + part.start, columns] = found
    if len(found):  # below the worst of them
        scores[part, depth:] += found.min() - 1
