"""A collection with texts and vectors, and encoders that count."""

import numpy as np

from foils.collection import Collection

ANCHORS, ITEMS, DIM = 60, 300, 8


def vectors(rows, seed=0, dim=DIM):
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def collection():
    """Every anchor has one positive; items 10 and 11 have equal texts."""
    items = [f"item {number} {'word ' * (number % 9)}" for number in range(ITEMS)]
    items[11] = items[10]
    return Collection.from_arrays(
        [(anchor, anchor) for anchor in range(ANCHORS)], anchors=[f"anchor {a}" for a in range(ANCHORS)], items=items
    )


class Counting:
    """An encoder that knows what it was asked; its vectors follow from the texts alone."""

    def __init__(self, *, kept=True):
        self.asked, self.kept = [], kept

    def identity(self, side):
        return {"encoder": "counting"} if self.kept else None

    def encode(self, texts, side):
        self.asked += texts
        rows = [np.random.default_rng([*text.encode()]).standard_normal(DIM) for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), DIM)
