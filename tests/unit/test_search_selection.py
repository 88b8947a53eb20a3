"""Both bodies of the selection kernels, with shortlists too short for comfort, and every screen."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import _compiled, _folds_numba, _folds_numpy
from foils.positives import Relation
from foils.search import Blocks, ExactIndex, Vectors, exact, selection_numba, selection_numpy
from foils.search.products import NUMPY, TORCH, multiplies_int8
from foils.search.screen_bfloat16 import BFloat16
from foils.search.screen_int8 import Int8
from foils.search.screens import Single

HELPERS = Path(__file__).parents[1] / "contract" / "search_reference.py"
plain = SimpleNamespace(**runpy.run_path(str(HELPERS)))
ONES = np.ones(6, np.float32)
BODIES = {"numba": selection_numba, "numpy": selection_numpy}


@pytest.fixture(params=BODIES)
def body(request, monkeypatch):
    monkeypatch.setattr(_compiled, "is_available", lambda: request.param == "numba")
    return BODIES[request.param]


@pytest.fixture(params=["roomy", "tight"])
def room(request, monkeypatch):
    """A tight shortlist has room for few more than are wanted: it is stuck as often as can be."""
    if request.param == "tight":
        monkeypatch.setattr(Blocks, "room", staticmethod(lambda k, n_items: k + 3))


def normal(rows, dim, seed):
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def near_ties(dim=96):
    rng = np.random.default_rng(0)
    centre = normal(1, dim, 2)
    return normal(12, dim, 1), (centre + 1e-7 * rng.standard_normal((160, dim))).astype(np.float32)


SCREENS = {
    "numpy": lambda vectors: Single(vectors, NUMPY),
    "torch": lambda vectors: Single(vectors, TORCH),
    "bfloat16, kept": lambda vectors: BFloat16(vectors, kept=True),
    "bfloat16, by blocks": lambda vectors: BFloat16(vectors, kept=False),
    "int8": Int8,
}
needs_int8 = pytest.mark.skipif(not multiplies_int8(), reason="this processor multiplies 8-bit integers with errors")
every_screen = pytest.mark.parametrize(
    "screen", [pytest.param(made, marks=needs_int8 if made is Int8 else ()) for made in SCREENS.values()], ids=SCREENS
)


def worlds():
    rng = np.random.default_rng(3)
    return {
        "random": (normal(9, 24, 0), normal(160, 24, 1)),
        "near ties": near_ties(),
        "ties": tuple(rng.integers(-1, 2, (rows, 3)).astype(np.float32) for rows in (9, 160)),
        "all equal": (np.ones((4, 8), np.float32), np.ones((160, 8), np.float32)),
        "short and long": (normal(5, 8, 0) * np.float32(1e-3), normal(200, 8, 1) * np.float32(1e6)),
        "tiny": (normal(5, 8, 0) * np.float32(1e-21), normal(200, 8, 1) * np.float32(1e-21)),
        # What has 127 steps is exact in the first integers, and not in the finer ones of the anchor.
        "integers": (
            np.array([[127, 100, 50, 50]] * 3, np.float32),
            np.repeat(np.array([[0, 0, 1, 1], [0, 1, 0, 0]], np.float32), [3, 197], axis=0),
        ),
        "negative": (np.abs(normal(5, 8, 0)), -np.abs(normal(200, 8, 1))),
    }


@every_screen
@pytest.mark.parametrize("world", worlds())
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_any_screen_and_any_room_find_the_same(body, room, screen, world, similarity):
    anchors, items = worlds()[world]
    for blocks in (Blocks(64, 64, 64), Blocks(5, 23, 7)):
        found = find(anchors, items, 20, blocks, screen, similarity)
        scores = plain.canonical(*(Vectors(side, similarity).read(slice(None)) for side in (anchors, items)))
        expected = plain.reference(scores, 20, np.zeros(scores.shape, bool))
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])


def find(anchors, items, k, blocks, screen, similarity="dot", excluded=None, mineable=None):
    vectors, queries = Vectors(items, similarity), Vectors(anchors, similarity)
    index = ExactIndex(vectors, np.ones(len(items), bool) if mineable is None else mineable, screen(vectors))
    found = [
        index.find(
            queries.read(slice(start, start + blocks.anchors)),
            k,
            plain.nobody(len(anchors[start : start + blocks.anchors]))
            if excluded is None
            else excluded.take(np.arange(start, min(start + blocks.anchors, len(anchors)))),
            blocks,
        )
        for start in range(0, len(anchors), blocks.anchors)
    ]
    return np.concatenate([one.items for one in found]), np.concatenate([one.scores for one in found])


@every_screen
def test_exclusions_hold_with_every_screen(body, room, screen):
    anchors, items = normal(4, 5, 0), normal(100, 5, 1)
    best = np.argsort(-(anchors[1] @ items.T))[:40]
    pairs = [(1, item) for item in best] + [(2, item) for item in range(100) if item != 57]
    excluded = Relation.from_pairs(*np.array([*pairs, *((3, item) for item in range(100))]).T, 4)
    mineable = np.arange(100) != 3
    ids, scores = find(anchors, items, 20, Blocks(9, 16, 16), screen, excluded=excluded, mineable=mineable)
    barred = np.zeros((4, 100), bool)
    barred[excluded.coordinates()], barred[:, 3] = True, True
    expected = plain.reference(plain.canonical(anchors, items), 20, barred)
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(scores, expected[1])
    assert ids[2].tolist() == [57] + [-1] * 19


def as_float32(scores):
    return scores if scores.dtype == np.float32 else (scores.astype(np.uint32) << 16).view(np.float32)


@every_screen
def test_the_error_of_a_screen_is_within_its_slack(screen):
    for seed, scale in ((0, 1.0), (1, 1e-4), (2, 300.0)):
        anchors, items = normal(20, 384, seed), normal(500, 384, seed + 10) * np.float32(scale)
        for similarity in ("dot", "cosine"):
            vectors = Vectors(items.astype(np.float16) if seed == 1 else items, similarity)
            tested, queries = screen(vectors), Vectors(anchors, similarity).read(slice(None))
            out = np.empty((20, 500), tested.barred.dtype)
            with tested.one_thread():
                tested.score(tested.ready(queries), slice(0, 500), out)
            given = out * tested.units(queries)[:, None] if isinstance(tested, Int8) else as_float32(out)
            error = np.abs(given - plain.canonical(queries, vectors.read(slice(None))).astype(np.float64))
            slack = tested.slack(queries)
            assert (error <= slack[:, None]).all()
            assert (error.max(axis=1) > slack / 1000).all(), "a slack that large is no bound"


@needs_int8
def test_a_finer_score_is_within_its_own_slack():
    for scale, dim in ((1.0, 384), (300.0, 17), (1e-4, 4096)):
        anchors, items = normal(20, dim, 0), normal(200, dim, 1) * np.float32(scale)
        vectors = Vectors(items, "dot")
        rows, columns = np.divmod(np.random.default_rng(0).permutation(20 * 200), 200)
        canonical = plain.canonical(anchors, items)[rows, columns].astype(np.float64)
        found = {}
        for name in BODIES:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(_compiled, "is_available", lambda name=name: name == "numba")
                found[name] = Int8(vectors).refine(Int8(vectors).finely(anchors), rows, columns)
        np.testing.assert_array_equal(found["numba"], found["numpy"])
        slack = Int8(vectors).finely(anchors).slack
        assert (np.abs(found["numba"] - canonical) <= slack[rows]).all()
        assert (slack <= Int8(vectors).slack(anchors) / 5).all()


def test_a_rough_screen_gives_up_where_scores_are_too_close(body, monkeypatch):
    """Scores within a bfloat16 step of each other fill a short shortlist again and again."""
    monkeypatch.setattr(Blocks, "room", staticmethod(lambda k, n_items: k + 4))
    anchors, items = near_ties()
    vectors = Vectors(items, "dot")
    index = ExactIndex(vectors, np.ones(160, bool), BFloat16(vectors, kept=True))
    found = index.find(anchors, 10, plain.nobody(12), Blocks(12, 50, 50))
    assert found.overflowed == 12
    expected = plain.reference(plain.canonical(anchors, items), 10, np.zeros((12, 160), bool))
    np.testing.assert_array_equal(found.items, expected[0])


def test_rows_of_items_may_take_64_bits(body, room, monkeypatch):
    monkeypatch.setattr(exact, "MOST_SHORT", 10)
    anchors, items = near_ties()
    found = find(anchors, items, 20, Blocks(5, 23, 7), SCREENS["numpy"])
    expected = plain.reference(plain.canonical(anchors, items), 20, np.zeros((12, 160), bool))
    np.testing.assert_array_equal(found[0], expected[0])


def test_a_fine_screen_never_gives_up(body, room):
    anchors, items = near_ties()
    vectors = Vectors(items, "dot")
    found = ExactIndex(vectors, np.ones(160, bool)).find(anchors, 10, plain.nobody(12), Blocks(12, 50, 50))
    assert found.overflowed == 0


def test_little_is_scored_canonically(body):
    anchors, items = normal(10, 64, 0), normal(5000, 64, 1)
    vectors = Vectors(items, "cosine")
    queries = Vectors(anchors, "cosine").read(slice(None))
    for screen, most in (
        (Single(vectors, NUMPY), 10 * 51),
        (BFloat16(vectors, kept=True), 10 * 90),
        (Int8(vectors), 10 * 220),
    ):
        index = ExactIndex(vectors, np.ones(5000, bool), screen)
        found = index.find(queries, 50, plain.nobody(10), Blocks(10, 512, 64))
        assert 10 * 50 <= found.rescored <= most


@pytest.mark.parametrize("kernels", BODIES.values(), ids=BODIES)
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_shortlist_keeps_all_that_may_be_among_the_best(kernels, data):
    """After any stream of blocks: what lies within reach of the k-th best is there, once, in the order of items."""
    k, width = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 200))
    room = data.draw(st.integers(k + 1, 300))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    levels = data.draw(st.sampled_from([3, 10, 10**6]))
    blocks = [rng.integers(0, levels, (3, width)).astype(np.float32) / levels for _ in range(4)]
    blocks[1][0, : width // 2] = -np.inf
    reach = np.full(3, data.draw(st.sampled_from([0.0, 0.05, 0.5])))
    items, scores = np.empty((3, room), np.int64), np.empty((3, room), np.float32)
    counts, bounds = np.zeros(3, np.int64), np.full(3, -1e37, np.float32)
    limits = np.full(3, kernels.first_limit(k, room))
    for number, block in enumerate(blocks):
        resume = np.zeros(3, np.int64)
        stuck = kernels.take(block, ONES[:3], number * width, reach, k, items, scores, counts, bounds, limits, resume)
        assert stuck == (resume < width).any()
        if stuck:
            assert (counts[resume < width] > k).all()
            return
    kernels.prune(reach, k, items, scores, counts, bounds)
    every = np.concatenate(blocks, axis=1)
    for row in range(3):
        held = items[row, : counts[row]]
        assert (np.diff(held) > 0).all()
        np.testing.assert_array_equal(scores[row, : counts[row]], every[row, held])
        finite = np.sort(every[row][every[row] > -np.inf])[::-1]
        needed = every[row] >= (finite[k - 1] - reach[row] if len(finite) >= k else -1e37)
        assert set(np.flatnonzero(needed)) <= set(held.tolist())
        assert (every[row, held] > -np.inf).all()


@pytest.mark.parametrize("kernels", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("room", [7, 200])
def test_scores_in_bfloat16_are_taken_as_their_float32_values(kernels, room):
    """Whatever stops a row early stops it at the same column."""
    single = np.round(normal(6, 150, 0), 1)
    single[2, ::3] = -np.inf
    halves = (single.view(np.uint32) >> 16).astype(np.uint16)
    taken = [taken_by(block, ONES, kernels, room) for block in (halves, as_float32(halves))]
    for one, other in zip(*taken, strict=True):
        np.testing.assert_array_equal(one, other)
    assert taken[0][0] == (room == 7)


@pytest.mark.parametrize("kernels", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("room", [7, 200])
def test_scores_in_integers_are_taken_as_what_they_are_worth(kernels, room):
    integers = np.random.default_rng(0).integers(-40, 40, (6, 150)).astype(np.int32)
    integers[2, ::3] = -(2**31)
    units = np.linspace(0.05, 0.3, 6).astype(np.float32)
    single = np.where(integers == -(2**31), -np.inf, integers * units[:, None]).astype(np.float32)
    taken = [taken_by(integers, units, kernels, room), taken_by(single, ONES, kernels, room)]
    for one, other in zip(*taken, strict=True):
        np.testing.assert_array_equal(one, other)
    assert taken[0][0] == (room == 7)


def taken_by(block, units, kernels, room):
    """Take one block into fresh shortlists; give all that is known of them afterwards."""
    items, scores = np.full((6, room), -1), np.zeros((6, room), np.float32)
    counts, bounds, resume = np.zeros(6, np.int64), np.full(6, -1e37, np.float32), np.zeros(6, np.int64)
    limits = np.full(6, kernels.first_limit(4, room))
    stuck = kernels.take(block, units, 10, np.full(6, 0.25), 4, items, scores, counts, bounds, limits, resume)
    held = np.arange(room) < counts[:, None]
    return stuck, counts, bounds, resume, np.where(held, items, -1), np.where(held, scores, 0)


@pytest.mark.parametrize("kernels", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("lowest", [-(2.0**31), -np.inf])
def test_scores_that_look_like_what_stands_for_none(kernels, lowest):
    """The least int32 means −inf among integers only."""
    block = np.full((6, 70), lowest, np.float32)
    _, counts, *_ = taken_by(block, ONES, kernels, 200)
    assert (counts == (70 if np.isfinite(lowest) else 0)).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=300), st.data())
def test_the_kth_largest_of_any_numbers(numbers, data):
    values, k = np.array(numbers, np.float32), data.draw(st.integers(1, len(numbers)))
    found = selection_numba._largest(values, len(values), k, np.empty(len(values), np.int32))
    assert found == np.sort(values)[-k]


@pytest.mark.parametrize("dim", [1, 2, 3, 7, 8, 24, 64, 96, 384, 385])
def test_both_folds_give_the_same_bits(dim):
    left, right = normal(30, dim, 0), normal(40, dim, 1) * np.float32(1e3)
    left[3], right[5] = 0, -0.0
    rows, columns = np.random.default_rng(2).integers(0, 30, (2, 500))
    scores = [np.empty(500, np.float32) for _ in range(2)]
    for folds, into in zip((_folds_numba, _folds_numpy), scores, strict=True):
        folds.dots(left, rows, right, columns, into)
    np.testing.assert_array_equal(scores[0].view(np.int32), scores[1].view(np.int32))
    for folds, into in zip((_folds_numba, _folds_numpy), scores, strict=True):
        folds.unit_dots(left, rows, right, columns, into)
    np.testing.assert_array_equal(scores[0].view(np.int32), scores[1].view(np.int32))
    _folds_numpy.dots(left, rows, Vectors(right, "cosine").read(slice(None)), columns, scores[1])
    np.testing.assert_array_equal(scores[0].view(np.int32), scores[1].view(np.int32))
    units = [left.copy(), left.copy()]
    _folds_numba.normalise(units[0])
    _folds_numpy.normalise(units[1])
    np.testing.assert_array_equal(units[0].view(np.int32), units[1].view(np.int32))
    assert (units[0][3] == 0).all()


def test_half_precision_is_read_by_its_bits():
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)][:, None]
    vectors = Vectors(finite, "dot")
    np.testing.assert_array_equal(vectors.roughly(slice(0, len(finite))), finite.astype(np.float32))


def test_rows_of_length_one_are_not_copied():
    unit = Vectors(normal(50, 8, 0), "cosine").read(slice(None))
    assert np.shares_memory(Vectors(unit, "cosine").roughly(slice(3, 9)), unit)


@pytest.mark.parametrize("power", [-149, -136, -130, -60])
def test_short_items_are_found_under_cosine(body, power):
    """The inverse of their length is beyond float32."""
    anchors, items = normal(6, 8, 0), normal(120, 8, 1)
    items[::5] *= np.float32(2.0**power)
    items[~items.any(axis=1)] = 1
    found = find(anchors, items, 20, Blocks(6, 50, 50), SCREENS["numpy"], "cosine")
    scores = plain.canonical(*(Vectors(side, "cosine").read(slice(None)) for side in (anchors, items)))
    expected = plain.reference(scores, 20, np.zeros(scores.shape, bool))
    np.testing.assert_array_equal(found[0], expected[0])
