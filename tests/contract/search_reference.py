"""A plain ranking that exact search must equal, bit for bit. Loaded by ``runpy.run_path``."""

from functools import partial

import numpy as np

from foils import _folds_numpy
from foils.positives import Relation
from foils.search import ExactIndex, Vectors
from foils.search.exact import no_mask


def nobody(n_anchors):
    return Relation(np.zeros(n_anchors + 1, np.int64), np.array([], np.int64))


def canonical(anchors, items):
    """Score all pairs canonically: float32[A, N]."""
    rows, columns = np.divmod(np.arange(len(anchors) * len(items)), len(items))
    scores = np.empty(len(rows), np.float32)
    _folds_numpy.dots(anchors, rows, items, columns, scores)
    return scores.reshape(len(anchors), len(items))


def reference(scores, k, barred):
    """Rank each row by (−score, item) without the barred items, by sorting Python tuples."""
    ids, best = np.full((len(scores), k), -1), np.full((len(scores), k), np.nan, np.float32)
    for row, cells in enumerate(scores.tolist()):
        ranked = sorted((-score, item) for item, score in enumerate(cells) if not barred[row, item])[:k]
        ids[row, : len(ranked)] = [item for _, item in ranked]
        best[row, : len(ranked)] = [-score for score, _ in ranked]
    return ids, best


def search(anchors, items, k, blocks, *, excluded=None, mineable=None, similarity="dot", forbidden=None):
    """Search as a run does: the index by blocks of items, the anchors by blocks too."""
    excluded = nobody(len(anchors)) if excluded is None else excluded
    index = ExactIndex(Vectors(items, similarity), np.ones(len(items), bool) if mineable is None else mineable)
    queries, found = Vectors(anchors, similarity), []
    for start in range(0, len(anchors), blocks.anchors):
        rows = np.arange(start, min(start + blocks.anchors, len(anchors)))
        masked = no_mask if forbidden is None else partial(forbidden.mask, rows)
        found.append(index.search(queries.read(rows), k, excluded.take(rows), blocks, masked))
    return np.concatenate([ids for ids, _ in found]), np.concatenate([scores for _, scores in found])


def check(anchors, items, k, blocks, *, excluded=None, mineable=None, similarity="dot"):
    found = search(anchors, items, k, blocks, excluded=excluded, mineable=mineable, similarity=similarity)
    scores = canonical(Vectors(anchors, similarity).read(slice(None)), Vectors(items, similarity).read(slice(None)))
    barred = np.zeros(scores.shape, bool)
    if excluded is not None:
        barred[excluded.coordinates()] = True
    if mineable is not None:
        barred[:, ~mineable] = True
    expected = reference(scores, k, barred)
    assert (found[0].dtype, found[1].dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    return found
