"""How long encoding takes: a second of the missing texts is encoded, groups of equal length from all lengths.

An encoder pads the texts of a batch to the longest, and the run sorts by length; so a group holds neighbours in the
order of lengths, and groups lie at quantiles spread by the golden ratio: whenever time is up, they cover all lengths.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foils.collection import Collection
from foils.encoders import Encoder, Side, encode_records, texts_at, texts_to_encode
from foils.planning.result import Encoding
from foils.planning.stand_ins import stand_in
from foils.positives import Int64
from foils.records import Records
from foils.search.vectors import Matrix

PROBE_SECONDS = 1.0
GROUPS, MOST_GROUPS = 3, 64
"""Groups that are timed at least, and at most."""
GROUP_SECONDS = 0.4
"""About as long a group should take."""
LONGEST_SECONDS = 3.0
"""A group that takes this long is not made larger, whatever that would gain."""
MOST_TEXTS = 512
"""Texts of a group at most."""
GROWTH = 4
GAIN = 1.5
"""Texts are encoded together as long as that makes each quicker by this factor."""
GOLDEN = 0.6180339887498949
Sides = tuple[Matrix, Matrix]


def plan_encoding(
    name: str, encoder: Encoder, collection: Collection, cache: Path | None
) -> tuple[tuple[Encoding, Encoding], Sides]:
    """Measure the encoding of both sides.

    Returns:
        What it takes, and the vectors: real ones where the cache holds all of them, else stand-ins.
    """
    anchors, anchor_vectors = _side(name, encoder, collection.anchors, "anchors", cache)
    items, item_vectors = _side(name, encoder, collection.items, "items", cache)
    return (anchors, items), (anchor_vectors, item_vectors)


def _side(name: str, encoder: Encoder, records: Records, side: Side, cache: Path | None) -> tuple[Encoding, Matrix]:
    missing = texts_to_encode(encoder, records, side, cache=cache)
    kept = cache is not None and encoder.identity(side) is not None
    if not len(missing):
        started = time.perf_counter()
        vectors: Matrix = encode_records(encoder, records, side, cache=cache)
        seconds = time.perf_counter() - started
        return Encoding(name, side, len(records), 0, vectors.shape[1], 0, seconds, kept), vectors
    dim, probed, per_text = _rate(encoder, records, side, missing)
    planned = Encoding(name, side, len(records), len(missing), dim, probed, per_text * len(missing), kept)
    return planned, stand_in(len(records), dim)


def _rate(encoder: Encoder, records: Records, side: Side, rows: Int64) -> tuple[int, int, float]:
    """Encode some texts: dimensions, texts encoded, seconds per text."""
    ordered = rows[np.argsort(_lengths(records, rows), kind="stable")]
    dim = encoder.encode(texts_at(records, ordered[:1]), side).shape[1]  # loads the weights
    size, probed, spent, rates = _group_size(encoder, records, side, ordered), 0, 0.0, []
    for group in _groups(len(ordered), size):
        seconds = _timed(encoder, records, side, ordered[group])
        rates.append(seconds / size)
        spent, probed = spent + seconds, probed + size
        if probed >= len(ordered) or (spent >= PROBE_SECONDS and len(rates) >= GROUPS):
            break
    return dim, min(probed, len(ordered)), float(np.mean(rates))


def _group_size(encoder: Encoder, records: Records, side: Side, ordered: Int64) -> int:
    """Find how many texts, of middle length, to encode together."""
    size, per_text = 1, float("inf")
    while True:
        start = (len(ordered) - size) // 2
        seconds = _timed(encoder, records, side, ordered[start : start + size])
        slow = seconds > LONGEST_SECONDS or (seconds > GROUP_SECONDS and seconds / size * GAIN > per_text)
        if slow or size >= min(MOST_TEXTS, len(ordered)):
            return size
        size, per_text = min(GROWTH * size, MOST_TEXTS, len(ordered)), seconds / size


def _groups(count: int, size: int) -> Iterator[slice]:
    """Give slices of ``size``, centred at quantiles ½, ½ + φ, ½ + 2φ … modulo 1."""
    for number in range(MOST_GROUPS):
        start = round((0.5 + number * GOLDEN) % 1 * (count - size))
        yield slice(start, start + size)


def _timed(encoder: Encoder, records: Records, side: Side, rows: Int64) -> float:
    texts = texts_at(records, rows)
    started = time.perf_counter()
    encoder.encode(texts, side)
    return time.perf_counter() - started


def _lengths(records: Records, rows: Int64) -> Int64:
    """Count the bytes of titles and texts: int64[R]."""
    columns = (column for column in (records.texts, records.titles) if column is not None)
    lengths = (pc.binary_length(column.take(pa.array(rows))).to_numpy(zero_copy_only=False) for column in columns)
    return np.asarray(sum(lengths), dtype=np.int64)
