"""Ids that a file names, looked up among the records of another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from foils.collection import Records
from foils.errors import DataError
from foils.formats.messages import quoted
from foils.formats.rows import first_true
from foils.positives import Int64


@dataclass(frozen=True)
class Known:
    """Ids that may be named.

    Attributes:
        what: what they are, for messages.
        records: the records that have them.
        file: the file that the records came from.
    """

    what: str
    records: Records
    file: str

    def holds(self, name: str) -> bool:
        """Tell whether a record has this id."""
        return bool(pc.any(pc.equal(self.records.ids, name)).as_py())

    def rows(self, ids: pa.Array, place: Callable[[int], str]) -> Int64:
        """Find the rows of ids, one of each line of a file: int64[L].

        Raises:
            DataError: an id is unknown; names the first.
        """
        rows = self.records.rows(ids)
        unknown = rows < 0
        if not unknown.any():
            return rows
        row = first_true(unknown)
        name = ids[row].as_py()
        without_space = " (it is there without the white space)" if self.holds(name.strip()) else ""
        raise DataError(
            f"{place(row)}: the {self.what} id {quoted(name)} is not in {self.file}{without_space}; "
            f"{int(unknown.sum())} of the file's {len(rows)} lines name an unknown {self.what}. Add what is missing, "
            "or remove these lines"
        )
