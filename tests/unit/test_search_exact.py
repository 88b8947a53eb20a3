"""Exact search gives the canonical ranking, whatever the blocks, the layout in memory and the order of the items."""

import runpy
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from foils.positives import Relation
from foils.search import Blocks, ExactIndex, Inputs, Vectors, pair_scores

HELPERS = Path(__file__).parents[1] / "contract" / "search_reference.py"
plain = SimpleNamespace(**runpy.run_path(str(HELPERS)))
canonical, check, nobody, search = plain.canonical, plain.check, plain.nobody, plain.search

BLOCKS = [Blocks(1, 1, 1), Blocks(7, 7, 7), Blocks(64, 64, 64), Blocks(1000, 1000, 1000), Blocks(3, 64, 5)]
every_blocks = pytest.mark.parametrize("blocks", BLOCKS, ids=lambda blocks: f"{blocks.anchors}x{blocks.items}")


def normal(rows, dim, seed):
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


@every_blocks
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_random_vectors(blocks, similarity):
    check(normal(9, 17, 0), normal(150, 17, 1), 10, blocks, similarity=similarity)


@every_blocks
def test_ties_go_to_the_lower_item(blocks):
    rng = np.random.default_rng(0)
    anchors, items = (rng.integers(-1, 2, (rows, 3)).astype(np.float32) for rows in (9, 200))
    _, scores = check(anchors, items, 25, blocks)
    assert (np.diff(scores, axis=1) == 0).mean() > 0.8


@every_blocks
def test_all_scores_equal(blocks):
    ids, _ = check(np.ones((4, 3), np.float32), np.ones((90, 3), np.float32), 20, blocks)
    assert ids.tolist() == [list(range(20))] * 4


@every_blocks
def test_zero_vectors_score_zero_under_dot(blocks):
    anchors, items = normal(5, 4, 0), normal(60, 4, 1)
    anchors[2], items[10:50] = 0, 0
    _, scores = check(anchors, items, 30, blocks)
    assert not np.signbit(scores[2]).any()  # 0, not −0


@every_blocks
def test_only_negative_scores(blocks):
    _, scores = check(np.abs(normal(5, 4, 0)), -np.abs(normal(60, 4, 1)), 30, blocks)
    assert (scores < 0).all()


@every_blocks
def test_more_asked_for_than_there_is(blocks):
    ids, scores = check(normal(3, 4, 0), normal(6, 4, 1), 20, blocks)
    assert (ids[:, 6:] == -1).all()
    assert np.isnan(scores[:, 6:]).all()


@every_blocks
def test_exclusions_are_applied_before_the_cut(blocks):
    """One anchor excludes nothing, one its 40 best, one 99 % of the items, one all of them."""
    anchors, items = normal(4, 5, 0), normal(100, 5, 1)
    best = np.argsort(-(anchors[1] @ items.T))[:40]
    pairs = [(1, item) for item in best] + [(2, item) for item in range(100) if item != 57]
    pairs += [(3, item) for item in range(100)]
    excluded = Relation.from_pairs(*np.array(pairs).T, 4)
    ids, _ = check(anchors, items, 20, blocks, excluded=excluded)
    assert (ids[1] >= 0).all()
    assert ids[2].tolist() == [57] + [-1] * 19
    assert (ids[3] == -1).all()


@every_blocks
def test_items_that_may_not_be_mined_are_never_found(blocks):
    mineable = np.random.default_rng(2).random(80) < 0.5
    check(normal(4, 5, 0), normal(80, 5, 1), 60, blocks, mineable=mineable)
    ids, _ = check(normal(4, 5, 0), normal(80, 5, 1), 3, blocks, mineable=np.zeros(80, bool))
    assert (ids == -1).all()


@every_blocks
@pytest.mark.parametrize("falling", [False, True])
def test_items_sorted_by_score(blocks, falling):
    """Ascending, every block beats the threshold of the ones before."""
    anchors, items = normal(1, 6, 0), normal(300, 6, 1)
    order = np.argsort(items @ anchors[0])
    check(np.repeat(anchors, 3, axis=0), items[order[::-1] if falling else order], 15, blocks)


@pytest.mark.parametrize("scale", [1e-30, 3e-23, 1e-22, 1e-21, 1e-10, 1e8, 1e16])
def test_lengths_near_the_limits(scale):
    """Products may vanish in float32 (and then tie), and must not overflow."""
    anchors, items = normal(5, 64, 0) * np.float32(scale), normal(300, 64, 1) * np.float32(scale)
    for blocks in BLOCKS[1:]:
        check(anchors, items, 12, blocks)


@every_blocks
def test_one_long_vector_does_not_drown_the_short_ones(blocks):
    items = normal(90, 5, 1)
    items[17] *= 1e6
    check(normal(6, 5, 0), items, 12, blocks)


def near_ties():
    """Items so close to one another that float32 products order them by their rounding errors."""
    rng = np.random.default_rng(0)
    anchors, centre = normal(12, 96, 1), normal(1, 96, 2)
    return anchors, (centre + 1e-7 * rng.standard_normal((400, 96))).astype(np.float32)


def test_near_ties_are_ordered_otherwise_by_a_plain_product():
    """Without this, the next test could not fail."""
    anchors, items = near_ties()
    exact = np.lexsort((np.broadcast_to(np.arange(400), (12, 400)), -canonical(anchors, items)))
    blas = np.lexsort((np.broadcast_to(np.arange(400), (12, 400)), -(anchors @ items.T)))
    best = [set(row) != set(other) for row, other in zip(exact[:, :20].tolist(), blas[:, :20].tolist(), strict=True)]
    assert sum(best) >= 10


@every_blocks
@pytest.mark.parametrize(("longer", "shorter"), [(1, 1), (1000, 1), (1, 1000), (1, 1e-3)])
def test_near_ties_are_ordered_canonically(blocks, longer, shorter):
    anchors, items = near_ties()
    check(anchors * np.float32(longer), items * np.float32(shorter), 20, blocks)


def layouts(matrix, path):
    np.save(path, matrix)
    wide = np.zeros((len(matrix), 2 * matrix.shape[1]), matrix.dtype)
    wide[:, ::2] = matrix
    return {
        "fortran": np.asfortranarray(matrix),
        "strided": wide[:, ::2],
        "memory-mapped": np.load(path, mmap_mode="r"),
        "big-endian": matrix.astype(matrix.dtype.newbyteorder(">")),
        "read-only": np.frombuffer(matrix.tobytes(), matrix.dtype).reshape(matrix.shape),
    }


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_layout_of_the_matrices_does_not_matter(dtype, similarity, tmp_path):
    anchors, items = normal(6, 9, 0).astype(dtype), normal(110, 9, 1).astype(dtype)
    expected = search(anchors.astype(np.float32), items.astype(np.float32), 11, BLOCKS[1], similarity=similarity)
    queries = layouts(anchors, tmp_path / "anchors.npy")
    for name, other in layouts(items, tmp_path / "items.npy").items():
        found = search(queries[name], other, 11, BLOCKS[2], similarity=similarity)
        np.testing.assert_array_equal(found[0], expected[0], err_msg=name)
        np.testing.assert_array_equal(found[1], expected[1], err_msg=name)


@every_blocks
def test_degenerate_shapes(blocks):
    for n_anchors, n_items in ((0, 5), (3, 0), (0, 0)):
        index = ExactIndex(Vectors(normal(n_items, 4, 0), "dot"), np.ones(n_items, bool))
        ids, scores = index.search(normal(n_anchors, 4, 1), 3, nobody(n_anchors), blocks)
        assert ids.shape == scores.shape == (n_anchors, 3)
        assert (ids == -1).all()


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_pair_scores_do_not_depend_on_the_chunk(chunk):
    anchors, items = normal(6, 9, 0), normal(40, 9, 1)
    rows, columns = np.divmod(np.random.default_rng(0).permutation(240), 40)
    columns[::9] = -1
    scores = pair_scores(Vectors(anchors, "dot"), Vectors(items, "dot"), rows, columns, chunk)
    expected = canonical(anchors, items)[rows, columns]
    np.testing.assert_array_equal(scores, np.where(columns < 0, np.float32(np.nan), expected))


def test_pairs_of_an_empty_corpus_have_no_score():
    matrices = {"model": (normal(3, 2, 0), normal(0, 2, 0))}
    inputs = Inputs(None, None, np.zeros(0, bool), matrices, 1, 0, BLOCKS[0], None, None)
    scores = inputs.vectors("model", "dot").pair_scores(np.array([0, 2]), np.array([-1, -1]))
    assert np.isnan(scores).all()


@pytest.mark.parametrize(("dim", "depth"), [(8, 100), (96, 100), (64, 1000)])
def test_the_worst_case_stays_within_the_memory_given(dim, depth):
    """With all scores equal every cell survives the screen."""
    memory = 24 << 20
    blocks = Blocks.within(memory, dim=dim, depth=depth)
    n_items = blocks.items + 100
    index = ExactIndex(Vectors(np.ones((n_items, dim), np.float32), "cosine"), np.ones(n_items, bool))
    queries = Vectors(np.ones((blocks.anchors, dim), np.float32), "cosine")
    tracemalloc.start()
    try:
        index.search(queries.read(slice(None)), depth, nobody(blocks.anchors), blocks)
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("memory", [1, 10**4, 10**6, 10**9, 10**12])
def test_blocks_are_never_empty(memory):
    for dim in (1, 384, 8192):
        for depth in (1, 10**6):
            blocks = Blocks.within(memory, dim=dim, depth=depth)
            assert min(blocks.anchors, blocks.items, blocks.pairs) >= 1
            assert blocks.anchors <= 1024
            assert blocks.items <= 512
