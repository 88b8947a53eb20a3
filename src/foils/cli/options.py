"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import CoercionError, Parameter, Token
from cyclopts.validators import Number

from foils.cli.console import note, progress
from foils.collection import Collection
from foils.encoders import Encoder, encode_records
from foils.errors import InputError
from foils.search import SearchMode
from foils.search.vectors import Float32

SIZE = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([KMGT]?)(i?)B?\s*", flags=re.ASCII | re.IGNORECASE)


def whole_number(_: type, tokens: Sequence[Token]) -> int:
    """Read a whole number; 2.7 is none, and is not rounded.

    Raises:
        CoercionError: it is no whole number.
    """
    if not re.fullmatch(r"[+-]?\d{1,19}", tokens[0].value, flags=re.ASCII):
        raise CoercionError(token=tokens[0], target_type=int)
    return int(tokens[0].value)


Whole = Annotated[int, Parameter(converter=whole_number)]
Model = Annotated[str, Parameter(help="Folder of an encoder, owner/name on the Hugging Face hub, or minilm.")]
Seed = Annotated[
    Whole, Parameter(help="Of all random choices; equal seeds give equal results.", validator=Number(gte=0, lt=2**63))
]
Search = Annotated[
    SearchMode,
    Parameter(
        help="How all items are scored in an exact search: in float32 (exact), in bfloat16 or int8 first where that is "
        "faster (screened), or by whatever is fastest (auto). The result is the same."
    ),
]
Memory = Annotated[str, Parameter(help="For blocks of vectors, scores and candidates: a size such as 500MB.")]
Threads = Annotated[Whole, Parameter(help="Worker threads.", validator=Number(gte=1))]
Json = Annotated[bool, Parameter(name="--json", negative=(), show_default=False, help="Print the result as JSON.")]


def memory_bytes(text: str) -> int:
    """Read a size such as 2GB, 1.5GiB or 800000000.

    >>> memory_bytes("2GB")
    2000000000

    Raises:
        InputError: it is no size.
    """
    found = SIZE.fullmatch(text)
    if found is None:
        raise InputError(f"--memory {text}: expected a size such as 2GB or 500MB")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " KMGT".index(unit.upper() or " "))


def encode(encoder: Encoder, collection: Collection, cache: Path | None, *, name: str = "") -> tuple[Float32, Float32]:
    """Encode queries and corpus by a model, with progress; what the cache holds is not encoded again.

    Args:
        encoder: the model.
        collection: queries and corpus.
        cache: folder of the cache; None = none.
        name: tells several models apart.
    """
    by = f" by {name}" if name else ""
    with progress(f"encoding the queries{by}", before="from the cache", now="encoded") as report:
        anchors = encode_records(encoder, collection.anchors, "anchors", cache=cache, progress=report, say=note)
    with progress(f"encoding the corpus{by}", before="from the cache", now="encoded") as report:
        items = encode_records(encoder, collection.items, "items", cache=cache, progress=report, say=note)
    return anchors, items
