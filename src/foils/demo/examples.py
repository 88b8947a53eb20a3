"""Real cases of hidden positives among the negatives, to look at."""

from __future__ import annotations

import hashlib

import numpy as np

from foils.demo.measures import Float32, cosines
from foils.demo.result import Example
from foils.demo.truth import Int64, Truth

MOST = 6
BODY_CHARACTERS = 300


def find_examples(truth: Truth, items: Int64, anchors: Float32, item_vectors: Float32) -> list[Example]:
    """Pick hidden positives among ranked negatives: one per package, other answers and twins by turns.

    Args:
        truth: who answers what.
        items: int64[T, M], item rows of the best M by score, best first; negative = absent.
        anchors: float32[T, d], the vectors that ranked them.
        item_vectors: float32[I, d].
    """
    cells = np.argwhere(truth.hidden(items))
    twins = truth.twins(items)[*cells.T]
    names = [truth.corpus.names[truth.items[items[anchor, place]]] for anchor, place in cells]
    by_hash = sorted(range(len(cells)), key=lambda cell: hashlib.sha256(names[cell].encode()).digest())
    chosen: list[int] = []
    seen: set[str] = set()
    for kind in (False, True) * MOST:
        fitting = (cell for cell in by_hash if twins[cell] == kind and names[cell].split(".")[0] not in seen)
        cell = next(fitting, None)
        if cell is not None and len(chosen) < MOST:
            chosen.append(cell)
            seen.add(names[cell].split(".")[0])
    rows, places = cells[chosen].T
    negatives, labelled = items[rows, places], truth.labelled[rows]
    scores = cosines(anchors[rows], item_vectors[negatives]), cosines(anchors[rows], item_vectors[labelled])
    return [
        Example(
            anchor=truth.corpus.anchors[truth.train[anchor]],
            labelled=truth.corpus.names[truth.items[right]],
            negative=truth.corpus.names[truth.items[negative]],
            kind="twin" if truth.item_body[negative] == truth.item_body[right] else "another answer",
            body=" ".join(truth.corpus.bodies[truth.item_body[negative]].split())[:BODY_CHARACTERS],
            rank=int(place) + 1,
            score=float(score),
            labelled_score=float(labelled_score),
        )
        for anchor, place, negative, right, score, labelled_score in zip(
            rows, places, negatives, labelled, *scores, strict=True
        )
    ]
