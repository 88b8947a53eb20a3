"""TREC: topics and documents as tables, qrels of four columns."""

from __future__ import annotations

import pytest

from foils.collection import Collection
from foils.errors import DataError

TOPICS = "q1\twhat is red\nq2\twhat is blue\n"
DOCUMENTS = '{"docid": "d1", "title": "Red", "contents": "a colour", "url": "x"}\n{"docid": "d2", "contents": "sea"}\n'
QRELS = "q1 0 d1 1\nq2\t0\td2\t2\r\n\n  q2 Q0  d1 0 \n"


def write(folder, topics=TOPICS, documents=DOCUMENTS, qrels=QRELS, *, topics_as="q.tsv", documents_as="d.jsonl"):
    for name, text in ((topics_as, topics), (documents_as, documents), ("qrels.txt", qrels)):
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / topics_as, folder / documents_as, folder / "qrels.txt"


def test_topics_documents_and_qrels(tmp_path):
    data = Collection.from_trec(*write(tmp_path))
    assert data.anchors.ids.to_pylist() == ["q1", "q2"]
    assert data.anchors.texts.to_pylist() == ["what is red", "what is blue"]
    assert data.items.full_texts() == ["Red a colour", "sea"]
    assert data.items.fields["url"].to_pylist() == ["x", None]
    assert data.judgements.anchors.tolist() == [0, 1, 1]
    assert data.judgements.items.tolist() == [0, 1, 0]
    assert data.judgements.grades.tolist() == [1, 2, 0]
    assert data.splits == ("train",)


def test_splits_and_tables_with_headers_or_three_columns(tmp_path):
    topics, documents, qrels = write(
        tmp_path, "qid\tquery\tlang\nq1\ta\ten\nq2\tb\tde\n", "d1\tRed\ta\nd2\t\tb\n", documents_as="d.tsv"
    )
    data = Collection.from_trec(topics, documents, {"test": qrels, "train": qrels})
    assert data.splits == ("train", "test")
    assert data.anchors.fields["lang"].to_pylist() == ["en", "de"]
    assert data.items.full_texts() == ["Red a", "b"]


REJECTED = {
    "three columns": ({"qrels": "q1 0 d1 1\nq1 d1 1\n"}, ["line 2", "has 3 columns", "expected 4"]),
    "no number": ({"qrels": "q1 0 d1 good\n"}, ["line 1", "'good' is not a number"]),
    "unknown topic": ({"qrels": "q1 0 d1 1\nq7 0 d1 1\n"}, ["line 2", "query id 'q7'"]),
    "unknown document": ({"qrels": "q1 0 d9 1\n"}, ["item id 'd9'", "d.jsonl"]),
    "no judgement": ({"qrels": "\n"}, ["holds no judgement"]),
    "SGML": ({"topics_as": "topics.xml"}, ["unknown suffix", "SGML"]),
    "one column": ({"topics": "q1\n"}, ["has 1 columns"]),
    "no id": ({"documents": '{"name": "d1", "text": "x"}\n'}, ["no column of ids", "'docid'"]),
    "no text": ({"documents": '{"id": "d1", "abstract": "x"}\n'}, ["no column of texts"]),
    "empty topic": ({"topics": "q1\t \n"}, ["'q1' has no text"]),
    "twice": ({"topics": "q1\ta\nq1\tb\n"}, ["line 2", "'q1' was given before"]),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected(tmp_path, name):
    changes, fragments = REJECTED[name]
    with pytest.raises(DataError) as caught:
        Collection.from_trec(*write(tmp_path, **changes))
    message = str(caught.value)
    assert [fragment for fragment in fragments if fragment not in message] == [], message
