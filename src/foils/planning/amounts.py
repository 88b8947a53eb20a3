"""Memory and disk: itemised, what is measured and what follows from the blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from foils.collection import Collection
from foils.mining.budget import shape
from foils.mining.identity import Execution
from foils.mining.prepare import Prepared
from foils.mining.run import AHEAD
from foils.planning.probe import Probe, ids_bytes
from foils.planning.result import Encoding
from foils.search.choice import is_worth_a_look

DIGEST_BYTES = 16
BUFFERS = 16_000_000
"""What Parquet's writers and the allocators hold beside the tables, about (measured: 8 to 14 MB)."""


class Held(NamedTuple):
    """What is held before mining begins, in bytes.

    Attributes:
        process: Python, libraries, compiled kernels, the collection.
        weights: of models.
    """

    process: int
    weights: int


def memory(
    prepared: Prepared, execution: Execution, probed: Probe, encodings: Sequence[Encoding], held: Held
) -> dict[str, int]:
    """Itemise about what is held at most, in bytes."""
    dim, deepest = shape(prepared)
    n_items = len(prepared.collection.items)
    blocks = prepared.inputs.blocks.most_bytes(dim=dim, depth=deepest, n_items=n_items) * execution.threads
    shard = min(prepared.identity.shard_units, len(prepared.units))
    items = {
        "this process: Python, libraries, the data": held.process,
        "models": held.weights,
        "vectors": sum(_matrix_bytes(one) for one in encodings if not one.kept),
        "indexes": probed.opening_bytes,
        "blocks of work": blocks if execution.block is not None else min(blocks, execution.memory_bytes),
        "a rounded copy of the vectors, to search faster": _copy_bytes(prepared),
        # The blocks' tables, joined, and those of the next shard, which is worked on while this one is written.
        "tables of two shards": round((2 + AHEAD) * shard * probed.table_bytes),
        "buffers of Parquet and allocators, about": BUFFERS,
    }
    return {name: size for name, size in items.items() if size}


def _copy_bytes(prepared: Prepared) -> int:
    """Give what a search may keep beside the blocks, where there is room for it and enough to do."""
    inputs = prepared.inputs
    dim, _ = shape(prepared)
    looks = is_worth_a_look(len(prepared.collection.anchors), (len(prepared.collection.items), dim))
    worth = inputs.search == "screened" or (inputs.search == "auto" and looks)
    size = sum(2 * matrix.shape[0] * matrix.shape[1] for _, matrix in inputs.matrices.values())
    return size if worth and size <= inputs.spare_bytes else 0


def tables(prepared: Prepared, probed: Probe) -> dict[str, int]:
    """Give the bytes of each file of the result."""
    files = {f"{name}.parquet": round(size * len(prepared.units)) for name, size in probed.disk_bytes.items()}
    return {**files, "items.parquet": ids_bytes(prepared.collection.items.ids)}


def scratch(prepared: Prepared, probed: Probe, encodings: Sequence[Encoding]) -> dict[str, int]:
    """Give the bytes of what else lies on disk."""
    kept = [one for one in encodings if one.kept]
    sizes = {
        "shards, until they are joined": round(sum(probed.disk_bytes.values()) * len(prepared.units)),
        "new vectors, kept in the cache": sum(one.missing * (4 * one.dim + DIGEST_BYTES) for one in kept),
        "vectors, mapped while it runs": sum(_matrix_bytes(one) for one in kept),
    }
    return {name: size for name, size in sizes.items() if size}


def texts_bytes(collection: Collection) -> int:
    """Count the bytes of ids, titles and texts."""
    sides = (collection.anchors, collection.items)
    columns = (column for records in sides for column in (records.ids, records.texts, records.titles))
    return sum(column.nbytes for column in columns if column is not None)


def _matrix_bytes(encoding: Encoding) -> int:
    return 4 * encoding.texts * encoding.dim
