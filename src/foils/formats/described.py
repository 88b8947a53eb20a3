"""Records from a table that describes users, items, entities or labels: an id, perhaps a name and a text, and more.

What has no text although others have one is called by its id: without text it could never be mined.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from foils.collection import Records
from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.messages import quoted
from foils.formats.rows import Field, Rows
from foils.formats.tables import read_table

TITLES, TEXTS = ("title", "name"), ("text", "description")
IMAGE = "image"


def read_described(source: Source, ids: Sequence[str]) -> Records:
    """Read a table of records.

    Args:
        source: the table.
        ids: names that the column of ids may have; the first that is there counts.

    Raises:
        DataError: there is no column of ids, or an id is given twice.
    """
    names = [*ids, *TITLES, *TEXTS, IMAGE]
    fields = [Field(name, "id" if name in ids else "text", required=False) for name in names]
    rows = read_table(source, fields, others=True)
    given = [name for name in ids if rows.columns[name].null_count < len(rows)]
    if not given:
        raise DataError(f"{source.name}: there is no column of ids; call it {' or '.join(map(quoted, ids))}")
    rows.all_or_none(given[0])
    rows.reject_repeated(given[0])
    return _records(rows, given[0], source)


def by_appearance(ids: pa.Array) -> Records:
    """Make records, without text, of the ids that a column holds."""
    return Records(ids.unique())


def _records(rows: Rows, id_name: str, source: Source) -> Records:
    ids = rows.columns[id_name]
    titles, texts, images = (_first(rows, names) for names in (TITLES, TEXTS, (IMAGE,)))
    if texts is None:
        titles, texts = None, titles
    if texts is not None and images is None:
        blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
        if titles is not None:
            blank = pc.and_(blank, pc.equal(pc.utf8_trim_whitespace(titles), ""))
        texts = pc.if_else(blank, ids, texts)
    if images is not None and texts is None:
        texts = pa.repeat(pa.scalar("", pa.large_string()), len(ids))
    folder = None if images is None or source.member is not None else source.path.parent
    return Records(ids, texts, titles, images, dict(rows.others), folder)


def _first(rows: Rows, names: Sequence[str]) -> pa.LargeStringArray | None:
    """Give the first of the columns that says anything, "" for null."""
    for name in names:
        filled = pc.fill_null(rows.columns[name], "")
        if pc.max(pc.binary_length(pc.utf8_trim_whitespace(filled))).as_py():
            return filled
    return None
