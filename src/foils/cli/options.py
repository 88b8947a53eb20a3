"""Options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foils.cli.console import note, progress
from foils.collection import Collection
from foils.encoders import encode_all, open_encoder
from foils.errors import InputError
from foils.search.vectors import Float32

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

Data = Annotated[Path, Parameter(help="BEIR folder or .zip: corpus.jsonl, queries.jsonl (plain or .gz), qrels/*.tsv.")]
Out = Annotated[Path, Parameter(help="Folder for the result.")]
Split = Annotated[str, Parameter(help="Whose judgements to use.")]
Seed = Annotated[int, Parameter(help="Of the noise; equal seeds give equal results.")]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")]
Fresh = Annotated[bool, Parameter(negative=(), help="Discard what an earlier run of foils left in --out.")]


def memory_bytes(text: str) -> int:
    """Read a size such as 2GB, 500MB or 800000000.

    >>> memory_bytes("2GB")
    2000000000
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, flags=re.IGNORECASE)
    if found is None:
        raise InputError(f"--memory {text}: expected a size such as 2GB or 500MB")
    return int(float(found[1]) * UNITS[found[2].upper()])


def read(data: Path) -> Collection:
    """Read the collection, and say what it holds."""
    collection = Collection.from_beir(data)
    note(f"{data}: {len(collection.anchors):,} queries, {len(collection.items):,} items, splits {', '.join(collection.splits)}")
    return collection


def encode(model: str, collection: Collection) -> tuple[Float32, Float32]:
    """Encode queries and corpus by a model, with progress."""
    encoder = open_encoder(model)
    with progress("encoding the queries") as report:
        anchors = encode_all(encoder, collection.anchors.full_texts(), report)
    with progress("encoding the corpus") as report:
        items = encode_all(encoder, collection.items.full_texts(), report)
    return anchors, items
