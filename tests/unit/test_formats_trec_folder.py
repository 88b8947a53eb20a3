"""A TREC collection as a folder: which files make one, and what is refused because it could be two things."""

from __future__ import annotations

import gzip

import pytest

from foils.collection import Collection
from foils.errors import DataError
from foils.formats.recognise import recognised

JSON_TOPICS = '{"qid": "q1", "query": "blue"}\n'
TOPICS, DOCUMENTS, QRELS = "q1\tblue\nq2\tred\n", "d1\ta blue cat\nd2\ta red dog\n", "q1 0 d1 1\n"


def folder_of(path, **files):
    """Write files; __ in a name stands for a dot, and ___ for a slash."""
    for name, text in files.items():
        place = path / name.replace("___", "/").replace("__", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("files", "splits"),
    [
        ({"queries__tsv": TOPICS, "collection__tsv": DOCUMENTS, "qrels__txt": QRELS}, ("train",)),
        ({"topics__tsv": TOPICS, "corpus__tsv": DOCUMENTS, "qrels__tsv": QRELS}, ("train",)),
        ({"topics__tsv": TOPICS, "docs__tsv": DOCUMENTS, "qrels__test__tsv": QRELS}, ("test",)),
        (
            {
                "queries__tsv": TOPICS,
                "documents__tsv": DOCUMENTS,
                "qrels___test__txt": QRELS,
                "qrels___dev__tsv": QRELS,
            },
            ("dev", "test"),
        ),
        (
            {
                "queries__jsonl": JSON_TOPICS,
                "collection__tsv": DOCUMENTS,
                "qrels-train__txt": QRELS,
            },
            ("train",),
        ),
    ],
)
def test_folders_that_are_read(tmp_path, files, splits):
    data = Collection.from_path(folder_of(tmp_path, **files))
    assert data.items.ids.to_pylist() == ["d1", "d2"]
    assert data.splits == splits
    assert data.judgements.select(splits).items.tolist() == [0] * len(splits)


def test_compressed_files(tmp_path):
    folder_of(tmp_path, queries__tsv=TOPICS, qrels__txt=QRELS)
    (tmp_path / "collection.tsv.gz").write_bytes(gzip.compress(DOCUMENTS.encode()))
    assert len(Collection.from_path(tmp_path).items) == 2


@pytest.mark.parametrize(
    ("files", "fragments"),
    [
        ({"queries__tsv": TOPICS, "qrels__txt": QRELS}, ["there are no documents", "found qrels.txt, queries.tsv"]),
        ({"collection__tsv": DOCUMENTS, "qrels__txt": QRELS}, ["there are no topics"]),
        ({"queries__tsv": TOPICS, "collection__tsv": DOCUMENTS}, ["there are no qrels", "qrels.txt"]),
        (
            {"queries__tsv": TOPICS, "topics__tsv": TOPICS, "collection__tsv": DOCUMENTS, "qrels__txt": QRELS},
            ["holds both queries.tsv and topics.tsv", "from_trec"],
        ),
        (
            {"queries__tsv": TOPICS, "collection__tsv": DOCUMENTS, "qrels__txt": QRELS, "qrels___dev__txt": QRELS},
            ["holds both qrels.txt and a folder qrels"],
        ),
        (
            {"queries__tsv": TOPICS, "collection__tsv": DOCUMENTS, "qrels__txt": "q1 d1 1\n"},
            ["qrels.txt, line 1", "has 3 columns"],
        ),
    ],
)
def test_what_is_missing_or_there_twice_is_named(tmp_path, files, fragments):
    with pytest.raises(DataError) as error:
        Collection.from_path(folder_of(tmp_path, **files))
    assert [part for part in fragments if part not in str(error.value)] == []


def test_other_data_sets_stay_what_they_are(tmp_path):
    beir = folder_of(
        tmp_path / "beir", corpus__jsonl='{"_id": "d1", "text": "a"}\n', queries__jsonl='{"_id": "q1", "text": "b"}\n',
        qrels___train__tsv="q1\td1\t1\n", qrels__txt="notes of mine",
    )  # fmt: skip
    assert recognised(beir) == Collection.from_beir
    assert Collection.from_path(beir).splits == ("train",)
    clicks = folder_of(tmp_path / "clicks", train__tsv="user\titem\nu\ti\n", collection__tsv="id\ni\n")
    assert recognised(clicks) == Collection.from_interactions
