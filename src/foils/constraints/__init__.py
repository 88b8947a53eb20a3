"""Constraints: which items an anchor may get at all. They act inside every source, before its cut to k.

By metadata (``Collection.anchors.fields`` and ``.items.fields``), for anchor a and item i:

    Same(f)        f(i) = f(a): the same language, tenant, category
    Different(f)   f(i) ≠ f(a): another author, another patient
    Before(f)      f(i) < f(a) for certain: published before the question was asked (ISO dates, or numbers)
    After(f)       f(i) > f(a) for certain

By lists of (anchor id, item id):

    Allow(pairs)   an anchor that the list names gets items of its list and no others; one that it does not name is free
    Deny(pairs)    these pairs are never candidates

A pair must pass all of them. What cannot be compared is forbidden: where the anchor or the item has no value (null, NaN
or an empty string), nobody can say that the constraint holds. Such anchors get no candidates, such items are nobody's,
and both are counted.
"""

from foils.constraints.fields import After, Before, Different, FieldConstraint, Same
from foils.constraints.lists import Allow, Deny, IdPairs, ListConstraint, ReadPairs
from foils.constraints.masks import Mask
from foils.constraints.resolve import NONE, Constraint, Resolved, resolve

__all__ = [
    "NONE",
    "After",
    "Allow",
    "Before",
    "Constraint",
    "Deny",
    "Different",
    "FieldConstraint",
    "IdPairs",
    "ListConstraint",
    "Mask",
    "ReadPairs",
    "Resolved",
    "Same",
    "resolve",
]
