"""All that an adapter follows from, so that a checkpoint is not taken for that of another run."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import Any

import msgspec
import numpy as np

from foils.search import Vectors
from foils.search.vectors import matrix_digest
from foils.training.adapter_settings import AdapterSettings
from foils.training.held_out import HeldOut
from foils.training.pool import Pool
from foils.weights import Weight


def adapter_identity(
    pool: Pool, sides: tuple[Vectors, Vectors], held_out: HeldOut | None, settings: AdapterSettings, seed: int
) -> dict[str, Any]:
    """Give the run's settings and the digests of its inputs, JSON-ready."""
    return {
        "kind": "adapter",
        "settings": msgspec.to_builtins(settings),
        "seed": seed,
        "pairs": pool_digest(pool),
        "held out": None if held_out is None else held_out.digest,
        "query vectors": matrix_digest(sides[0].matrix),
        "corpus vectors": matrix_digest(sides[1].matrix),
        "versions": {package: version(package) for package in ("foils", "numpy")},
    }


def weights_identity(weights: Weight | None) -> dict[str, Any]:
    """Name the weights that were asked for, JSON-ready; nothing where there are none."""
    return {} if weights is None else {"weights": {type(weights).__name__: msgspec.to_builtins(weights)}}


def pool_digest(pool: Pool) -> str:
    """Hash the pairs, the known positives and the mined negatives with their weights."""
    state = hashlib.blake2b(b"pool/1" + pool.positives.digest.encode(), digest_size=16)
    for array in (pool.examples.anchors, pool.examples.positives, pool.mined_indptr, pool.mined_items):
        state.update(len(array).to_bytes(8, "little") + np.ascontiguousarray(array, dtype="<i8").tobytes())
    if pool.mined_log_weights is not None:
        state.update(b"weights" + np.ascontiguousarray(pool.mined_log_weights, dtype="<f4").tobytes())
    return state.hexdigest()
