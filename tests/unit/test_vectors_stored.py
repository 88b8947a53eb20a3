"""Vectors as they are stored: int8, bfloat16 and shards give what float32 vectors of the same values give."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch

import foils
from foils._stored import as_float32, finite_as_float32
from foils.clustering import spherical_kmeans
from foils.encoders.adapted import Adapter
from foils.errors import DataError
from foils.evaluating import evaluate_vectors
from foils.positives import Relation
from foils.search import Blocks, ExactIndex, Vectors, matrix_digest, open_matrix, pair_scores
from foils.search.shards import Shards
from foils.torch import Collator
from foils.torch.mined import Example

CUTS = (0, 40, 40, 41, 110)


def normal(rows, dim, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def bfloat16(matrix):
    """Round as PyTorch does, and keep the bits as NumPy stores them."""
    return torch.from_numpy(matrix).bfloat16().view(torch.int16).numpy().view("V2")


def int8(matrix):
    return np.clip(np.rint(matrix * 40), -127, 127).astype(np.int8)


def cut(matrix):
    return [matrix[start:stop] for start, stop in pairwise(CUTS)]


def opened(source, rows=110):
    return open_matrix(source, what="corpus vectors", rows=rows, of="corpus.jsonl")


def save(folder, parts, names="{}.npy"):
    folder.mkdir()
    for number, part in enumerate(parts):
        np.save(folder / names.format(number), part)
    return folder


def layouts(matrix, folder):
    np.save(folder / "whole.npy", matrix)
    wide = np.zeros((len(matrix), 2 * matrix.shape[1]), matrix.dtype)
    wide[:, ::2] = matrix
    return {
        "memory": matrix,
        "memory-mapped": folder / "whole.npy",
        "fortran": np.asfortranarray(matrix),
        "strided": wide[:, ::2],
        "shards": cut(matrix),
        "folder": save(folder / "parts", cut(matrix)),
        "one shard": [matrix],
    }


KINDS = {"int8": int8, "bfloat16": bfloat16, "float16": lambda one: one.astype(np.float16), "float32": np.asarray}


def search(queries, items):
    index = ExactIndex(items, np.ones(len(items), bool))
    nobody = Relation(np.zeros(len(queries) + 1, np.int64), np.zeros(0, np.int64))
    return index.search(queries.read(slice(None)), 11, nobody, Blocks(6, 23, 7))


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("kind", KINDS)
def test_any_storage_gives_what_float32_gives(kind, similarity, tmp_path):
    anchors, items = (KINDS[kind](normal(rows, 9, seed)) for rows, seed in ((6, 1), (110, 2)))
    queries, single = Vectors(as_float32(anchors), similarity), Vectors(as_float32(items), similarity)
    expected, rows = search(queries, single), np.array([3, 3, 0, 109, 40, 39, 41])
    pairs = np.arange(7) % 6, rows
    for name, source in layouts(items, tmp_path).items():
        vectors = Vectors(opened(source), similarity)
        vectors.check()
        found = search(Vectors(anchors, similarity), vectors)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)
        np.testing.assert_array_equal(vectors.read(rows), single.read(rows), err_msg=name)
        np.testing.assert_array_equal(pair_scores(queries, vectors, *pairs, 3), pair_scores(queries, single, *pairs, 3))
        assert matrix_digest(vectors.matrix) == matrix_digest(items), name
        assert vectors.longest == single.longest


def test_every_bfloat16_is_read():
    bits = np.arange(2**16, dtype=np.uint16)[:, None]
    expected = torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16).float().numpy()
    for read in (as_float32, finite_as_float32):
        np.testing.assert_array_equal(read(bits.view("V2")).view(np.uint32), expected.view(np.uint32))


def test_bfloat16_of_another_package_is_taken_for_what_it_is():
    """Such a type is a void of two bytes that is not NumPy's own; one with fields is something else."""
    fields = np.zeros((110, 3), [("low", "u1"), ("high", "u1")])
    for wrong in (fields, np.zeros((110, 3), "V4"), np.zeros((110, 3), np.uint16), np.zeros((110, 3), np.uint8)):
        with pytest.raises(DataError, match="expected float16, float32, float64, int8, or bfloat16 as 2-byte voids"):
            opened(wrong)


@pytest.mark.parametrize("bits", [0x7F80, 0xFF80, 0x7FC0])
def test_numbers_that_are_not_finite_are_refused_with_their_shard(bits, tmp_path):
    matrix = bfloat16(normal(110, 4))
    matrix.view(np.uint16)[41 + 5, 1] = bits
    folder = save(tmp_path / "parts", cut(matrix))
    where = f"corpus vectors ({folder / '3.npy'}): row 5 (from 0; of all shards, row 46) holds"
    with pytest.raises(DataError, match=re.escape(where)):
        Vectors(opened(folder), "dot", "corpus vectors").check()
    with pytest.raises(DataError, match="row 46"):
        spherical_kmeans(matrix, 3)


def test_shards_are_in_the_order_of_their_numbers(tmp_path):
    matrix = normal(110, 4)
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, name in enumerate(("part-2.npy", "part-9.npy", "part-10.npy", "part-010b.npy")):
        np.save(folder / name, cut(matrix)[number])
    np.save(folder / ".hidden.npy", matrix)
    (folder / "README").write_text("not a shard")
    np.testing.assert_array_equal(np.asarray(opened(folder)), matrix)


@pytest.mark.parametrize(
    ("parts", "complaint"),
    [
        ([normal(40, 4), normal(70, 5)], "1.npy): 5 dimensions of float32, and {folder}/0.npy has 4 of float32"),
        ([normal(40, 4), normal(70, 4).astype(np.float16)], "1.npy): 4 dimensions of float16"),
        ([normal(40, 4), normal(69, 4)], "(2 shards of {folder}): 109 rows (0.npy: 40, 1.npy: 69) for 110 entries"),
        ([normal(40, 4), np.zeros((70, 4), np.int64)], "1.npy): expected float16, float32, float64, int8"),
        ([normal(40, 4), normal(70, 4)[0]], "1.npy): expected the shape (rows, dimensions), found (4,)"),
    ],
)
def test_shards_that_do_not_fit_are_named(parts, complaint, tmp_path):
    folder = save(tmp_path / "parts", parts)
    with pytest.raises(DataError, match=re.escape(complaint.format(folder=folder))):
        opened(folder)


def test_not_all_of_many_shards_are_listed():
    with pytest.raises(DataError, match=r"vectors \(20 shards\): 20 rows \(shard 0: 1, .* shard 11: 1, and 8 more\)"):
        opened([normal(1, 4)] * 20)


def test_a_list_of_vectors_is_no_list_of_shards():
    with pytest.raises(DataError, match=r"found a list; convert with numpy\.asarray"):
        opened(list(normal(110, 4)))
    with pytest.raises(DataError, match="found a list"):
        opened([], rows=0)


@pytest.mark.parametrize(
    "rows",
    [slice(None), slice(5, 5), slice(39, 42), slice(40, 41), slice(110, 120), slice(0, 110, 7), slice(60, 20, -3)]
    + [np.array(rows, np.int64) for rows in ([], [109, 0, 40, 40, 39], [[1, 109], [41, 2]])],
)
def test_rows_of_shards_are_those_of_the_matrix(rows):
    matrix = normal(110, 4)
    shards = opened([matrix[:0], *cut(matrix), matrix[:0]])
    assert (shards.shape, shards.ndim, shards.dtype, len(shards)) == ((110, 4), 2, np.float32, 110)
    np.testing.assert_array_equal(shards[rows], matrix[rows])


def test_rows_beyond_the_shards_are_refused():
    for row in (-1, 110):
        with pytest.raises(IndexError):
            Shards(cut(normal(110, 4)))[np.array([0, row])]


def test_a_slice_of_one_shard_is_not_copied():
    matrix = normal(110, 4)
    shards = Shards(cut(matrix))
    assert np.shares_memory(shards[slice(50, 100)], matrix)
    assert np.shares_memory(Vectors(shards, "dot").roughly(slice(50, 100)), matrix)
    with pytest.raises(ValueError, match="only by a copy"):
        np.asarray(shards, copy=False)


def world():
    pairs = [(anchor, (7 * anchor) % 110) for anchor in range(20)]
    return foils.Collection.from_arrays(pairs, anchors=20, items=110)


@pytest.mark.parametrize("kind", ["int8", "bfloat16"])
def test_all_that_reads_vectors_reads_them_in_any_storage(kind, tmp_path):
    anchors, items = KINDS[kind](normal(20, 8, 1)), KINDS[kind](normal(110, 8, 2))
    single = as_float32(anchors), as_float32(items)
    sharded = [anchors[:11], anchors[11:]], save(tmp_path / "parts", cut(items))
    for recipe in ("nv-retriever", "naive-top-k"):
        mined = [
            foils.mine(world(), recipe, negatives=3, query_vectors=one[0], item_vectors=one[1])
            for one in (single, (anchors, items), sharded)
        ]
        rows = [one.rows(world()) for one in mined]
        for other in rows[1:]:
            np.testing.assert_array_equal(np.concatenate(other, axis=None), np.concatenate(rows[0], axis=None))
        assert mined[0].stats["separation"] == mined[2].stats["separation"]
    measured = [
        evaluate_vectors(world(), one[0], one[1], split="train").means() for one in (single, (anchors, items), sharded)
    ]
    assert measured[0] == measured[1] == measured[2]
    clusters = [spherical_kmeans(one, 4, seed=1).centroids for one in (single[1], items, Shards(cut(items)))]
    np.testing.assert_array_equal(clusters[0], clusters[1])
    np.testing.assert_array_equal(clusters[0], clusters[2])
    adapter = Adapter(normal(8, 8, 3))
    np.testing.assert_array_equal(adapter.queries(single[1]), adapter.queries(Shards(cut(items))))
    collate = [Collator(vectors=one) for one in (single, (anchors, Shards(cut(items))))]
    batches = [one([Example(1, 5, np.array([50, -1]))]) for one in collate]
    assert torch.equal(batches[0].negative_vectors, batches[1].negative_vectors)
