"""Bind constraints to a collection, and say what they are and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from foils.collection import Collection
from foils.constraints.fields import After, Before, Different, FieldConstraint, Same, bind_field
from foils.constraints.lists import Allow, Deny, ListConstraint, ReadPairs, bind_list
from foils.constraints.masks import Listed, Mask, hashed
from foils.errors import InputError
from foils.positives import Relation

Constraint = FieldConstraint | ListConstraint


@dataclass(frozen=True, eq=False)
class Resolved:
    """Constraints bound to a collection.

    Attributes:
        denied: pairs that are forbidden by lists; None where there is no such list.
        masks: constraints by metadata and lists of allowed items; a pair must pass all of them.
        digests: name of a constraint → hash of the values or pairs that it rests on.
        facts: what each of them is, for statistics: its name, and what is missing or how much is listed.
    """

    denied: Relation | None = None
    masks: tuple[Mask, ...] = ()
    digests: dict[str, str] = field(default_factory=dict)
    facts: tuple[dict[str, Any], ...] = ()


NONE = Resolved()
"""No constraint."""


@dataclass(frozen=True, eq=False)
class _Bound:
    """One constraint, bound: a mask or denied pairs."""

    name: str
    digest: str
    fact: dict[str, int]
    mask: Mask | None = None
    denied: Relation | None = None


def resolve(constraints: Sequence[Constraint], collection: Collection, read: ReadPairs) -> Resolved:
    """Bind constraints to a collection.

    Args:
        constraints: any of ``Same``, ``Different``, ``Before``, ``After``, ``Allow``, ``Deny``; neither their order nor
            repeating one matters.
        collection: what is mined.
        read: how a file of pairs is read.

    Raises:
        InputError: a constraint is none of these, or names a field that there is not.
        DataError: values cannot be compared, a list cannot be read, or names what the collection does not have.
    """
    bound = [_bound(one, collection, read) for one in _checked(constraints)]
    distinct = {(one.name, one.digest): one for one in bound}
    ordered = [distinct[key] for key in sorted(distinct)]
    denied = [one.denied for one in ordered if one.denied is not None]
    names = _numbered([one.name for one in ordered])
    return Resolved(
        denied=reduce(Relation.joined, denied) if denied else None,
        masks=tuple(one.mask for one in ordered if one.mask is not None),
        digests={name: one.digest for name, one in zip(names, ordered, strict=True)},
        facts=tuple({"constraint": name} | one.fact for name, one in zip(names, ordered, strict=True)),
    )


def _checked(constraints: Any) -> Sequence[Constraint]:
    known = (Same, Different, Before, After, Allow, Deny)
    names = ", ".join(kind.__name__ for kind in known)
    if not isinstance(constraints, list | tuple):
        raise InputError(f"constraints is {constraints!r:.60}; give a list of those in foils.constraints: {names}")
    for one in constraints:
        if not isinstance(one, known):
            raise InputError(f"{one!r:.60} is no constraint; give a list of those in foils.constraints: {names}")
    return constraints


def _bound(constraint: Constraint, collection: Collection, read: ReadPairs) -> _Bound:
    if isinstance(constraint, FieldConstraint):
        compared = bind_field(constraint, collection)
        fact = {
            "anchors_without_value": int(compared.anchors_missing.sum()),
            "items_without_value": int(compared.items_missing.sum()),
        }
        return _Bound(f"{constraint.kind} {constraint.field}", compared.digest, fact, mask=compared)
    pairs = bind_list(constraint, collection, read)
    listed = pairs.degrees > 0
    fact = {"pairs": len(pairs.items), "anchors_listed": int(listed.sum())}
    if isinstance(constraint, Deny):
        return _Bound(constraint.kind, hashed(pairs.indptr, pairs.items), fact, denied=pairs)
    allowed = Listed(pairs, listed)
    return _Bound(constraint.kind, allowed.digest, fact, mask=allowed)


def _numbered(names: Sequence[str]) -> list[str]:
    """Tell constraints of one name apart: ``allow``, ``allow 2``."""
    counts = [names[:place].count(name) + 1 for place, name in enumerate(names)]
    return [name if count == 1 else f"{name} {count}" for name, count in zip(names, counts, strict=True)]
