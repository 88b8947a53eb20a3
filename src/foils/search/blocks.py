"""How much of a search is worked on at once."""

from __future__ import annotations

from dataclasses import dataclass

MOST_ANCHORS = 1024
"""More share each read of the items; their scores against a block of items should stay near the processor."""
MOST_ITEMS = 512
MOST_PAIRS = 1024

ITEM_BYTES = 16
"""Bytes of one component of an item's vector while it is read: as stored, float32, and rounded."""
CELL_BYTES = 8
"""Bytes of one cell of an anchors × items block: its score, and masks."""
PLACES = 6
"""Of a shortlist, for each of the best that are wanted: a rough screen cannot tell more of them from the best."""
PLACE_BYTES = 12
"""Bytes of one place of a shortlist: an item, its score, and a better one while it is settled."""
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
        first: anchors of a block at the first look, which may be far from the deepest; 0 = ``anchors``.
    """

    anchors: int
    items: int
    pairs: int
    first: int = 0

    @classmethod
    def within(cls, memory_bytes: int, *, dim: int, depth: int, first_depth: int | None = None) -> Blocks:
        """Derive blocks that fit in this many bytes: up to a third for items, as much for pairs; the rest: anchors.

        Args:
            memory_bytes: of one thread.
            dim: of the vectors.
            depth: of the deepest search.
            first_depth: of the first; None = the same.
        """
        room = max(memory_bytes - FIXED_BYTES, 0)
        items = max(1, min(MOST_ITEMS, room // (3 * ITEM_BYTES * dim)))
        pairs = max(1, min(MOST_PAIRS, room // (3 * PAIR_BYTES * dim)))
        room -= ITEM_BYTES * dim * items + PAIR_BYTES * dim * pairs
        anchors, first = (
            max(1, min(MOST_ANCHORS, room // _anchor_bytes(dim, deep, items))) for deep in (depth, first_depth or depth)
        )
        return cls(anchors, items, pairs, first)

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
        return max(1, min(PLACES * max(k, 256), n_items))


def _anchor_bytes(dim: int, depth: int, items: int) -> int:
    """Count its vector, its scores against a block of items, its shortlist, and what becomes of it."""
    return 8 * dim + CELL_BYTES * items + PLACE_BYTES * PLACES * max(depth, 256) + CANDIDATE_BYTES * depth
