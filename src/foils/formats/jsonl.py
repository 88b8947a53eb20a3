"""JSON Lines: one object per line. A typed decoder reads; a refused line is read again for its message."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from foils.errors import DataError
from foils.formats.extras import ExtraFields
from foils.formats.files import Source
from foils.formats.lines import numbered_lines, place_of
from foils.formats.messages import nearest, quoted
from foils.formats.rows import BATCH_ROWS, Builder, Field, Rows

TYPES: dict[str, Any] = {"text": str, "id": str | int, "ids": list[str | int], "number": float}
PYTHON_TYPES: dict[str, tuple[type, ...]] = {"text": (str,), "id": (str, int), "ids": (list,), "number": (int, float)}
JSON_NAMES = {
    "NoneType": "null",
    "bool": "a boolean",
    "int": "a number",
    "float": "a number with a fraction",
    "str": "a string",
    "list": "an array",
    "dict": "an object",
}


def read_jsonl(source: Source, fields: Sequence[Field], *, others: bool = False) -> Rows:
    """Read the fields of every object; blank lines are passed over.

    Args:
        source: the file.
        fields: the fields to read.
        others: whether the other fields are kept, too, as far as they are scalars.

    Raises:
        DataError: a line is not a JSON object, or a field is missing or of the wrong type.
    """
    decode = _decoder(fields)
    extras = ExtraFields(field.name for field in fields) if others else None
    builder, batch, number = Builder(fields), [], 0
    for number, line in numbered_lines(source):
        try:
            batch.append(decode(line))
        except (ValueError, RecursionError) as error:  # all of msgspec's errors are ValueErrors
            raise DataError(f"{source.name}, line {number}: {_fault(line, fields, error)}") from error
        if extras is not None:
            extras.add(line)
        if len(batch) == BATCH_ROWS:
            _flush(batch, fields, builder, extras, f"{source.name}, line {number}")
    _flush(batch, fields, builder, extras, f"{source.name}, line {number}")
    return builder.finish(partial(place_of, source), None if extras is None else extras.finish())


def _flush(batch: list[Any], fields: Sequence[Field], builder: Builder, extras: ExtraFields | None, at: str) -> None:
    builder.add(_columns(batch, fields))
    batch.clear()
    if extras is not None:
        extras.flush(at)


def _decoder(fields: Sequence[Field]) -> Callable[[bytes], Any]:
    members: list[Any] = []
    for at, field in enumerate(fields):
        if field.required:
            members.append((f"f{at}", TYPES[field.kind], msgspec.field(name=field.name)))
        else:
            members.append((f"f{at}", TYPES[field.kind] | None, msgspec.field(name=field.name, default=None)))
    record = msgspec.defstruct("Record", members, kw_only=True, gc=False)
    return msgspec.json.Decoder(record).decode


def _columns(batch: list[Any], fields: Sequence[Field]) -> list[list[Any]]:
    columns = [[getattr(record, f"f{at}") for record in batch] for at in range(len(fields))]
    for field, column in zip(fields, columns, strict=True):
        if field.kind == "id":
            column[:] = [str(value) if isinstance(value, int) else value for value in column]
        if field.kind == "ids":
            column[:] = [value and [str(each) for each in value] for value in column]
    return columns


def _fault(line: bytes, fields: Sequence[Field], error: Exception) -> str:
    """Say what is wrong with a line that the decoder refused."""
    try:
        record = json.loads(line)
    except RecursionError:
        return "the JSON is nested too deeply; expected an object of plain fields"
    except ValueError as fault:
        where = f"{fault.msg} at column {fault.colno}" if isinstance(fault, json.JSONDecodeError) else str(fault)
        return f"invalid JSON ({where}); write one JSON object per line, and no array around them"
    if not isinstance(record, dict):
        return f"found {JSON_NAMES[type(record).__name__]}, expected one JSON object per line"
    for field in fields:
        fault_found = _field_fault(record, field)
        if fault_found:
            return fault_found
    return _surrogate_fault(record) or f"invalid JSON ({error}); write one JSON object per line"


def _field_fault(record: dict[str, Any], field: Field) -> str | None:
    if field.name not in record:
        if not field.required:
            return None
        return f"the field {quoted(field.name)} is missing; add it, or {field.another}: {nearest(field.name, record)}"
    value: Any = record[field.name]
    if value is None and not field.required:
        return None
    if isinstance(value, bool) or not isinstance(value, PYTHON_TYPES[field.kind]):
        kind = JSON_NAMES[type(value).__name__]
        return f"the field {quoted(field.name)} is {kind} ({quoted(value)}); expected {field.expected}"
    if field.kind == "ids" and not _all_ids(value):
        return f"the field {quoted(field.name)} is {quoted(value)}; expected {field.expected}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"the field {quoted(field.name)} is {value}; expected a finite number"
    return None


def _all_ids(values: Any) -> bool:
    return all(type(value) in (str, int) for value in values)


def _surrogate_fault(record: dict[str, Any]) -> str | None:
    for key, value in record.items():
        try:
            json.dumps([key, value], ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return (
                f"the field {quoted(key)} holds a lone surrogate, half of a character ({quoted(value)}); "
                "repair the text, "
                "for instance with text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
            )
    return None
