"""Small problems that every part is tested on, and the ways to put them: in blocks, and as PyTorch tensors.

Loaded by ``runpy.run_path``, as pytest's importlib mode puts no test folder on the path.
"""

import dataclasses

import numpy as np
import pyarrow as pa

from foils.candidates import Candidates, Column, Kind
from foils.collection import Collection
from foils.positives import Units
from foils.search import Blocks, Forbidden, Inputs
from foils.triples import Triples

N_ANCHORS, N_ITEMS, DIM = 24, 60, 5
CROWDED, ALONE, FULL = 0, 1, 2
"""Anchors: with 99 % of the items as positives (all but one that may be mined), without positives, with all of them."""
TWINS = (10, 11, 12)
"""Items that are exact duplicates of one another."""
EMPTY = (20, 21, 59)
"""Items without text; under cosine their vectors are zero."""


def integers(rng, rows, dim=DIM, largest=2):
    """Draw vectors of small whole numbers, no row zero: products are exact in any precision, and ties abound."""
    vectors = rng.integers(-largest, largest + 1, (rows, dim)).astype(np.float32)
    vectors[~vectors.any(axis=1), 0] = 1
    return vectors


def collection(rng):
    """Make judged pairs with everything that is awkward about them."""
    pairs = [(CROWDED, item) for item in range(N_ITEMS) if item not in (7, *EMPTY)]
    pairs += [(FULL, item) for item in range(N_ITEMS)]
    for anchor in range(3, N_ANCHORS):
        pairs += [(anchor, item) for item in rng.choice(N_ITEMS, rng.integers(1, 5), replace=False).tolist()]
    positive = {*pairs, (5, TWINS[0]), (6, TWINS[1]), (7, EMPTY[0])}
    judged = {(5, TWINS[2]), (8, EMPTY[1])}  # a positive's duplicate, and one without text
    for anchor in (ALONE, *range(3, N_ANCHORS)):
        judged |= {(anchor, item) for item in rng.choice(N_ITEMS, 6, replace=False).tolist()}
    judged -= positive
    pairs = np.array(sorted(positive) + sorted(judged))
    grades = [1.0] * len(positive) + [0.0] * len(judged)
    groups = np.full(N_ITEMS, -1)
    groups[list(TWINS)] = 3
    anchors, items = texts()
    data = Collection.from_arrays(pairs, anchors=anchors, items=items, grades=grades, item_groups=groups)
    return dataclasses.replace(data, triples=triples())


def texts():
    """Write texts of few words, so that scores tie and some pairs share no word; anchor 4 knows no item's word."""
    rng = np.random.default_rng(7)
    anchors = [" ".join(rng.choice(list("abcdefghij"), rng.integers(1, 4))) for _ in range(N_ANCHORS)]
    items = [" ".join(rng.choice(list("abcdefgh"), rng.integers(1, 6))) for _ in range(N_ITEMS)]
    anchors[4] = "zebra"
    for row in TWINS:
        items[row] = "a b c"
    for row in EMPTY:
        items[row] = ""
    return anchors, items


def triples():
    """Give every anchor a side and one of three relations; that is all that sources of corrupted triples look at."""
    none, anchors = np.zeros(0, np.int64), np.arange(N_ANCHORS)
    sides, relations = (anchors % 2).astype(np.int8), anchors // 2 % 3
    ids = pa.array(["a", "b", "c"], pa.large_string())
    return Triples(none, none, none, none.astype(np.int16), ids, none, none, sides, anchors, relations)


def inputs(seed=0, *, negatives=4, blocks=None, run_seed=0):
    """Give the inputs of a small run."""
    rng = np.random.default_rng(seed)
    data = collection(rng)
    mineable = np.ones(N_ITEMS, bool)
    mineable[list(EMPTY)] = False
    items = integers(rng, N_ITEMS)
    items[list(EMPTY)] = 0
    return Inputs(
        positives=data.positives(),
        trusted=data.trusted_negatives(),
        mineable=mineable,
        matrices={"model": (integers(rng, N_ANCHORS), items)},
        negatives=negatives,
        seed=run_seed,
        blocks=Blocks(8, 16, 64) if blocks is None else blocks,
        collection=data,
        forbidden=Forbidden.of(data.positives()),
    )


def in_blocks(units, size):
    """Cut units into blocks."""
    return [units.take(np.arange(start, min(start + size, len(units)))) for start in range(0, len(units), size)]


def candidates(seed, *, rows=9, width=12, dtype=np.float32, kinds=None, levels=6):
    """Draw candidates with ties, scores of both signs, unscored cells, short and empty rows, and units of all sizes.

    The first unit has no positive, the second none with a score; the last row has no candidates, and the one before has
    all. Column ``first`` is sorted as a source would; ``second`` is a scorer's, in no order. Source ``provided`` gave a
    few.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, width + 1, rows)
    lengths[-1], lengths[-2:-1] = 0, width
    items = np.stack([rng.permutation(3 * width)[:width] for _ in range(rows)]).astype(np.int64).reshape(rows, width)
    present = np.arange(width) < lengths[:, None]
    items = np.where(present, items, -1)
    sizes = rng.integers(1, 5, rows)
    sizes[0] = 0
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    units = Units(
        anchors=rng.permutation(rows),
        keys=rng.integers(0, 10**9, rows),
        indptr=indptr,
        positives=np.sort(rng.integers(3 * width, 4 * width, indptr[-1])),
    )
    columns = {
        "rank": Column(np.where(present, np.arange(1, width + 1), 0)),
        "source": Column(np.where(rng.random(items.shape) < 0.1, 1, 0).astype(np.int8)),
        "log_q": Column(
            np.where(present, np.log(rng.random(items.shape) + 0.01), np.nan).astype(np.float32).clip(None, 0)
        ),
        "p_positive": Column(p_positive(present, seed)),
    }
    for name in ("first", "second"):
        values = rng.integers(-levels, levels + 1, items.shape) / 8
        if name == "first":
            values = -np.sort(-values, axis=1)
        values = np.where(present & (rng.random(items.shape) < 0.9), values, np.nan).astype(dtype)
        positives = (rng.integers(-levels, levels + 3, indptr[-1]) / 8).astype(dtype)
        positives[rng.random(indptr[-1]) < 0.2] = np.nan
        positives[indptr[1] : indptr[2]] = np.nan
        columns[name] = Column(values, (kinds or {}).get(name, Kind.RATIO), positives)
    return Candidates(units, items, columns, ("first", "provided"))


def p_positive(present, seed):
    """Draw calibrated probabilities with ties: some cells are a trusted negative's, and of some nobody can say."""
    rng = np.random.default_rng([seed, 1])
    values = np.where(rng.random(present.shape) < 0.1, 0, rng.integers(1, 16, present.shape) / 32)
    return np.where(present & (rng.random(present.shape) < 0.9), values, np.nan).astype(np.float32)


def take(found, rows):
    """Keep the candidates of these units."""
    units = found.units.take(rows)
    pairs = np.concatenate([np.arange(found.units.indptr[row], found.units.indptr[row + 1]) for row in rows] or [[]])
    columns = {
        name: Column(
            column.values[rows],
            column.kind,
            None if column.positives is None else column.positives[pairs.astype(np.int64)],
        )
        for name, column in found.columns.items()
    }
    return Candidates(units, found.items[rows], columns, found.sources)


def to_torch(value):
    """Turn arrays, and dataclasses and mappings of arrays, into PyTorch tensors."""
    import torch

    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        return {name: to_torch(entry) for name, entry in value.items()}
    if dataclasses.is_dataclass(value):
        fields = {field.name: to_torch(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value


def copied(value):
    """Copy arrays, and dataclasses and mappings of arrays; ``same`` compares with it later."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {name: copied(entry) for name, entry in value.items()}
    if dataclasses.is_dataclass(value):
        return dataclasses.replace(
            value, **{field.name: copied(getattr(value, field.name)) for field in dataclasses.fields(value)}
        )
    return value


def assert_same(found, expected):
    """Compare two such values, every bit (NaN equals NaN)."""
    if isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            assert_same(found[name], expected[name])
    elif dataclasses.is_dataclass(expected):
        for field in dataclasses.fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name))
    else:
        assert found == expected


def assert_absent_at_the_right(items):
    """Check that −1 stands at the right end of rows, and nothing below."""
    assert items.min(initial=0) >= -1
    absent = items < 0
    assert (absent[:, 1:] >= absent[:, :-1]).all()


def assert_distinct(items):
    """Check that no row holds an item twice."""
    for row in items.tolist():
        present = [item for item in row if item >= 0]
        assert len(set(present)) == len(present)


def first(candidates, depth):
    """Keep the first candidates of every unit."""
    columns = {name: dataclasses.replace(c, values=c.values[:, :depth]) for name, c in candidates.columns.items()}
    return dataclasses.replace(candidates, items=candidates.items[:, :depth], columns=columns)
