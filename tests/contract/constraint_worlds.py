"""Small collections with metadata and constraints, and the table of all pairs that these forbid, by plain loops.

Loaded by ``runpy.run_path``.
"""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from foils.collection import Collection
from foils.constraints import After, Allow, Before, Deny, Different, Same, resolve
from foils.formats.id_pairs import read_id_pairs

N_ANCHORS, N_ITEMS = 6, 25
PAIRS = [("0", "1"), ("0", "7"), ("0", "24"), ("3", "2"), ("5", "5")]
OTHER_PAIRS = [("0", "7"), ("1", "3"), ("4", "0")]
CHOICES = (
    Same("tenant"),
    Different("tenant"),
    Same("size"),
    Before("date"),
    After("date"),
    Before("size"),
    Allow(PAIRS),
    Allow(OTHER_PAIRS),
    Deny(PAIRS),
    Deny(OTHER_PAIRS),
)


@dataclass(frozen=True, eq=False)
class World:
    """A collection, its metadata as Python values, and constraints."""

    collection: Collection
    fields: tuple
    constraints: list
    mineable: np.ndarray

    @classmethod
    def make(cls, constraints, seed):
        rng = np.random.default_rng(seed)
        fields = tuple(
            {
                "tenant": [rng.choice(["a", "b", "c", None, ""]) for _ in range(count)],
                "date": [rng.choice(["2024-01-01", "2024-01-02", "2024-03-05", None]) for _ in range(count)],
                "size": [None if rng.random() < 0.1 else int(rng.integers(0, 4)) for _ in range(count)],
            }
            for count in (N_ANCHORS, N_ITEMS)
        )
        for side in fields:  # so that no side is without any value
            side["tenant"][0], side["date"][0], side["size"][0] = "a", "2024-01-02", 2
        pairs = [(anchor, item) for anchor in range(N_ANCHORS) for item in rng.choice(N_ITEMS, 3, replace=False)]
        collection = Collection.from_arrays(
            pairs, anchors=N_ANCHORS, items=N_ITEMS, anchor_fields=fields[0], item_fields=fields[1]
        )
        return cls(collection, fields, list(constraints), rng.random(N_ITEMS) < 0.9)

    def resolved(self):
        """Bind the constraints."""
        return resolve(self.constraints, self.collection, read_id_pairs)

    def table(self):
        """Give bool[A, I], True = a known positive, or forbidden by a list or a constraint."""
        positives = self.collection.positives()
        table = np.zeros((N_ANCHORS, N_ITEMS), bool)
        for anchor in range(N_ANCHORS):
            for item in range(N_ITEMS):
                holds = all(self._holds(one, anchor, item) for one in self.constraints)
                table[anchor, item] = not holds or item in positives.row(anchor)
        return table

    def _holds(self, constraint, anchor, item):
        pair = (str(anchor), str(item))
        if isinstance(constraint, Deny):
            return pair not in constraint.pairs
        if isinstance(constraint, Allow):
            return pair in constraint.pairs or pair[0] not in {first for first, _ in constraint.pairs}
        of_anchor, of_item = (
            side[constraint.field][row] for side, row in zip(self.fields, (anchor, item), strict=True)
        )
        if of_anchor in (None, "") or of_item in (None, ""):
            return False
        return {
            Same: of_item == of_anchor,
            Different: of_item != of_anchor,
            Before: of_item < of_anchor,  # ISO dates of one form sort as text
            After: of_item > of_anchor,
        }[type(constraint)]


@st.composite
def worlds(draw):
    """Draw a world with up to four constraints."""
    constraints = draw(st.lists(st.sampled_from(CHOICES), max_size=4))
    return World.make(constraints, draw(st.integers(0, 50)))
