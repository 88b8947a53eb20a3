"""The texts of a design's pairs, looked up once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from foils.collection import Collection
from foils.errors import InputError
from foils.formats.messages import quoted
from foils.positives import Int64, Positives
from foils.records import Records

LONGEST = 200_000
"""Characters of a text that are shown; the page says where one was cut."""
MOST_KNOWN = 50
"""Known positives that are shown; a user of a shop may have thousands."""
VISIBLE = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n\r"} | {
    code: "\ufffd" for code in range(0x7F, 0xA0)
}
"""Control characters → characters that can be seen."""


@dataclass(frozen=True)
class Shown:
    """A text as the page shows it; how many characters were left out."""

    title: str
    text: str
    left_out: int = 0


@dataclass(frozen=True, eq=False)
class Pairs:
    """Where the texts of n pairs are.

    Attributes:
        collection: the data.
        positives: the known ones.
        anchors: int64[n], rows.
        items: int64[n], rows.
    """

    collection: Collection
    positives: Positives
    anchors: Int64
    items: Int64

    @classmethod
    def of(cls, collection: Collection, split: str, pairs: list[tuple[str, str]]) -> Pairs:
        """Find the pairs' rows.

        Raises:
            InputError: the items have no text, or a pair is not in the data.
        """
        if collection.items.texts is None and collection.items.payloads is None:
            raise InputError("the items of this data have no texts, so there is nothing to read and to label")
        rows = []
        for records, names in zip((collection.anchors, collection.items), zip(*pairs, strict=True), strict=True):
            found = records.rows(pa.array(names, pa.large_string()))
            if (found < 0).any():
                name = names[int(np.argmax(found < 0))]
                raise InputError(f"the data has no record {quoted(name)}; give the data that the result was mined from")
            rows.append(found)
        return cls(collection, collection.positives((split,)).given(), *rows)

    def anchor(self, position: int) -> Shown:
        """Give a pair's anchor; one without text goes by its id."""
        return _shown(self.collection.anchors, int(self.anchors[position]))

    def candidate(self, position: int) -> Shown:
        """Give a pair's candidate."""
        return _shown(self.collection.items, int(self.items[position]))

    def known(self, position: int) -> tuple[list[Shown], int]:
        """Give the first known positives of a pair's anchor, and how many more there are."""
        rows = self.positives.row(int(self.anchors[position]))
        return [_shown(self.collection.items, int(row)) for row in rows[:MOST_KNOWN]], max(0, len(rows) - MOST_KNOWN)


def _shown(records: Records, row: int) -> Shown:
    title = text = ""
    if records.texts is not None:
        title, text = records.titles_and_texts(row, row + 1)[0]
    if not title.strip() and not text.strip():
        text = records.ids[row].as_py() if records.payloads is None else records.payloads[row].as_py()
    title, cut = title.strip()[:LONGEST], text.strip()[:LONGEST]
    return Shown(title.translate(VISIBLE), cut.translate(VISIBLE), max(0, len(text.strip()) - LONGEST))
