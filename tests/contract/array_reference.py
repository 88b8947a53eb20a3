"""Plain-Python references of the array kernels, and the problems on which both bodies must agree with them.

A reference has the name and signature of its kernel, takes NumPy arrays, and loops over single cells.
A case is the positional arrays and the keyword options of one call. Nothing here imports PyTorch.
"""

import bisect
import functools
import hashlib
import itertools
import json
import math

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

INF = math.inf
WORD = 2**64 - 1


def _mix(state):
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & WORD
    return state ^ (state >> 31)


def counter_uniform(key, units, counters):
    text = json.dumps([key[0], key[1], key[2]]).encode()
    folded = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
    increment = 0x9E3779B97F4A7C15
    units, counters = np.broadcast_arrays(units, counters)
    noise = []
    for unit, counter in zip(units.ravel().tolist(), counters.ravel().tolist(), strict=True):
        state = _mix(_mix((unit + increment) & WORD) ^ folded)
        noise.append(((_mix((state + counter * increment) & WORD) >> 12) + 0.5) / 2**52)
    return np.array(noise, dtype=np.float64).reshape(units.shape)


def gumbel(key, units, counters):
    uniform = counter_uniform(key, units, counters)
    noise = [-math.log(-math.log(cell)) for cell in uniform.ravel().tolist()]
    return np.array(noise, dtype=np.float64).reshape(uniform.shape)


def sort_rows(keys, *, descending):
    sign = -1 if descending else 1
    orders = [sorted((sign * key, cell) for cell, key in enumerate(row)) for row in keys.tolist()]
    return np.array([[cell for _, cell in order] for order in orders], dtype=np.int64).reshape(keys.shape)


def top_k(keys, k):
    return sort_rows(keys, descending=True)[:, :k]


def row_unique(items):
    rows = items.tolist()
    first = [[item != -1 and item not in row[:cell] for cell, item in enumerate(row)] for row in rows]
    return np.array(first, dtype=bool).reshape(items.shape)


def row_searchsorted(sorted_values, indptr, rows, queries, side):
    search = bisect.bisect_left if side == "left" else bisect.bisect_right
    found = []
    for row, asked in zip(rows.tolist(), queries.tolist(), strict=True):
        segment = sorted_values[indptr[row] : indptr[row + 1]].tolist()
        found.append([search(segment, query) for query in (asked if queries.ndim == 2 else [asked])])
    return np.array(found, dtype=np.int64).reshape(queries.shape)


def take_valid(values, positions, fill):
    taken = np.full(positions.shape, fill, dtype=values.dtype)
    for cell in np.ndindex(*positions.shape):
        if positions[cell] != -1:
            taken[cell] = values[positions[cell]] if values.ndim == 1 else values[cell[0], positions[cell]]
    return taken


def put_valid(target, positions, values):
    result = target.copy()
    for row, cell in reversed(list(np.ndindex(*positions.shape))):  # the leftmost is written last
        if positions[row, cell] != -1:
            result[row, positions[row, cell]] = values[row, cell] if np.ndim(values) else values
    return result


def segment_reduce(values, indptr, how):
    reduced = []
    for start, stop in zip(indptr[:-1].tolist(), indptr[1:].tolist(), strict=True):
        segment = values[start:stop].tolist()
        total = 0.0
        for value in segment:
            total += value
        results = {"sum": total}
        if segment:
            results |= {"min": min(segment), "max": max(segment), "mean": total / len(segment)}
        reduced.append(results.get(how, math.nan) + 0.0)
    return np.array(reduced, dtype=np.float64)


def row_sum(values):
    return segment_reduce(values.ravel(), np.arange(len(values) + 1) * values.shape[1], "sum")


def masked_quantile(values, mask, q):
    quantiles = []
    for row, kept in zip(values.tolist(), mask.tolist(), strict=True):
        ranked = sorted(value for value, keep in zip(row, kept, strict=True) if keep)
        if not ranked:
            quantiles.append(math.nan)
            continue
        place = q * (len(ranked) - 1)
        low, high = ranked[math.floor(place)], ranked[math.ceil(place)]
        quantiles.append(low if low == high else (1 - place % 1) * low + place % 1 * high)
    return np.array(quantiles, dtype=np.float64)


def fold(cells):
    while len(cells) > 1:
        half = (len(cells) + 1) // 2
        odd = cells[half - 1 : half] if len(cells) % 2 else []
        cells = [left + right for left, right in zip(cells, cells[half:], strict=False)] + odd
    return sum(cells)


def normalise_rows(vectors):
    unit = []
    for row in vectors.tolist():
        length = math.sqrt(fold([value * value for value in row])) or 1.0
        unit.append([value / length for value in row])
    return np.array(unit, dtype=np.float32).reshape(vectors.shape)


def _floats(*rows, dtype=np.float64):
    return np.array(rows, dtype=dtype)


def _matrices(dtype=np.float64):
    """Return the awkward matrices: no rows, no cells, one cell, infinities, ties and signed zeros."""
    cells = (
        np.zeros((0, 3)),
        np.zeros((2, 0)),
        np.zeros((0, 0)),
        _floats([7.0], [-2.0]),
        np.full((2, 9), -INF),
        np.full((3, 17), 0.5),
        _floats([0.0, -0.0, -0.0, 0.0]),
        _floats([-0.0]),
        _floats([-INF, 3.0, INF, -INF, 3.0]),
    )
    return [matrix.astype(dtype) for matrix in cells]


def _integers(*rows):
    return np.array(rows, dtype=np.int64)


def _noise_cases():
    extremes = _integers(0, 1, -1, 2**63 - 1, -(2**63))
    shapes = ((extremes[:, None], extremes), (extremes[:0], extremes[:0]), (extremes[:1], _integers([5, 6])))
    keys = ((0, "", 0), (-1, "mine", 3), (2**70, "Gumbel · ü", 10**6))
    return [((key, *shape), {}) for key in keys for shape in shapes]


_ITEMS = (
    np.zeros((0, 4), np.int64),
    np.zeros((3, 0), np.int64),
    _integers([-1, -1]),
    _integers([5], [-1]),
    _integers([4, 4, 4, -1, -1]),
    _integers([2**62, -1, 0, 2**62, 0, -1, 7]),
)
_TABLES = (
    (np.zeros(0), np.full((2, 3), -1, np.int64), 1.5),
    (np.zeros((2, 0)), np.full((2, 1), -1, np.int64), -INF),
    (np.zeros((0, 3)), np.zeros((0, 2), np.int64), 0.0),
    (_floats(*range(4)), _integers(3, -1, 0, 3), math.nan),
    (_integers(4, 5), _integers([1, -1], [-1, 0]), -1),
    (np.array([True, False]), _integers([0, 1, -1]), False),
    (_floats([1, 2, 3], [4, 5, 6], dtype=np.float32), _integers([2, -1, 2, 0], [-1, -1, 1, 1]), -1.0),
)
_WRITES = (
    (np.zeros((0, 2)), np.zeros((0, 3), np.int64), 1.0),
    (np.zeros((2, 0)), np.full((2, 2), -1, np.int64), 5.0),
    (np.zeros((1, 3)), np.zeros((1, 0), np.int64), 0.0),
    (np.zeros((2, 3), bool), _integers([0, 0, -1], [2, -1, 1]), True),
    (np.zeros((1, 4)), _integers([3, 1, 3, -1, 3]), _floats([1, 2, 3, 4, 5])),
    (np.zeros((1, 3), np.float32), _integers([-1, 2]), _floats([9, 0.1])),
    (_integers([7, 8]), _integers([1]), _integers([-3])),
)
_SEGMENTS = (
    (np.zeros(0), _integers(0)),
    (np.zeros(0), _integers(0, 0, 0)),
    (_floats(*range(5)), _integers(0, 0, 2, 2, 5, 5)),
    (_floats(1e16, 1.0, -1e16, 1.0, 0.1, 0.2), _integers(0, 4, 6)),
    (_floats(-0.0, 0.0, -0.0), _integers(0, 1, 3)),
    (_floats(INF, -INF, -INF, 2.0), _integers(0, 1, 3, 4)),
    (_floats(0.1, 0.7, dtype=np.float32), _integers(0, 2)),
    (_integers(3, -5), _integers(0, 1, 2)),
)
_SEARCHES = (
    (_floats(), _integers(0), _integers(), _floats()),
    (_floats(), _integers(0, 0), _integers(0, 0), _floats(1.0, -INF)),
    (_floats(4), _integers(0, 1), _integers(0), np.zeros((1, 0))),
    (_floats(1, 1, 1), _integers(0, 3), _integers(0), _floats([0, 1, 2])),
    (_floats(1, 2, 2, 2, 3, 5), _integers(0, 0, 4, 6), _integers(1, 0, 2, 1, 2), _floats(2, 2, 4, 9, -INF)),
    (_integers(2**62, 2**62 + 1), _integers(0, 2), _integers(0), _integers(2**62 + 1)),
)
_MASKS = [(matrix, np.zeros(matrix.shape, bool)) for matrix in _matrices()[:6]]
_MASKS += [(matrix, np.ones(matrix.shape, bool)) for matrix in _matrices()]
_MASKS += [(_floats([3, math.nan, 1, 2]), np.array([[True, False, True, True]]))]
_VECTORS = _matrices(np.float32)[:4] + _matrices(np.float32)[5:8]
_LENGTHS = [_floats([3e38, 3e38, 1e-40], dtype=dtype) for dtype in (np.float32, np.float64)]
_LENGTHS += [np.zeros((2, 5)), _floats([3, 4], dtype=np.float16)]

HOWS = ("sum", "min", "max", "mean")
EDGE_CASES = {
    "counter_uniform": _noise_cases(),
    "gumbel": _noise_cases(),
    "top_k": [
        ((matrix,), {"k": k})
        for matrix in (*_matrices(), _integers([-(2**63), 2**63 - 1, 0] * 4))
        for k in range(matrix.shape[1] + 1)
    ],
    "sort_rows": [
        ((matrix,), {"descending": descending})
        for matrix in (*_matrices(), _integers([-(2**63), 0, 0]))
        for descending in (True, False)
    ],
    "row_unique": [((items,), {}) for items in _ITEMS],
    "row_searchsorted": [(search, {"side": side}) for search in _SEARCHES for side in ("left", "right")],
    "take_valid": [((values, positions), {"fill": fill}) for values, positions, fill in _TABLES],
    "put_valid": [(write, {}) for write in _WRITES],
    "segment_reduce": [(case, {"how": how}) for case in _SEGMENTS for how in HOWS],
    "row_sum": [((m,), {}) for m in (*_matrices()[:-1], _floats([1e16, 1.0, -1e16]), _integers([1, 2]))],
    "masked_quantile": [(case, {"q": q}) for case in _MASKS for q in (0.0, 0.1, 0.5, 0.75, 1.0)],
    "normalise_rows": [((v,), {}) for v in (*_VECTORS, *_LENGTHS)],
}


@functools.cache
def large_cases(rows, width=37):
    """Return a case per kernel, of many rows; with ties, gaps, and magnitudes that show the order of sums."""
    generator = np.random.default_rng(20240607)
    scores = generator.standard_normal((rows, width)) * 10.0 ** generator.integers(-8, 9, (rows, width))
    coarse = np.round(generator.standard_normal((rows, width)), 1)
    coarse[generator.random(coarse.shape) < 0.1] = -INF
    items = generator.integers(-1, width, (rows, width))
    lengths = generator.integers(0, 2 * width, rows)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    ragged = generator.standard_normal(indptr[-1]) * 10.0 ** generator.integers(-8, 9, indptr[-1])
    ascending = np.concatenate([np.sort(ragged[a:b].round(1)) for a, b in itertools.pairwise(indptr)])
    vectors = generator.standard_normal((rows, 384)) * 10.0 ** generator.integers(-8, 9, (rows, 384))
    units = np.arange(rows)
    return {
        "counter_uniform": (((1, "large", 2), units[:, None], items), {}),
        "gumbel": (((1, "large", 2), units[:, None], items), {}),
        "top_k": ((coarse,), {"k": 8}),
        "sort_rows": ((coarse,), {"descending": True}),
        "row_unique": ((items,), {}),
        "row_searchsorted": ((ascending, indptr, units, coarse), {"side": "left"}),
        "take_valid": ((scores, items), {"fill": -INF}),
        "put_valid": ((coarse, items, scores), {}),
        "segment_reduce": ((ragged, indptr), {"how": "sum"}),
        "row_sum": ((scores,), {}),
        "masked_quantile": ((coarse, items % 3 == 0), {"q": 0.3}),
        "normalise_rows": ((vectors.astype(np.float32),), {}),
    }


# A few values that tie, cancel and round; the ids include absent ones.
MATRICES = array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)
VALUES = st.sampled_from([-1e16, -1.5, -0.0, 0.0, 0.1, 0.3, 1.0, 1e16])
KEYS = st.one_of(VALUES, st.sampled_from([-math.inf, math.inf]))
ITEMS = st.integers(-1, 4)


@st.composite
def noise(draw):
    key = draw(st.tuples(st.integers(), st.text(max_size=4), st.integers(0, 9)))
    units = draw(arrays(np.int64, st.integers(0, 5)))
    return (key, units[:, None], draw(arrays(np.int64, st.integers(0, 5)))), {}


@st.composite
def ordered(draw, option, values):
    keys = draw(arrays(np.float64, MATRICES, elements=KEYS))
    return (keys,), {option: draw(values(keys))}


@st.composite
def ragged(draw):
    lengths = draw(st.lists(st.integers(0, 5), max_size=6))
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return draw(arrays(np.float64, int(indptr[-1]), elements=VALUES)), indptr


@st.composite
def searches(draw):
    values, indptr = draw(ragged())
    for start, stop in itertools.pairwise(indptr):
        values[start:stop].sort()
    segments = len(indptr) - 1
    count = st.integers(0, 5) if segments else st.just(0)
    rows = draw(arrays(np.int64, count, elements=st.integers(0, max(0, segments - 1))))
    queries = draw(arrays(np.float64, (len(rows), draw(st.integers(0, 3))), elements=KEYS))
    return (values, indptr, rows, queries), {"side": draw(st.sampled_from(["left", "right"]))}


@st.composite
def gathers(draw, written):
    values = draw(arrays(np.float64, MATRICES, elements=KEYS))
    shape = (values.shape[0], draw(st.integers(0, 6)))
    positions = draw(arrays(np.int64, shape, elements=st.integers(-1, values.shape[1] - 1)))
    if written:
        return (values, positions, draw(arrays(np.float64, shape, elements=KEYS))), {}
    return (values, positions), {"fill": draw(KEYS)}


@st.composite
def masked(draw):
    values = draw(arrays(np.float64, MATRICES, elements=st.floats(-1e6, 1e6)))
    return (values, draw(arrays(bool, values.shape))), {"q": draw(st.floats(0, 1))}


def matrices(dtype, elements):
    return arrays(dtype, MATRICES, elements=elements).map(lambda matrix: ((matrix,), {}))


STRATEGIES = {
    "counter_uniform": noise(),
    "gumbel": noise(),
    "top_k": ordered("k", lambda keys: st.integers(0, keys.shape[1])),
    "sort_rows": ordered("descending", lambda _: st.booleans()),
    "row_unique": matrices(np.int64, ITEMS),
    "row_searchsorted": searches(),
    "take_valid": gathers(written=False),
    "put_valid": gathers(written=True),
    "segment_reduce": st.tuples(ragged(), st.sampled_from(HOWS).map(lambda how: {"how": how})),
    "row_sum": matrices(np.float64, VALUES),
    "masked_quantile": masked(),
    "normalise_rows": matrices(np.float32, st.floats(-(2.0**40), 2.0**40, width=32)),
}
