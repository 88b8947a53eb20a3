"""Vectors: what is accepted and refused, and one canonical form however they are stored and read."""

import re

import numpy as np
import pytest

from foils.errors import DataError, InputError
from foils.search import Blocks, Inputs, Vectors, matrix_digest, open_matrix
from foils.search.vectors import READ_BYTES


def normal(rows, dim, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def opened(source):
    return open_matrix(source, what="corpus vectors", rows=5, of="corpus.jsonl")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", "<f8"])
def test_files_and_arrays_are_opened_as_they_are(dtype, tmp_path):
    matrix = normal(5, 3).astype(dtype)
    np.save(tmp_path / "m.npy", matrix)
    assert opened(matrix) is matrix
    for path in (tmp_path / "m.npy", str(tmp_path / "m.npy")):
        mapped = opened(path)
        assert isinstance(mapped, np.memmap)
        np.testing.assert_array_equal(mapped, matrix)


@pytest.mark.parametrize(
    ("matrix", "complaint"),
    [
        (
            normal(4, 3),
            "4 rows for 5 entries of corpus.jsonl; row i must be the vector of the i-th of them",
        ),
        (normal(5, 3)[0], r"expected the shape (rows, dimensions), found (3,)"),
        (np.zeros((5, 0), np.float32), "found (5, 0)"),
        (np.zeros((5, 3), np.int64), "or bfloat16 as 2-byte voids (V2), found int64"),
        (np.zeros((5, 3), np.longdouble), "expected float16, float32, float64, int8, or bfloat16"),
        (np.zeros((5, 3), complex), "found complex128"),
        ([[1.0]], "found a list; convert with numpy.asarray"),
    ],
)
def test_wrong_matrices_are_refused(matrix, complaint):
    with pytest.raises(DataError, match=re.escape(complaint)) as caught:
        opened(matrix)
    assert str(caught.value).startswith("corpus vectors: ")


def test_files_that_hold_no_array_are_refused(tmp_path):
    good = tmp_path / "good.npy"
    np.save(good, normal(5, 3))
    bad = {
        "missing": tmp_path / "missing.npy",
        "text": tmp_path / "text.npy",
        "empty": tmp_path / "empty.npy",
        "cut": tmp_path / "cut.npy",
        "objects": tmp_path / "objects.npy",
    }
    bad["text"].write_text("0.1 0.2\n")
    bad["empty"].write_bytes(b"")
    bad["cut"].write_bytes(good.read_bytes()[:-8])
    np.save(bad["objects"], np.array([{}, []], dtype=object), allow_pickle=True)
    for path in bad.values():
        with pytest.raises(DataError, match=re.escape(f"corpus vectors ({path}): cannot be read")):
            opened(path)


def test_an_archive_of_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "m.npz", normal(5, 3))
    with pytest.raises(DataError, match="is an archive of several arrays"):
        opened(tmp_path / "m.npz")
    with pytest.raises(DataError, match=r"the folder holds no \.npy file"):
        opened(tmp_path)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_a_row_does_not_depend_on_what_it_is_read_with(similarity):
    vectors = Vectors(normal(300, 33), similarity)
    whole = vectors.read(slice(None))
    assert whole.dtype == np.float32
    assert whole.flags.c_contiguous
    for rows in (slice(3, 4), slice(7, 290), np.array([299, 0, 0, 17])):
        np.testing.assert_array_equal(vectors.read(rows), whole[rows])


def test_cosine_reads_unit_vectors_and_dot_reads_them_as_they_are():
    matrix = normal(50, 7) * np.logspace(-12, 12, 50, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(Vectors(matrix, "dot").read(slice(None)), matrix)
    lengths = np.linalg.norm(Vectors(matrix, "cosine").read(slice(None)).astype(np.float64), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)


def test_the_longest_vector_is_found_as_it_is_read():
    matrix = normal(40, 3).astype(np.float64)
    matrix[7] = [3e8, 4e8, 0]
    assert Vectors(matrix, "dot").longest == 5e8
    assert Vectors(matrix, "cosine").longest == 1
    assert Vectors(matrix[:0], "dot").longest == 0


FAULTS = {
    "NaN": (np.nan, "holds NaN"),
    "infinity": (np.inf, "holds infinity"),
    "minus infinity": (-np.inf, "holds infinity"),
    "too long": (2e18, r"has a length of 2e\+18; the limit is 1e\+18"),
}


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("fault", FAULTS)
def test_bad_numbers_are_refused_with_their_row(fault, similarity):
    value, complaint = FAULTS[fault]
    matrix = normal(20, 4)
    matrix[13, 2] = matrix[17, 0] = value
    vectors = Vectors(matrix, similarity, "corpus vectors")
    with pytest.raises(DataError, match=f"corpus vectors: row 13 \\(from 0\\) {complaint}"):
        vectors.check()
    with pytest.raises(DataError, match="row 13"):
        vectors.check(may_be_zero=np.ones(20, bool))  # even where a row is never used
    Vectors(normal(20, 4), similarity).check()


@pytest.mark.parametrize("value", [1e60, 1e200, -1e308])
def test_numbers_beyond_float32_are_refused(value):
    matrix = normal(20, 4).astype(np.float64)
    matrix[3, 0] = value
    with pytest.raises(DataError, match="row 3 \\(from 0\\) holds infinity, or a number beyond float32"):
        Vectors(matrix, "dot", "query vectors").check()


@pytest.mark.parametrize("value", [0.0, 1e-60])
def test_zero_rows_have_no_cosine(value):
    """Also those that are zero only as float32, in which they are read."""
    matrix = normal(20, 4).astype(np.float64)
    matrix[5] = value
    with pytest.raises(DataError, match=r"row 5 \(from 0\) is a zero vector, .* --set source.dense.similarity=dot"):
        Vectors(matrix, "cosine", "corpus vectors").check()
    Vectors(matrix, "dot", "corpus vectors").check()
    Vectors(matrix, "cosine").check(may_be_zero=np.arange(20) == 5)
    with pytest.raises(DataError, match="row 5"):
        Vectors(matrix, "cosine").check(may_be_zero=np.arange(20) == 6)


def test_rows_are_counted_through_all_that_is_read_at_once():
    step = READ_BYTES // (8 * 1024)
    matrix = np.zeros((step + 3, 1024), np.float16)
    matrix[step + 1, 1000] = np.nan
    with pytest.raises(DataError, match=f"row {step + 1} .from 0. holds NaN"):
        Vectors(matrix, "dot").check()
    ignored = np.zeros(len(matrix), bool)
    ignored[: step + 2] = True
    matrix[step + 1, 1000] = 0
    with pytest.raises(DataError, match=f"row {step + 2} .from 0. is a zero vector"):
        Vectors(matrix, "cosine").check(may_be_zero=ignored)


def test_the_digest_is_of_the_values():
    matrix = normal(30, 4)
    digest = matrix_digest(matrix)
    for other in (matrix.copy(order="F"), np.repeat(matrix, 2, axis=0)[::2]):
        assert matrix_digest(other) == digest
    changed = matrix.copy()
    changed[29, 3] += 1
    others = [changed, matrix.astype(np.float64), matrix.reshape(15, 8), matrix[:29]]
    assert len({digest, *(matrix_digest(other) for other in others)}) == 5


def inputs(matrices):
    return Inputs(None, None, np.ones(6, bool), matrices, 1, 0, Blocks(2, 2, 2), None, None)


def test_a_pair_of_matrices_is_found_by_name():
    pair = inputs({"teacher": (normal(3, 4), normal(6, 4))}).vectors("teacher", "dot")
    assert (len(pair.anchors), len(pair.items), pair.items.dim) == (3, 6, 4)
    with pytest.raises(InputError, match=r"needs the vectors 'model': .*Valid: teacher; give a model"):
        inputs({"teacher": (normal(3, 4), normal(6, 4))}).vectors("model", "dot")
    with pytest.raises(InputError, match="needs the vectors 'model': none were given; give a model"):
        inputs({}).vectors("model", "dot")


def test_both_sides_must_be_of_one_encoder():
    with pytest.raises(InputError, match="query vectors have 4 dimensions and corpus vectors 5"):
        inputs({"model": (normal(3, 4), normal(6, 5))}).vectors("model", "dot")
