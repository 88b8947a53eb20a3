"""Rows for trainers: every format against a plain reading of negatives.parquet, scores beside, files."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from mining_problem import Problem, problem

from foils.collection import Collection
from foils.errors import FolderError, InputError
from foils.mining import Mined, mine

FORMATS = ("triplet", "n-tuple", "labeled-pair", "labeled-list", "tevatron", "flagembedding")
HOSTILE = ["=cmd()", "<script>", "+1", "-1", "@x", "\tx", 'a "quoted", cell', "line\nbreak", "\x1b[31m", "𝄞"]


@pytest.fixture(scope="module")
def this() -> Problem:
    return problem()


@pytest.fixture(scope="module")
def mined(this: Problem, tmp_path_factory: pytest.TempPathFactory) -> Mined:
    return this.mine("nv-retriever", tmp_path_factory.mktemp("run") / "out")


def units(mined: Mined, this: Problem) -> Iterator[tuple[str, list[str], list[str], list[float], list[float]]]:
    """Give per unit: anchor id, ids of positives with text and of negatives, and the scores of both."""
    cosine = unit(this.queries) @ unit(this.corpus).T
    empty = this.collection.items.empty
    for row in mined.negatives.to_pylist():
        positives = [item for item in row["positive_ids"] if not empty[int(item)]]
        scores = [cosine[int(row["anchor_id"]), int(item)] for item in positives]
        if positives:
            yield row["anchor_id"], positives, row["negative_ids"], scores, row["scores"]


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)


def naive(
    mined: Mined, this: Problem, format: str, *, scores: bool = False, drop: bool = False
) -> list[dict[str, Any]]:
    """Lay the rows out one at a time."""
    m, rows = mined.identity.negatives, []
    for one in units(mined, this):
        if not drop or len(one[2]) == m:
            rows += LAID_OUT[format](one, m, this.collection.items.texts.to_pylist(), scores)
    return rows


def flag_row(one, m, texts, scores):
    anchor, positives, negatives, positive_scores, negative_scores = one
    row = {"query": f"anchor {anchor}", "pos": [texts[int(i)] for i in positives]}
    row["neg"] = [texts[int(i)] for i in negatives]
    return [row | ({"pos_scores": positive_scores, "neg_scores": negative_scores} if scores else {})]


def tevatron_row(one, m, texts, scores):
    passages = [[{"docid": i, "title": "", "text": texts[int(i)]} for i in ids] for ids in one[1:3]]
    row = {"query_id": one[0], "query": f"anchor {one[0]}"}
    return [row | {"positive_passages": passages[0], "negative_passages": passages[1]}]


def pair_rows(one, m, texts, scores):
    anchor, positives, negatives, positive_scores, negative_scores = one
    labels = [1] * len(positives) + [0] * len(negatives)
    values, key = (positive_scores + negative_scores, "score") if scores else (labels, "label")
    told = zip([*positives, *negatives], values, strict=True)
    return [{"anchor": f"anchor {anchor}", "text": texts[int(item)], key: value} for item, value in told]


def list_rows(one, m, texts, scores):
    anchor, positives, negatives, positive_scores, negative_scores = one
    rows = []
    for item, score in zip(positives, positive_scores, strict=True):
        row = {"anchor": f"anchor {anchor}", "texts": [texts[int(each)] for each in (item, *negatives)]}
        told = {"scores": [score, *negative_scores]} if scores else {"labels": [1] + [0] * len(negatives)}
        rows.append(row | told)
    return rows


def tuple_rows(one, m, texts, scores):
    anchor, positives, negatives, positive_scores, negative_scores = one
    absent = [None] * (m - len(negatives))
    named = {f"negative_{nth}": text for nth, text in enumerate([*(texts[int(i)] for i in negatives), *absent], 1)}
    rows = []
    for item, score in zip(positives, positive_scores, strict=True):
        row = {"anchor": f"anchor {anchor}", "positive": texts[int(item)]} | named
        rows.append(row | ({"scores": [score, *negative_scores, *absent]} if scores else {}))
    return rows


def triplet_rows(one, m, texts, scores):
    anchor, positives, negatives, positive_scores, negative_scores = one
    rows = []
    for item, score in zip(positives, positive_scores, strict=True):
        for other, other_score in zip(negatives, negative_scores, strict=True):
            row = {"anchor": f"anchor {anchor}", "positive": texts[int(item)], "negative": texts[int(other)]}
            rows.append(row | ({"scores": [score, other_score]} if scores else {}))
    return rows


LAID_OUT = {
    "triplet": triplet_rows,
    "n-tuple": tuple_rows,
    "labeled-pair": pair_rows,
    "labeled-list": list_rows,
    "tevatron": tevatron_row,
    "flagembedding": flag_row,
}


def rounded(value: Any) -> Any:
    """Round numbers, which the reference has in float64."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 5) + 0.0 if isinstance(value, float) else value


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_what_a_plain_reading_gives(mined, this, format, drop):
    rows = mined.to(format, shortfall="drop" if drop else "short").to_pylist()
    assert rows == naive(mined, this, format, drop=drop)
    assert rows


@pytest.mark.parametrize("format", [each for each in FORMATS if each != "tevatron"])
def test_scores_lie_beside_with_the_positives_in_the_same_units(mined, this, format):
    assert rounded(mined.to(format, scores=True).to_pylist()) == rounded(naive(mined, this, format, scores=True))
    by_name, by_default = mined.to(format, scores="dense"), mined.to(format, scores=True)
    assert by_name.equals(by_default)


def test_ids_with_scores_need_no_collection(mined):
    bare = Mined.open(mined.path)
    scored = bare.to("labeled-list", columns="id", scores=True).to_pylist()
    table = {row["anchor_id"]: row for row in mined.negatives.to_pylist()}
    for row in scored:
        known = table[row["anchor"]]
        assert row["texts"][1:] == known["negative_ids"]
        assert row["scores"][1:] == known["scores"]


def test_scores_of_another_encoder_can_be_asked_for(this, tmp_path):
    other = np.random.default_rng(1).standard_normal((len(this.collection.items), 3)).astype(np.float32)
    queries = np.random.default_rng(2).standard_normal((len(this.collection.anchors), 3)).astype(np.float32)
    (tmp_path / "two.yaml").write_text(
        "source: {dense: {k: 20}}\nscorers: [{vectors: {vectors: guide, name: guide}}]\n"
        "sampler: {top_k: {column: dense}}\n",
        encoding="utf-8",
    )
    vectors = {"model": (this.queries, this.corpus), "guide": (queries, other)}
    mined = mine(this.collection, str(tmp_path / "two.yaml"), negatives=3, vectors=vectors, out=tmp_path / "out")
    cosine = unit(queries) @ unit(other).T
    names = {text: row for row, text in enumerate(this.collection.items.texts.to_pylist())}
    for row in mined.to("triplet", scores="guide").to_pylist():
        anchor = int(row["anchor"].removeprefix("anchor "))
        expected = [cosine[anchor, names[row["positive"]]], cosine[anchor, names[row["negative"]]]]
        assert row["scores"] == pytest.approx(expected, abs=1e-6)
    with pytest.raises(InputError, match=r"no scores 'gide'; did you mean 'guide'"):
        mined.to("triplet", scores="gide")


def test_another_epoch_is_written_too(this, tmp_path):
    mined = this.mine("simans", tmp_path / "out")
    sampled = mined.sample(3)["negative_ids"].to_pylist()
    assert [row["neg"] for row in mined.to("flagembedding", columns="id", epoch=3).to_pylist()] == sampled
    assert sampled != mined.negatives["negative_ids"].to_pylist()


@pytest.mark.parametrize("negatives", [1, 4])  # ids of five shards, or of one, are looked up at once
def test_shards_are_read_one_after_the_other(this, tmp_path, negatives):
    mined = this.mine("naive-top-k", tmp_path / "out", negatives=negatives)
    shards = -(-mined.identity.units // mined.identity.shard_units)
    assert shards > 1
    assert len(list(mined.stream("triplet"))) == shards
    for format in ("labeled-list", "triplet"):
        assert rounded(mined.to(format, scores=True).to_pylist()) == rounded(naive(mined, this, format, scores=True))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Mined:
    pairs = [(row, row) for row in range(len(HOSTILE))]
    data = Collection.from_arrays(pairs, anchors=HOSTILE, items=[f"{text}!" for text in HOSTILE])
    vectors = np.random.default_rng(0).standard_normal((len(HOSTILE), 4)).astype(np.float32)
    out = tmp_path_factory.mktemp("hostile")
    return mine(data, "naive-top-k", negatives=2, query_vectors=vectors, item_vectors=vectors, out=out / "run")


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".parquet"])
@pytest.mark.parametrize("format", FORMATS)
def test_files_hold_what_the_table_holds(mined, hostile, format, suffix, tmp_path):
    for each in (mined, hostile):
        path = tmp_path / "deep" / f"rows{suffix}"
        rows = each.to(format).to_pylist()
        assert each.write(path, format) == len(rows)
        if suffix == ".parquet":
            assert pq.read_table(path).to_pylist() == rows
        else:
            opened = gzip.open if suffix == ".jsonl.gz" else open
            with opened(path, "rt", encoding="utf-8", newline="\n") as file:
                assert [json.loads(line) for line in file] == rows


def test_equal_rows_give_equal_bytes(mined, tmp_path):
    for suffix in (".jsonl.gz", ".parquet", ".csv.gz"):
        first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        mined.write(first, "triplet")
        mined.write(second, "triplet")
        assert first.read_bytes() == second.read_bytes()


def test_no_cell_of_csv_is_a_formula(hostile, tmp_path):
    path = tmp_path / "rows.csv"
    hostile.write(path, "triplet")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    plain = hostile.to("triplet").to_pylist()
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())
    assert [{key: cell.removeprefix("'") for key, cell in row.items()} for row in rows] == plain


def test_a_number_in_csv_is_not_text(mined, tmp_path):
    mined.write(tmp_path / "rows.csv", "labeled-pair", scores=True)
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        assert all(math.isfinite(float(row["score"])) for row in csv.DictReader(file))


REFUSED = {
    "format": (lambda m, p: m.to("tripplet"), "did you mean 'triplet'"),
    "columns": (lambda m, p: m.to("triplet", columns="texts"), "no columns 'texts'"),
    "policy": (lambda m, p: m.to("triplet", shortfall="pad"), "no policy 'pad'"),
    "lists in CSV": (lambda m, p: m.write(p / "a.csv", "labeled-list"), "CSV has no lists.*texts, labels"),
    "scores in CSV": (lambda m, p: m.write(p / "a.csv", "triplet", scores=True), "CSV has no lists"),
    "suffix": (lambda m, p: m.write(p / "a.txt", "triplet"), r"no known suffix; expected \.jsonl"),
    "tevatron with scores": (lambda m, p: m.to("tevatron", scores=True), "no place for scores"),
    "tevatron of ids": (lambda m, p: m.to("tevatron", columns="id"), "holds texts"),
    "a licence that is none": (lambda m, p: m.write_card(p / "a.csv", "triplet", "my\nown", 1), "no name of a licence"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(mined, name, tmp_path):
    act, message = REFUSED[name]
    with pytest.raises(InputError, match=message):
        act(mined, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_scores_where_nothing_scores(this, tmp_path):
    mined = this.mine("uniform", tmp_path / "out")
    with pytest.raises(InputError, match="ordered by rank"):
        mined.to("triplet", scores=True)


def test_anchors_without_text_are_given_by_id(tmp_path):
    data = Collection.from_arrays([(0, 0), (1, 1)], anchors=2, items=["x", "y", "z"])
    mined = mine(data, "uniform", negatives=1, out=tmp_path / "out")
    with pytest.raises(InputError, match="anchors of this collection have no texts; ask for columns='id'"):
        mined.write(tmp_path / "rows.jsonl", "triplet")
    assert not (tmp_path / "rows.jsonl").exists()
    assert mined.write(tmp_path / "rows.jsonl", "triplet", columns="id") == 2


def test_a_folder_is_no_file(mined, tmp_path):
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(FolderError, match="is a folder"):
        mined.write(tmp_path / "rows.csv", "triplet")


def test_a_broken_write_leaves_the_old_file(mined, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(InputError):
        mined.write(path, "labeled-list")
    assert [each.name for each in tmp_path.iterdir()] == ["rows.csv"]
    assert path.read_text(encoding="utf-8") == "old"


def test_the_card_is_read_by_hubs_and_says_how_negatives_were_checked(mined, tmp_path):
    rows = mined.write(tmp_path / "rows.jsonl", "triplet")
    text = mined.write_card(tmp_path / "rows.jsonl", "triplet", "cc-by-4.0", rows).read_text(encoding="utf-8")
    _, header, body = text.split("---\n", 2)
    assert yaml.safe_load(header) == {
        "license": "cc-by-4.0",
        "tags": ["hard-negatives", "foils"],
        "size_categories": ["n<1K"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "rows.jsonl"}]}],
    }
    for said in (
        f"{rows:,} rows",
        "relative_margin",
        mined.identity.inputs["collection"],
        "`nv-retriever`",
        "not estimated",
    ):
        assert said in body
    assert "item number" not in body
    mined.write_card(tmp_path / "rows.jsonl", "triplet", "mit", rows)  # its own card may be replaced


def test_the_card_of_somebody_else_stays(mined, tmp_path):
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(FolderError, match="not a card of foils"):
        mined.write_card(tmp_path / "rows.jsonl", "triplet", "mit", 1)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "mine"


def test_images_are_given_by_their_reference(tmp_path):
    data = Collection.from_arrays([(0, 0), (1, 1)], anchors=["a", "b"], items=3)
    pictures = type(data.items).of(["0", "1", "2"], payloads=["0.png", "1.png", "2.png"])
    data = Collection(data.anchors, pictures, data.judgements)
    vectors = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    mined = mine(data, "naive-top-k", negatives=1, query_vectors=vectors[:2], item_vectors=vectors, out=tmp_path / "r")
    rows = mined.to("triplet").to_pylist()
    assert [row["positive"] for row in rows] == ["0.png", "1.png"]
    assert all(row["negative"].endswith(".png") for row in rows)


def test_frames_hold_the_same_rows(mined):
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    pytest.importorskip("datasets")
    rows = mined.to("labeled-list").to_pylist()
    assert mined.to_polars("labeled-list").to_dicts() == rows
    assert list(mined.to_datasets("labeled-list")) == rows
    frame = mined.to_pandas("labeled-pair", scores=True)
    assert frame.to_dict("records") == mined.to("labeled-pair", scores=True).to_pylist()


def test_sentence_transformers_takes_the_files(mined, tmp_path):
    """A loss gets the columns that it expects, read back from a file by datasets."""
    datasets = pytest.importorskip("datasets")
    for format, expected in {
        "triplet": ["anchor", "positive", "negative"],
        "labeled-pair": ["anchor", "text", "label"],
        "labeled-list": ["anchor", "texts", "labels"],
    }.items():
        mined.write(tmp_path / f"{format}.parquet", format)
        read = datasets.Dataset.from_parquet(str(tmp_path / f"{format}.parquet"), cache_dir=str(tmp_path / "cache"))
        assert read.column_names == expected
        assert list(read) == mined.to(format).to_pylist()
