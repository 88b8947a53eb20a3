"""Options that limit which items a query may get: by metadata, and by lists."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from foils.constraints import After, Allow, Before, Constraint, Deny, Different, Same

CONSTRAINTS = Group("Constraints", help="Which items a query may get at all; all of them must hold. May be repeated.")


def _fields(text: str) -> Parameter:
    return Parameter(negative=(), group=CONSTRAINTS, help=text)


Sames = Annotated[list[str], _fields("Field of which the item must have the query's value, such as language.")]
Differents = Annotated[list[str], _fields("Field of which the item must have another value.")]
Befores = Annotated[list[str], _fields("Date or number that must be below the query's.")]
Afters = Annotated[list[str], _fields("Date or number that must be above the query's.")]
Allows = Annotated[
    list[Path],
    _fields("File of anchor_id and item_id (.tsv, .csv, .jsonl, .parquet): the only items that these queries may get."),
]
Denies = Annotated[list[Path], _fields("File of anchor_id and item_id: pairs that are never candidates.")]


def constraints(
    *,
    same: list[str] | None,
    different: list[str] | None,
    before: list[str] | None,
    after: list[str] | None,
    allow: list[Path] | None,
    deny: list[Path] | None,
) -> list[Constraint]:
    """Make constraints of the options."""
    by_field: list[Constraint] = [
        kind(field)
        for kind, fields in ((Same, same), (Different, different), (Before, before), (After, after))
        for field in fields or ()
    ]
    by_list: list[Constraint] = [kind(path) for kind, paths in ((Allow, allow), (Deny, deny)) for path in paths or ()]
    return by_field + by_list
