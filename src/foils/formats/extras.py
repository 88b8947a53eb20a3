"""Fields that a reader does not ask for by name: metadata, one Arrow array each, as ``Records.fields`` holds them.

Scalars are kept (strings, numbers, booleans); arrays and objects are passed over, but for the object ``metadata``,
whose own scalars are kept. A field of one type keeps it; one of several types becomes text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from foils.errors import DataError
from foils.formats.messages import quoted

MOST_EXTRAS = 256
"""Different names in one file: a corpus whose keys are data would cost rows × names."""
NESTED = "metadata"
WHOLE = r"^(0|-?[1-9][0-9]{0,17})$"
DECIMAL = r"^-?(0|[1-9][0-9]*)\.[0-9]+([eE][+-]?[0-9]+)?$"


class ExtraFields:
    """Gathers the other fields of JSON objects, a batch at a time."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = frozenset(known)
        self._decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
        self._batch: list[dict[str, Any] | None] = []
        self._chunks: dict[str, list[pa.Array]] = {}
        self._rows = 0

    def add(self, line: bytes) -> None:
        """Take the scalars of one object, which a typed decoder has accepted."""
        members = self._decode(line)
        others = members.keys() - self._known
        self._batch.append(_scalars({name: members[name] for name in members if name in others}) if others else None)

    def flush(self, place: str) -> None:
        """Turn the batch into Arrow arrays.

        Args:
            place: names the batch's last row.

        Raises:
            DataError: there are too many different names.
        """
        names = dict.fromkeys(name for record in self._batch if record for name in record)
        for name in names:
            values = [None if record is None else record.get(name) for record in self._batch]
            before = self._chunks.setdefault(name, [pa.nulls(self._rows)] if self._rows else [])
            before.append(_array(values))
        self._rows += len(self._batch)
        if len(self._chunks) > MOST_EXTRAS:
            raise DataError(
                f"{place}: up to here there are {len(self._chunks)} different fields besides "
                f"{', '.join(map(quoted, sorted(self._known)))}; metadata may have {MOST_EXTRAS} names: move data out "
                "of the names, or remove what is not needed"
            )
        for name in self._chunks.keys() - names.keys():
            self._chunks[name].append(pa.nulls(len(self._batch)))
        self._batch.clear()

    def finish(self) -> dict[str, pa.Array]:
        """Join the batches."""
        return {name: one_type(chunks) for name, chunks in self._chunks.items()}


def typed(column: pa.Array) -> pa.Array:
    """Read a column of text cells as numbers where every cell is one; an empty cell is null.

    Numbers with leading zeros stay text: they are codes.
    """
    filled = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
    if filled.null_count == len(filled):
        return filled
    for pattern, kind in ((WHOLE, pa.int64()), (f"{WHOLE}|{DECIMAL}", pa.float64())):
        if pc.all(pc.match_substring_regex(filled, pattern)).as_py():
            return filled.cast(kind)
    return filled


def kept_scalars(columns: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """Keep the columns whose values are scalars."""
    return {
        name: column
        for name, column in columns.items()
        if not pa.types.is_nested(column.type) and not pa.types.is_binary(column.type)
    }


def one_type(chunks: Sequence[pa.Array]) -> pa.Array:
    """Join arrays of one column: whole numbers and fractions become fractions, other mixtures text."""
    kinds = {chunk.type for chunk in chunks if not pa.types.is_null(chunk.type)}
    if kinds == {pa.int64(), pa.float64()}:
        target: pa.DataType = pa.float64()
    else:
        target = kinds.pop() if len(kinds) == 1 else pa.large_string()
    return pa.concat_arrays([chunk.cast(target) for chunk in chunks])


def _scalars(members: dict[str, msgspec.Raw]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, raw in members.items():
        value = msgspec.json.decode(raw)
        if name == NESTED and isinstance(value, dict):
            inner = {key: each for key, each in value.items() if _is_scalar(each)}
            # A name that is there twice keeps its outer meaning.
            found |= {f"{NESTED}.{key}" if key in members else key: each for key, each in inner.items()}
        elif _is_scalar(value):
            found[name] = value
    return found


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _array(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int, float}:
        kinds = {float}
    if kinds == {int} and all(value is None or -(2**63) <= value < 2**63 for value in values):
        return pa.array(values, pa.int64())
    arrow = {float: pa.float64(), bool: pa.bool_()}
    only = next(iter(kinds)) if len(kinds) == 1 else str
    if only in arrow:
        return pa.array(values, arrow[only])
    return pa.array([_text(value) for value in values], pa.large_string())


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
