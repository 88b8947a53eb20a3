"""How much of a search is worked on at once."""

from __future__ import annotations

from dataclasses import dataclass

MOST_ANCHORS = 512
"""More share each read of the items; their scores against a block of items should stay near the processor."""
MOST_ITEMS = 512
MOST_PAIRS = 1024

ITEM_BYTES = 16
"""Bytes of one component of an item's vector while it is read: as stored, float32, and rounded."""
CELL_BYTES = 8
"""Bytes of one cell of an anchors × items block: its score, and masks."""
PLACE_BYTES = 16
"""Bytes of one place of a shortlist: an item, its score, and their copies while they are ordered."""
PAIR_BYTES = 24
"""Bytes of one component of a pair that is scored canonically."""
CANDIDATE_BYTES = 200
"""Bytes of a candidate on its way through scorers, rules, the sampler and the tables."""
FIXED_BYTES = 4_000_000
"""Bytes of the rows of a block that are looked at together."""


@dataclass(frozen=True)
class Blocks:
    """How much is worked on at once, by one thread.

    Attributes:
        anchors: anchors of a block.
        items: items of a block.
        pairs: pairs scored canonically at a time.
    """

    anchors: int
    items: int
    pairs: int

    @classmethod
    def within(cls, memory_bytes: int, *, dim: int, depth: int) -> Blocks:
        """Derive blocks that fit in this many bytes: a third each for item vectors, for pairs, and for the anchors'."""
        third = max(memory_bytes - FIXED_BYTES, 0) // 3
        items = max(1, min(MOST_ITEMS, third // (ITEM_BYTES * dim)))
        anchors = max(1, min(MOST_ANCHORS, third // _anchor_bytes(dim, depth, items)))
        return cls(anchors, items, max(1, min(MOST_PAIRS, third // (PAIR_BYTES * dim))))

    @staticmethod
    def least_bytes(*, dim: int, depth: int) -> int:
        """Give the smallest budget of one thread that ``within`` keeps to: blocks of one anchor, item and pair."""
        return FIXED_BYTES + 3 * max(PAIR_BYTES * dim, _anchor_bytes(dim, depth, 1))

    def most_bytes(self, *, dim: int, depth: int, n_items: int) -> int:
        """Give what one thread may need for these blocks, with ``n_items`` in all."""
        items = min(self.items, n_items)
        anchors = self.anchors * _anchor_bytes(dim, depth, items)
        return FIXED_BYTES + ITEM_BYTES * dim * items + anchors + PAIR_BYTES * dim * self.pairs

    @staticmethod
    def room(k: int, n_items: int) -> int:
        """Say how many items a shortlist for the best k holds."""
        return max(1, min(4 * max(k, 256), n_items))


def _anchor_bytes(dim: int, depth: int, items: int) -> int:
    """Count its vector, its scores against a block of items, its shortlist, and what becomes of it."""
    return 8 * dim + CELL_BYTES * items + PLACE_BYTES * 4 * max(depth, 256) + CANDIDATE_BYTES * depth
