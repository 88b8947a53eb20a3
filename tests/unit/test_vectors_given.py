"""Vectors that are given in another form than an array: the message says how to make one."""

import numpy as np
import pytest
import torch

import foils
from foils.errors import DataError, InputError
from foils.evaluating import evaluate_vectors
from foils.search import open_sides, require_equal_dims

QUERIES, ITEMS = np.eye(2, 3, dtype=np.float32), np.eye(3, dtype=np.float32)


def collection():
    return foils.Collection.from_arrays([(0, 0), (1, 1)], anchors=2, items=3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.from_numpy(QUERIES), r"found a Tensor; convert with \.detach\(\)\.cpu\(\)\.float\(\)\.numpy\(\)"),
        (QUERIES.tolist(), r"found a list; convert with numpy\.asarray"),
        (QUERIES.astype(int), r"found int64; convert with \.astype"),
    ],
)
def test_each_kind_is_told_how_to_become_an_array(given, message):
    with pytest.raises(DataError, match=message):
        evaluate_vectors(collection(), given, ITEMS, split="train")
    with pytest.raises(DataError, match=message):
        foils.mine(collection(), "naive-top-k", negatives=1, query_vectors=given, item_vectors=ITEMS)


def test_an_archive_of_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "v.npz", queries=QUERIES)
    with pytest.raises(DataError, match=r"is an archive of several arrays; .*numpy\.save\('vectors\.npy'"):
        open_sides(tmp_path / "v.npz", ITEMS, collection())


def test_sides_of_two_models_are_refused():
    with pytest.raises(DataError, match="query vectors have 3 dimensions and corpus vectors 2; encode both"):
        require_equal_dims(QUERIES, ITEMS[:, :2])


def test_a_name_is_no_collection():
    with pytest.raises(InputError, match="expected a Collection, found 'plants'"):
        foils.advise("plants")
    with pytest.raises(InputError, match="expected a Collection, found 'plants'"):
        foils.NegativeStream("plants", "uniform", negatives=1)
