"""Options that limit which items a query may get: by metadata, and by lists."""

from __future__ import annotations

from dataclasses import dataclass
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


@Parameter(name="*")
@dataclass(frozen=True)
class Limits:
    """Which items a query may get."""

    same: Sames | None = None
    different: Differents | None = None
    before: Befores | None = None
    after: Afters | None = None
    allow: Allows | None = None
    deny: Denies | None = None

    def constraints(self) -> list[Constraint]:
        """Make the constraints."""
        fields = ((Same, self.same), (Different, self.different), (Before, self.before), (After, self.after))
        by_field: list[Constraint] = [kind(name) for kind, names in fields for name in names or ()]
        lists = ((Allow, self.allow), (Deny, self.deny))
        return by_field + [kind(path) for kind, paths in lists for path in paths or ()]


UNLIMITED = Limits()
