"""Functions that people already use, with their signatures, on foils' own parts.

``mine_hard_negatives`` takes what sentence-transformers' function of that name takes and gives a
``datasets.Dataset`` in the same four formats. Where the original's rule is right, the negatives and their
order are the same. Where it goes wrong without a word, this one does not; docs/compat.md shows each case.
"""

from foils.compat.hard_negatives import mine_hard_negatives
from foils.compat.request import ArgumentError
from foils.compat.summary import CompatWarning

__all__ = ["ArgumentError", "CompatWarning", "mine_hard_negatives"]
