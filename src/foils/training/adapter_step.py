"""One step of an adapter's training: through the matrices, the normalisation and the loss, and back."""

from __future__ import annotations

import numpy as np

from foils.search import Vectors
from foils.search.vectors import Float32
from foils.training.adapter_settings import AdapterSettings
from foils.training.adapter_state import AdapterState
from foils.training.batches import Batch
from foils.training.info_nce import Floats, info_nce


def adapter_step(state: AdapterState, sides: tuple[Vectors, Vectors], batch: Batch, settings: AdapterSettings) -> float:
    """Take one step and return the loss before it."""
    queries, items = sides[0].read(batch.anchors), sides[1].read(batch.items)
    query_units, query_lengths = _forward(queries, state.deltas[0])
    item_units, item_lengths = _forward(items, state.deltas[1])
    out = info_nce(query_units, item_units, batch.targets, batch.masked, settings.temperature, batch.offsets)
    by_query = queries.T @ _backward(out.anchors, query_units, query_lengths)
    by_item = None if state.deltas[1] is None else items.T @ _backward(out.items, item_units, item_lengths)
    state.descend((by_query, by_item), settings)
    return out.loss


def _forward(vectors: Float32, delta: Float32 | None) -> tuple[Float32, Float32]:
    """Adapt vectors: float32[N, d] of length 1, and their lengths before, float32[N, 1]."""
    if delta is None:
        return vectors, np.ones((len(vectors), 1), np.float32)
    mapped = vectors + vectors @ delta
    lengths = np.sqrt(np.einsum("nd,nd->n", mapped, mapped))[:, None]
    return np.divide(mapped, lengths, out=np.zeros_like(mapped), where=lengths > 0), lengths


def _backward(gradient: Floats, unit: Float32, lengths: Float32) -> Float32:
    """Take a gradient through u / |u|: the part along u is lost."""
    across: Float32 = gradient - unit * np.einsum("nd,nd->n", gradient, unit)[:, None]
    return np.divide(across, lengths, out=np.zeros_like(across), where=lengths > 0)
