"""The closed list of array kernels: one meaning, a NumPy and a PyTorch body.

Rules, samplers and weights are written once over elementwise operations (:func:`namespace`) and these
kernels, so the same rule serves mining to disk without PyTorch and a training step on any device.

A row of a result depends on that row of the input alone, never on how many rows are handed over: library
reductions are avoided where their order of addition depends on the shape. Both bodies agree bit for bit,
save for the last digit of ``exp`` and ``log``. Gradients mean nothing here. A wrong shape, range or dtype is
the caller's mistake, not the user's: ``ValueError``, ``IndexError`` or ``KeyError``.

Shapes: A anchors (or units), K candidates, M picks, P pairs, d dimensions; position -1 = absent.
"""

from __future__ import annotations

import hashlib
import json
import operator
from typing import Any, Literal, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device, is_torch_array

from foils._compiled import kernels
from foils._folds_numpy import CELLS, fold, row_blocks

Array = Any  # a NumPy array or a PyTorch tensor; results are of the kind that was passed in

# SplitMix64 (Steele, Lea and Flood, 2014): its odd increment and the multipliers of its finaliser, as int64.
INCREMENT = 0x9E3779B97F4A7C15 - 2**64
_MULTIPLIERS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)

_TOP_SHARE = 0.25  # measured: finding a threshold pays when at most this share of a row is kept
_DEVICE_BLOCK_CELLS = 2**25  # float64: 256 MiB, enough to fill an accelerator


class Key(NamedTuple):
    """Name a stream of noise: equal keys give equal noise, whatever the block, thread, order or resume."""

    seed: int
    stage: str
    epoch: int


def namespace(*arrays: Array) -> Any:
    """Return the array-API namespace that the arrays share; PyTorch is imported only if they are tensors."""
    return array_namespace(*arrays)


def is_torch(array: Array) -> bool:
    """Say whether the array is a PyTorch tensor, without importing PyTorch."""
    return bool(is_torch_array(array))


def to_numpy(array: Array) -> np.ndarray[Any, Any]:
    """Return the array in host memory as NumPy, without a copy if possible; bfloat16 becomes float32."""
    if not is_torch(array):
        return np.asarray(array)
    import torch

    tensor = array.detach().cpu()
    return np.asarray(tensor.float() if tensor.dtype == torch.bfloat16 else tensor)


def key_bits(key: Key) -> int:
    """Return the 64 bits that a key contributes to noise, as int64."""
    digest = hashlib.blake2b(json.dumps([int(key.seed), key.stage, int(key.epoch)]).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "little", signed=True)


def counter_uniform(key: Key, units: Array, counters: Array) -> Array:
    """Return uniform float64 noise strictly inside (0, 1), a pure function of key, unit and counter.

    Units (row numbers) and counters (item rows or draw numbers) are int64 and broadcast.
    """
    return uniform_of_bits(key_bits(key), units, counters)


def uniform_of_bits(bits: int, units: Array, counters: Array) -> Array:
    """Return what :func:`counter_uniform` does for the key with these bits."""
    xp = namespace(units, counters)
    units, counters = (xp.astype(numbers, xp.int64, copy=False) for numbers in (units, counters))
    with np.errstate(over="ignore"):  # NumPy warns of wrap-around in 0-d arrays only
        state = mix(mix(units + INCREMENT) ^ bits)
        state = mix(state + counters * INCREMENT)
    # 52 bits and a half step: exact in float64, and neither 0 nor 1 can occur.
    return (xp.astype(_shift_right(state, 12), xp.float64) + 0.5) * 2.0**-52


def mix(state: Array) -> Array:
    """Overwrite int64 state with SplitMix64's finaliser, a bijection in which each bit reaches all others."""
    for bits, multiplier in zip((30, 27), _MULTIPLIERS, strict=True):
        state ^= _shift_right(state, bits)
        state *= multiplier
    state ^= _shift_right(state, 31)
    return state


def gumbel(key: Key, units: Array, counters: Array) -> Array:
    """Return standard Gumbel float64 noise, -log(-log u) of :func:`counter_uniform`; same arguments."""
    noise = counter_uniform(key, units, counters)
    xp = namespace(noise)
    return -xp.log(-xp.log(noise))


def sigmoid(logits: Array) -> Array:
    """Return 1 / (1 + e^−z) in the dtype of the logits, which neither overflows nor warns; NaN stays."""
    xp = namespace(logits)
    small = xp.exp(-xp.abs(logits))
    return xp.where(logits < 0, small, xp.ones_like(small)) / (1.0 + small)


def top_k(keys: Array, k: int) -> Array:
    """Return int64 positions[A,k] of the k largest of keys[A,K], falling, ties by lower position.

    A NaN key, or a k outside 0..K, raises ValueError.
    """
    if not 0 <= k <= keys.shape[1]:
        raise ValueError(f"k is {k}; a row of keys has {keys.shape[1]} cells")
    if is_torch(keys) or k == 0 or k > _TOP_SHARE * keys.shape[1]:
        return namespace(keys).asarray(sort_rows(keys, descending=True)[:, :k], copy=True)
    _refuse_nan(keys)
    return _top_k_by_threshold(keys, k)


def sort_rows(keys: Array, *, descending: bool) -> Array:
    """Return int64 positions[A,K] that sort each row of keys, ties by lower position; NaN: ValueError."""
    _refuse_nan(keys)
    xp = namespace(keys)
    return xp.astype(xp.argsort(keys, axis=1, descending=descending, stable=True), xp.int64, copy=False)


def row_unique(items: Array) -> Array:
    """Return bool[A,K]: True at the leftmost occurrence of each id in its row of items[A,K], never at -1."""
    xp = namespace(items)
    order = sort_rows(items, descending=False)
    ranked = xp.take_along_axis(items, order, axis=1)
    first = ranked != -1
    first[:, 1:] &= ranked[:, 1:] != ranked[:, :-1]
    unique = xp.reshape(xp.empty_like(first), (-1,))
    unique[xp.reshape(_cells(order, items.shape[1]), (-1,))] = xp.reshape(first, (-1,))
    return xp.reshape(unique, items.shape)


def row_searchsorted(
    sorted_values: Array, indptr: Array, rows: Array, queries: Array, side: Literal["left", "right"]
) -> Array:
    """Return where each query would be inserted into its row's segment, counted from the segment's start.

    Segment a is sorted_values[indptr[a]:indptr[a + 1]], ascending, with indptr int64[A + 1]. Queries are
    [R] or [R,M]; rows int64[R] names the segment of each, and one outside 0..A-1 raises IndexError. A query
    goes to the "left" or the "right" of values that equal it.
    """
    comes_first = {"left": operator.lt, "right": operator.le}[side]
    xp = namespace(sorted_values, indptr, rows, queries)
    _segment_lengths(indptr, sorted_values.shape[0])
    if bool(xp.any((rows < 0) | (rows >= indptr.shape[0] - 1))):
        raise IndexError(f"rows must lie in 0..{indptr.shape[0] - 2}")
    shape = (-1,) + (1,) * (queries.ndim - 1)
    start, end = xp.reshape(indptr[rows], shape), xp.reshape(indptr[rows + 1], shape)
    low, high = (xp.astype(xp.broadcast_to(edge, queries.shape), xp.int64) for edge in (start, end))
    longest = int(xp.max(end - start)) if rows.shape[0] else 0
    for _ in range(longest.bit_length()):
        middle = (low + high) // 2
        probe = sorted_values[xp.where(low < high, middle, 0)]
        beyond = (low < high) & comes_first(probe, queries)
        low, high = xp.where(beyond, middle + 1, low), xp.where(beyond, high, middle)
    return low - start


def take_valid(values: Array, positions: Array, fill: Any) -> Array:
    """Return values at int64 positions, in the dtype of values, with ``fill`` where a position is -1.

    Values are [N], a table that positions of any shape look up, or [A,K], gathered by row at positions[A,M].
    Any other position outside raises IndexError; a ``fill`` that the dtype cannot hold, ValueError.
    """
    xp = namespace(values, positions)
    _check_positions(values, positions)
    _check_scalar(fill, values)
    absent = positions == -1
    if values.shape[-1] == 0:  # there is no cell to index, even for nothing
        return xp.full(tuple(positions.shape), fill, dtype=values.dtype, device=device(values))
    safe = xp.where(absent, 0, positions)
    taken = values[safe] if values.ndim == 1 else xp.take_along_axis(values, safe, axis=1)
    taken[absent] = fill
    return taken


def put_valid(target: Array, positions: Array, values: Array) -> Array:
    """Return a copy of target[A,K] with values written row by row at int64 positions[A,M]; -1 is skipped.

    Values are a scalar or [A,M], cast to the dtype of target; the leftmost of equal positions in a row wins.
    Any other position outside raises IndexError; values that the dtype or shape cannot hold, ValueError.
    """
    xp = namespace(target, positions)
    _check_positions(target, positions)
    flat = xp.reshape(xp.asarray(target, copy=True), (-1,))
    if getattr(values, "ndim", 0) == 0:
        _check_scalar(values, target)
        flat[_cells(positions, target.shape[1])[positions != -1]] = values
    else:
        holds = not xp.isdtype(values.dtype, "real floating") or xp.isdtype(target.dtype, "real floating")
        if not holds or values.shape != positions.shape:
            raise ValueError(f"{values.dtype}{values.shape} does not fit {target.dtype}{positions.shape}")
        first = row_unique(positions)  # scattering twice to one cell has no defined order on a GPU
        flat[_cells(positions, target.shape[1])[first]] = xp.astype(values, target.dtype)[first]
    return xp.reshape(flat, target.shape)


def segment_reduce(values: Array, indptr: Array, how: Literal["sum", "min", "max", "mean"]) -> Array:
    """Return float64[A], one per segment values[indptr[a]:indptr[a + 1]] of values[P], indptr int64[A + 1].

    Values are added one after the other in index order. An empty segment sums to 0 and gives NaN otherwise.
    """
    xp = namespace(values, indptr)
    values = xp.astype(values, xp.float64, copy=False)
    lengths = _segment_lengths(indptr, values.shape[0])
    if how in ("min", "max"):
        return _segment_extremes(values, indptr[:-1], lengths, how) + 0.0  # of -0.0 and 0.0, always 0.0
    sums = _segment_sums(values, indptr[:-1], lengths)
    means = xp.where(lengths > 0, sums / xp.clip(lengths, 1, None), xp.nan)
    return {"sum": sums, "mean": means}[how]


def row_sum(values: Array) -> Array:
    """Return float64[A], the cells of each row of values[A,K] added from left to right.

    Zeros appended on the right change no bit, so a row may be padded to any width.
    """
    xp = namespace(values)
    values = xp.astype(values, xp.float64, copy=False)
    if not is_torch(values) and values.shape[1] > 0:
        return np.cumsum(values, axis=1)[:, -1] + 0.0  # -0.0 alone gives 0.0, as it does once padded
    total = xp.zeros(values.shape[0], dtype=xp.float64, device=device(values))
    for column in range(values.shape[1]):  # a scan on a GPU adds in an order of its own
        total = total + values[:, column]
    return total


def masked_quantile(values: Array, mask: Array, q: float) -> Array:
    """Return float64[A], the q-quantile of the cells of values[A,K] where mask is True; NaN where none is.

    Linear between neighbouring order statistics (type 7 of Hyndman and Fan, 1996). A q outside [0, 1], or
    NaN where mask is True, raises ValueError.
    """
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"q is {q}; expected a number in [0, 1]")
    xp = namespace(values, mask)
    values = xp.astype(values, xp.float64, copy=False)
    if values.shape[1] == 0:
        return row_sum(values) + xp.nan
    ranked = xp.where(mask, values, xp.full_like(values, xp.inf))
    _refuse_nan(ranked)
    ranked = xp.sort(ranked, axis=1)
    count = xp.sum(xp.astype(mask, xp.int64), axis=1)
    place = q * xp.astype(xp.clip(count - 1, 0, None), xp.float64)
    lower, upper = (xp.astype(edge(place), xp.int64) for edge in (xp.floor, xp.ceil))
    low, high = (xp.take_along_axis(ranked, edge[:, None], axis=1)[:, 0] for edge in (lower, upper))
    share = place - xp.floor(place)
    with np.errstate(invalid="ignore"):  # 0 · inf, in rows that take ``low`` as it is
        between = xp.where(low == high, low, xp.clip((1.0 - share) * low + share * high, low, high))
    return xp.where(count > 0, between, xp.nan) + 0.0


def normalise_rows(vectors: Array) -> Array:
    """Return float32[N,d], each row divided by its length and rounded once; zero rows stay zero.

    The length is summed in float64 by :func:`foils._folds_numpy.fold`, so entries must lie below 1e150.
    """
    xp = namespace(vectors)
    if not is_torch(vectors):
        unit = np.array(vectors, dtype=np.float32, order="C")
        kernels("foils._folds").normalise(unit)
        return unit
    unit = xp.empty(tuple(vectors.shape), dtype=xp.float32, device=device(vectors))
    for block in row_blocks(vectors.shape[0], vectors.shape[1], _cells_at_once(vectors)):
        rows = xp.astype(vectors[block], xp.float64)
        length = xp.sqrt(fold(rows * rows))
        unit[block] = xp.astype(rows / xp.where(length == 0.0, 1.0, length)[:, None], xp.float32)
    return unit


def _shift_right(state: Array, bits: int) -> Array:
    """Shift int64 as if unsigned: PyTorch has no arithmetic on uint64."""
    if not is_torch(state):
        return (state.view(np.uint64) >> np.uint64(bits)).view(np.int64)
    return (state >> bits) & ((1 << (64 - bits)) - 1)


def _refuse_nan(keys: Array) -> None:
    xp = namespace(keys)
    if xp.isdtype(keys.dtype, "real floating") and bool(xp.any(xp.isnan(keys))):
        raise ValueError("a key is NaN, which has no order; replace it, by -inf for instance")


def _top_k_by_threshold(keys: Array, k: int) -> Array:
    """Mark the k cells at or above the k-th largest key and order only those.

    Sorting keys alone is much faster than sorting positions stably; a partition is slow among many ties.
    """
    threshold = np.sort(keys, axis=1)[:, -k, None]
    chosen = keys >= threshold
    crowded = np.nonzero(np.count_nonzero(chosen, axis=1) > k)[0]
    if crowded.size:  # more cells tie with the k-th than there is room for
        above = keys[crowded] > threshold[crowded]
        ties = chosen[crowded] & ~above
        room = k - np.count_nonzero(above, axis=1)
        chosen[crowded] = above | (ties & (np.cumsum(ties, axis=1) <= room[:, None]))
    positions = np.nonzero(chosen)[1].reshape(keys.shape[0], k)
    order = sort_rows(np.take_along_axis(keys, positions, axis=1), descending=True)
    return np.take_along_axis(positions, order, axis=1)


def _cells(positions: Array, width: int) -> Array:
    """Turn positions[A,M] in rows of the given width into positions in the flattened array."""
    xp = namespace(positions)
    starts = xp.arange(positions.shape[0], dtype=xp.int64, device=device(positions)) * width
    return positions + starts[:, None]


def _check_positions(values: Array, positions: Array) -> None:
    if values.ndim == 2 and (positions.ndim != 2 or positions.shape[0] != values.shape[0]):
        raise ValueError(f"positions {tuple(positions.shape)} do not fit rows of {tuple(values.shape)}")
    if bool(namespace(values, positions).any((positions < -1) | (positions >= values.shape[-1]))):
        raise IndexError(f"positions must lie in 0..{values.shape[-1] - 1}, or be -1 for absent")


def _check_scalar(scalar: Any, like: Array) -> None:
    xp = namespace(like)
    whole = xp.isdtype(like.dtype, ("integral", "bool"))
    if whole and (not float(scalar).is_integer() or (like.dtype == xp.bool and scalar not in (0, 1))):
        raise ValueError(f"{scalar} does not fit an array of {like.dtype}")


def _segment_lengths(indptr: Array, size: int) -> Array:
    lengths = indptr[1:] - indptr[:-1]
    xp = namespace(indptr)
    if int(indptr[0]) != 0 or int(indptr[-1]) != size or bool(xp.any(lengths < 0)):
        raise ValueError(f"indptr must rise from 0 to {size}, the number of values")
    return lengths


def _segment_ids(lengths: Array) -> Array:
    xp = namespace(lengths)
    return xp.repeat(xp.arange(lengths.shape[0], device=device(lengths)), lengths)


def _segment_extremes(values: Array, starts: Array, lengths: Array, how: str) -> Array:
    if is_torch(values):
        unset = values.new_full(lengths.shape, np.nan)
        return unset.scatter_reduce(0, _segment_ids(lengths), values, f"a{how}", include_self=False)
    extremes = np.full(lengths.shape, np.nan)
    filled = lengths > 0  # empty segments take no room, so the next filled one begins where this one ends
    if filled.any():
        reduce = np.minimum if how == "min" else np.maximum
        extremes[filled] = reduce.reduceat(values, starts[filled])
    return extremes


def _segment_sums(values: Array, starts: Array, lengths: Array) -> Array:
    if not is_torch(values):
        sums = np.bincount(_segment_ids(lengths), weights=values, minlength=lengths.shape[0])
        return sums.astype(np.float64)  # without any segment, bincount returns int64
    # Step j adds the j-th value of every segment that has one; longest first, so that these form a prefix.
    lengths, order = lengths.sort(descending=True)
    starts, sums = starts[order], values.new_zeros(lengths.shape)
    falling = lengths.tolist()
    active = len(falling)
    for step in range(falling[0] if falling else 0):
        while falling[active - 1] <= step:
            active -= 1
        sums[:active] += values[starts[:active] + step]
    return sums.new_empty(sums.shape).index_copy(0, order, sums)


def _cells_at_once(matrix: Array) -> int:
    """Say how many float64 cells stay near the processor."""
    return CELLS if device(matrix).type == "cpu" else _DEVICE_BLOCK_CELLS
