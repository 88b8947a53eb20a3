"""Pairs from tables in memory: pandas, Polars, PyArrow, data sets of Hugging Face, streams of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from foils.collection import Collection
from foils.errors import DataError, MissingExtraError

datasets = pytest.importorskip("datasets")
pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")

COLUMNS: dict[str, list[Any]] = {"query": ["a", "b", "a"], "answer": ["x", "y", "z"], "n": [1, 2, 3]}
FRAMES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pyarrow": pa.table,
    "pandas": pandas.DataFrame,
    "polars": polars.DataFrame,
}
DATASETS: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "Dataset": datasets.Dataset.from_dict,
    "DatasetDict": lambda columns: datasets.DatasetDict({"train": datasets.Dataset.from_dict(columns)}),
    "IterableDataset": lambda columns: datasets.Dataset.from_dict(columns).to_iterable_dataset(),
    "generator": lambda columns: datasets.IterableDataset.from_generator(lambda: iter(pa.table(columns).to_pylist())),
}
NAMES = {"anchor": "query", "positive": "answer"}


def said(data: Collection) -> list[tuple[str, str, float, str]]:
    judged = data.judgements
    anchors, items = data.anchors.texts.to_pylist(), data.items.texts.to_pylist()
    rows = zip(judged.anchors, judged.items, judged.grades.tolist(), judged.splits, strict=True)
    return [(anchors[a], items[i], grade, data.splits[split]) for a, i, grade, split in rows]


PAIRS = [("a", "x", 1.0, "train"), ("b", "y", 1.0, "train"), ("a", "z", 1.0, "train")]


@pytest.mark.parametrize("kind", FRAMES)
def test_frames(kind):
    assert said(Collection.from_frame(FRAMES[kind](COLUMNS), **NAMES)) == PAIRS


@pytest.mark.parametrize("kind", DATASETS)
def test_datasets(kind):
    data = Collection.from_huggingface(DATASETS[kind](COLUMNS), **NAMES)
    assert said(data) == PAIRS
    assert data.anchors.ids.to_pylist() == ["a0", "a1"]


def test_grades_splits_and_a_corpus():
    frame = polars.DataFrame(
        {"anchor": ["a", "a"], "positive": ["x", "y"], "grade": [1, 0], "split": ["test", "train"]}
    )
    corpus = pandas.DataFrame({"id": [7, 8], "text": ["x", "w"]})
    data = Collection.from_frame(frame, corpus=corpus)
    assert said(data) == [("a", "x", 1.0, "test"), ("a", "y", 0.0, "train")]
    assert data.items.ids.to_pylist() == ["7", "i1", "8"]


def test_the_splits_of_a_dictionary_are_kept():
    parts = {name: datasets.Dataset.from_dict({"anchor": [name], "positive": ["x"]}) for name in ("test", "train")}
    data = Collection.from_huggingface(datasets.DatasetDict(parts))
    assert sorted(said(data)) == [("test", "x", 1.0, "test"), ("train", "x", 1.0, "train")]


def test_a_stream_is_read_in_batches():
    seen = []

    def rows():
        for row in range(10_500):
            seen.append(row)
            yield {"anchor": f"a{row}", "positive": f"p{row % 3}"}

    data = Collection.from_huggingface(datasets.IterableDataset.from_generator(rows))
    assert (len(data.anchors), len(data.items), len(data.judgements)) == (10_500, 3, 10_500)
    assert len(seen) == 10_500


REJECTED = {
    "no column": ({"query": ["a"]}, ["no column 'positive'", "found: anchor"]),
    "numbers": ({"anchor": ["a"], "positive": [1]}, ["'positive' is of type int64", "a string"]),
    "null": ({"anchor": ["a", "b"], "positive": ["x", None]}, ["row 2", "'positive' is null"]),
    "empty": ({"anchor": ["a", " "], "positive": ["x", "y"]}, ["row 2", "'anchor' is empty"]),
    "no row": ({"anchor": [], "positive": []}, ["has no row"]),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected(name):
    columns, fragments = REJECTED[name]
    columns = {"anchor": columns.pop("query")} | columns if "query" in columns else dict(columns)
    frame = pa.table({key: pa.array(values, pa.string() if values == [] else None) for key, values in columns.items()})
    with pytest.raises(DataError) as caught:
        Collection.from_frame(frame)
    message = str(caught.value)
    assert [fragment for fragment in fragments if fragment not in message] == [], message


def test_a_null_beyond_the_first_batch_is_named_by_its_row():
    stream = datasets.Dataset.from_dict({"anchor": ["a"] * 10_001 + [None], "positive": ["x"] * 10_002})
    with pytest.raises(DataError, match="row 10002"):
        Collection.from_huggingface(stream.to_iterable_dataset())


def test_something_else_is_refused():
    with pytest.raises(DataError, match="of type list"):
        Collection.from_frame([("a", "b")])


def test_a_name_that_cannot_be_loaded(monkeypatch):
    def fail(name, config):
        raise FileNotFoundError("no such data set")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DataError, match="'none/none' cannot be loaded"):
        Collection.from_huggingface("none/none")


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"foils\[frames\]"):
        Collection.from_huggingface("any/name")
