"""What the BEIR reader accepts and rejects: the tables of docs/input.md, row by row."""

from __future__ import annotations

import gzip
import io
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.collection import Collection
from foils.errors import DataError

Files = dict[str, bytes]

BASE: Files = {
    "corpus.jsonl": (
        b'{"_id":"d1","title":"One","text":"first"}\n{"_id":"d2","text":"second"}\n{"_id":"d3","text":""}\n'
    ),
    "queries.jsonl": b'{"_id":"q1","text":"what"}\n{"_id":"q2","text":"where"}\n',
    "qrels/train.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\n",
    "qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq2\td2\t2\n",
}


def write(folder: Path, files: Files) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def read(folder: Path, files: Files) -> Collection:
    return Collection.from_beir(write(folder, files))


def judged(collection: Collection) -> list[tuple[str, str, float, str]]:
    """List the judgements by ids, in their order."""
    pairs = collection.judgements
    return [
        (
            collection.anchors.ids[a].as_py(),
            collection.items.ids[i].as_py(),
            float(g),
            pairs.split_names[s],
        )
        for a, i, g, s in zip(pairs.anchors, pairs.items, pairs.grades, pairs.splits, strict=True)
    ]


def columns(collection: Collection) -> tuple[object, ...]:
    """All that a reader gives, comparable."""
    items, anchors = collection.items, collection.anchors
    titles = items.titles.to_pylist() if items.titles is not None else None
    return (
        anchors.ids.to_pylist(),
        anchors.texts.to_pylist(),
        items.ids.to_pylist(),
        titles,
        items.texts.to_pylist(),
        judged(collection),
    )


def zipped(files: Files, top: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(top + name, data)
    return buffer.getvalue()


def jsonl(*records: object) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


# What is changed in BASE (None = left out), and what the message must hold: file, place, fault and mend.
REJECTED: dict[str, tuple[dict[str, bytes | None], list[str]]] = {
    "no corpus": ({"corpus.jsonl": None}, ["no corpus.jsonl", "found qrels/test.tsv", "BEIR folder holds"]),
    "no queries": ({"queries.jsonl": None}, ["no queries.jsonl", "BEIR folder holds"]),
    "no judgements": (
        {"qrels/train.tsv": None, "qrels/test.tsv": None},
        ["no judgements", "qrels/<split>.tsv", "Add a file"],
    ),
    "judgements of another suffix": (
        {"qrels/train.tsv": None, "qrels/test.tsv": None, "qrels/train.txt": b"q1\td1\t1\n"},
        ["no judgements", "found corpus.jsonl, qrels/train.txt"],
    ),
    "plain and gzip": (
        {"corpus.jsonl.gz": gzip.compress(BASE["corpus.jsonl"])},
        ["both corpus.jsonl and corpus.jsonl.gz", "remove"],
    ),
    "split plain and gzip": (
        {"qrels/train.tsv.gz": gzip.compress(BASE["qrels/train.tsv"])},
        ["both qrels/train.tsv and qrels/train.tsv.gz", "remove"],
    ),
    "empty corpus": ({"corpus.jsonl": b""}, ["corpus.jsonl: is empty", "expected one JSON object per line"]),
    "blank corpus": ({"corpus.jsonl": b"\n \r\n\n"}, ["corpus.jsonl: is empty"]),
    "empty queries": ({"queries.jsonl": b""}, ["queries.jsonl: is empty"]),
    "invalid JSON": (
        {"corpus.jsonl": b'{"_id":"d1","text":"a"}\n{"_id":"d2" "text":"b"}\n'},
        [
            "corpus.jsonl, line 2",
            "invalid JSON (Expecting ',' delimiter at column 13)",
            "one JSON object per line",
        ],
    ),
    "lines are counted with blank ones": (
        {"corpus.jsonl": b'{"_id":"d1","text":"a"}\n\n\n{"_id":"d2","text":b}\n'},
        ["corpus.jsonl, line 4", "invalid JSON"],
    ),
    "JSON array": (
        {"corpus.jsonl": b'[{"_id":"d1","text":"a"}]\n'},
        ["corpus.jsonl, line 1", "found an array", "one JSON object per line"],
    ),
    "JSON over several lines": (
        {"corpus.jsonl": b'[\n{"_id":"d1","text":"a"}\n]\n'},
        ["corpus.jsonl, line 1", "no array around them"],
    ),
    "two objects in a line": (
        {"queries.jsonl": b'{"_id":"q1","text":"a"}{"_id":"q2","text":"b"}\n'},
        ["queries.jsonl, line 1", "Extra data at column 24"],
    ),
    "raw control character": (
        {"corpus.jsonl": b'{"_id":"d1","text":"a\x00b"}\n'},
        ["corpus.jsonl, line 1", "Invalid control character"],
    ),
    "nested too deeply": (
        {"corpus.jsonl": b'{"_id":"d1","text":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"},
        ["corpus.jsonl, line 1", "nested too deeply"],
    ),
    "missing id": (
        {"corpus.jsonl": b'{"id":"d1","text":"a"}\n'},
        ["corpus.jsonl, line 1", "'_id' is missing", "did you mean 'id'?", "found: id, text"],
    ),
    "missing text": (
        {"queries.jsonl": jsonl({"_id": "q1", "query": "x"})},
        ["queries.jsonl, line 1", "'text' is missing", "found: _id, query"],
    ),
    "no field at all": (
        {"queries.jsonl": b"{}\n"},
        ["queries.jsonl, line 1", "'_id' is missing", "found none"],
    ),
    "text of a wrong type": (
        {"corpus.jsonl": jsonl({"_id": "d1", "text": ["a", "b"]})},
        ["corpus.jsonl, line 1", "'text' is an array (['a', 'b'])", "expected a string"],
    ),
    "null text": (
        {"corpus.jsonl": jsonl({"_id": "d1", "text": None})},
        ["corpus.jsonl, line 1", "'text' is null", "expected a string"],
    ),
    "title of a wrong type": (
        {"corpus.jsonl": jsonl({"_id": "d1", "text": "a", "title": 3})},
        ["corpus.jsonl, line 1", "'title' is a number (3)", "expected a string"],
    ),
    "boolean id": (
        {"corpus.jsonl": jsonl({"_id": True, "text": "a"})},
        ["corpus.jsonl, line 1", "'_id' is a boolean (True)", "expected a string or a whole number"],
    ),
    "fractional id": (
        {"corpus.jsonl": b'{"_id":5.0,"text":"a"}\n'},
        ["corpus.jsonl, line 1", "'_id' is a number with a fraction (5.0)"],
    ),
    "id of thousands of digits": (
        {"corpus.jsonl": b'{"_id":' + b"9" * 5000 + b',"text":"a"}\n'},
        ["corpus.jsonl, line 1", "one JSON object per line"],
    ),
    "hostile id of a wrong type is escaped": (
        {"corpus.jsonl": jsonl({"_id": ["\x1b[31m"], "text": "a"})},
        ["corpus.jsonl, line 1", r"['\x1b[31m']"],
    ),
    "duplicate item id": (
        {"corpus.jsonl": jsonl({"_id": "d1", "text": "a"}, {"_id": "d2", "text": "b"}, {"_id": "d1", "text": "c"})},
        [
            "corpus.jsonl, line 3",
            "'d1' was given before",
            "corpus.jsonl, line 1",
            "1 of 3",
            "rename or remove",
        ],
    ),
    "a number and a string are one id": (
        {"queries.jsonl": jsonl({"_id": 5, "text": "a"}, {"_id": "5", "text": "b"})},
        ["queries.jsonl, line 2", "'5' was given before", "queries.jsonl, line 1"],
    ),
    "empty query": (
        {"queries.jsonl": '{"_id":"q1","text":"a"}\n{"_id":"q2","text":" \\t\u3000"}\n'.encode()},
        ["queries.jsonl, line 2", "'q2' has no text", "1 of 2", "write its text, or remove"],
    ),
    "invalid UTF-8": (
        {"corpus.jsonl": b'{"_id":"d1","text":"a"}\n{"_id":"d2","text":"caf\xe9"}\n'},
        ["corpus.jsonl, line 2", "not UTF-8 at byte 24 of the line (0xe9", "iconv -f WINDOWS-1252"],
    ),
    "invalid UTF-8 in a field that is not read": (
        {"corpus.jsonl": b'{"_id":"d1","text":"a","url":"\xff"}\n'},
        ["corpus.jsonl, line 1", "not UTF-8 at byte 31"],
    ),
    "UTF-8 of a surrogate": (
        {"corpus.jsonl": b'{"_id":"d1","text":"\xed\xa0\x80"}\n'},
        ["corpus.jsonl, line 1", "not UTF-8 at byte 21"],
    ),
    "UTF-16 with a mark": (
        {"corpus.jsonl": BASE["corpus.jsonl"].decode().encode("utf-16")},
        ["corpus.jsonl, line 1", "UTF-16", "iconv -f UTF-16"],
    ),
    "UTF-16 without a mark": (
        {"queries.jsonl": BASE["queries.jsonl"].decode().encode("utf-16-be")},
        ["queries.jsonl, line 1", "UTF-16", "iconv"],
    ),
    "UTF-16 judgements": (
        {"qrels/train.tsv": BASE["qrels/train.tsv"].decode().encode("utf-16")},
        ["qrels/train.tsv, line 1", "UTF-16", "iconv"],
    ),
    "high surrogate": (
        {"corpus.jsonl": b'{"_id":"d1","text":"a"}\n{"_id":"d2","text":"x\\ud800"}\n'},
        ["corpus.jsonl, line 2", "'text' holds a lone surrogate", r"'x\ud800'", "repair the text"],
    ),
    "high surrogate before other text": (
        {"corpus.jsonl": b'{"_id":"d1","text":"x\\ud800 and more text"}\n'},
        ["corpus.jsonl, line 1", "lone surrogate"],
    ),
    "two high surrogates": (
        {"queries.jsonl": b'{"_id":"q1","text":"\\ud800\\ud800"}\n'},
        ["queries.jsonl, line 1", "lone surrogate"],
    ),
    "low surrogate in an id": (
        {"queries.jsonl": b'{"_id":"q\\udc00","text":"a"}\n'},
        ["queries.jsonl, line 1", "'_id' holds a lone surrogate"],
    ),
    "surrogate in a field that is not read": (
        {"corpus.jsonl": b'{"_id":"d1","text":"a","url":{"x":"\\udfff"}}\n'},
        ["corpus.jsonl, line 1", "'url' holds a lone surrogate"],
    ),
    "truncated gzip": (
        {"corpus.jsonl": None, "corpus.jsonl.gz": gzip.compress(BASE["corpus.jsonl"] * 20)[:-9]},
        ["corpus.jsonl.gz", "damaged or cut short", "get or compress the file again"],
    ),
    "damaged gzip": (
        {"corpus.jsonl": None, "corpus.jsonl.gz": gzip.compress(BASE["corpus.jsonl"])[:-8] + b"\0" * 8},
        ["corpus.jsonl.gz", "damaged or cut short"],
    ),
    "rubbish after gzip": (
        {"queries.jsonl": None, "queries.jsonl.gz": gzip.compress(BASE["queries.jsonl"]) + b"rubbish"},
        ["queries.jsonl.gz", "damaged or cut short"],
    ),
    "no gzip": (
        {"queries.jsonl": None, "queries.jsonl.gz": BASE["queries.jsonl"]},
        ["queries.jsonl.gz", "not a gzip file", "drop .gz"],
    ),
    "empty gzip": (
        {"queries.jsonl": None, "queries.jsonl.gz": b""},
        ["queries.jsonl.gz", "not a gzip file"],
    ),
    "gzip without its suffix": (
        {"corpus.jsonl": gzip.compress(BASE["corpus.jsonl"])},
        ["corpus.jsonl", "is a gzip file", "add .gz"],
    ),
    "truncated gzip judgements": (
        {"qrels/train.tsv": None, "qrels/train.tsv.gz": gzip.compress(BASE["qrels/train.tsv"])[:-5]},
        ["qrels/train.tsv.gz", "cut short"],
    ),
    "unknown query": (
        {"qrels/train.tsv": b"q1\td1\t1\n\nq9\td1\t1\nq9\td2\t1\n"},
        [
            "qrels/train.tsv, line 3",
            "query id 'q9' is not in",
            "queries.jsonl",
            "2 of the file's 3",
            "remove these lines",
        ],
    ),
    "unknown item": (
        {"qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td9\t0\n"},
        [
            "qrels/test.tsv, line 3",
            "item id 'd9' is not in",
            "corpus.jsonl",
            "1 of the file's 2",
            "Add what is missing",
        ],
    ),
    "id with white space around it": (
        {"qrels/test.tsv": b"q1\td1 \t1\n"},
        ["qrels/test.tsv, line 1", "'d1 '", "it is there without the white space"],
    ),
    "id in quotation marks": (
        {"qrels/test.tsv": b'q1\t"d1"\t1\n'},
        ["qrels/test.tsv, line 1", "item id '\"d1\"' is not in"],
    ),
    "two columns": (
        {"qrels/train.tsv": b"q1\td1\n"},
        ["qrels/train.tsv, line 1", "has 2 columns", "expected 3: query id, item id, grade"],
    ),
    "a row that is too long": (
        {"qrels/train.tsv": b"q1\td1\t1\nq1\td2\t1\tx\ty\n"},
        ["qrels/train.tsv, line 2", "has 5 columns", "expected 3"],
    ),
    "separated by spaces": (
        {"qrels/train.tsv": b"q1 d1 1\n"},
        ["qrels/train.tsv, line 1", "has 1 column", "separate by tabs"],
    ),
    "TREC": (
        {"qrels/train.tsv": b"q1 0 d1 1\nq1 0 d2 0\n"},
        ["qrels/train.tsv, line 1", "looks like TREC qrels", "awk"],
    ),
    "TREC with tabs": (
        {"qrels/train.tsv": b"q1\t0\td1\t1\n"},
        ["qrels/train.tsv, line 1", "has 4 columns", "looks like TREC qrels"],
    ),
    "grade in words": (
        {"qrels/train.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\thigh\n"},
        ["qrels/train.tsv, line 2", "grade 'high' is not a number", "above 0 = positive"],
    ),
    "grade in words in the first line": (
        {"qrels/train.tsv": b"q1\td1\thigh\n"},
        ["qrels/train.tsv, line 1", "grade 'high' is not a number"],
    ),
    "grade in words after a known query": (
        {"qrels/train.tsv": b"q1\td9\thigh\n"},
        ["qrels/train.tsv, line 1", "grade 'high' is not a number"],
    ),
    "grade in words after a known item": (
        {"qrels/train.tsv": b"q9\td1\thigh\n"},
        ["qrels/train.tsv, line 1", "grade 'high' is not a number"],
    ),
    "empty grade": ({"qrels/train.tsv": b"q1\td1\t\n"}, ["qrels/train.tsv, line 1", "grade ''"]),
    "grade with an underscore": ({"qrels/train.tsv": b"q1\td1\t1_0\n"}, ["qrels/train.tsv, line 1", "'1_0'"]),
    "grade that is not a number": (
        {"qrels/train.tsv": b"q1\td2\t1\nq1\td1\tnan\n"},
        ["qrels/train.tsv, line 2", "grade nan is not a finite number", "give a number"],
    ),
    "infinite grade": ({"qrels/train.tsv": b"q1\td1\t-inf\n"}, ["qrels/train.tsv, line 1", "grade -inf"]),
    "grade beyond float32": ({"qrels/train.tsv": b"q1\td1\t1e39\n"}, ["qrels/train.tsv, line 1", "1e+39"]),
    "grade that float32 would make 0": (
        {"qrels/train.tsv": b"q1\td1\t1e-60\n"},
        ["qrels/train.tsv, line 1", "1e-60"],
    ),
    "two grades": (
        {"qrels/train.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t1\nq1\td1\t0\n"},
        ["qrels/train.tsv, line 4", "grade 0, and had 1 before", "qrels/train.tsv, line 2", "keep one"],
    ),
    "a split without judgements": (
        {"qrels/dev.tsv": b"query-id\tcorpus-id\tscore\n"},
        ["qrels/dev.tsv", "holds no judgement", "or remove the file"],
    ),
    "an empty split": ({"qrels/dev.tsv": b""}, ["qrels/dev.tsv", "holds no judgement"]),
    "judgements that are not UTF-8": (
        {"qrels/train.tsv": b"q1\td1\t1\nq1\td\xe9\t1\n"},
        ["qrels/train.tsv, line 2", "not UTF-8 at byte 5"],
    ),
}


def changed(changes: dict[str, bytes | None]) -> Files:
    return {name: data for name, data in {**BASE, **changes}.items() if data is not None}


@pytest.mark.parametrize("case", REJECTED)
def test_rejected(case: str, tmp_path: Path):
    changes, fragments = REJECTED[case]
    with pytest.raises(DataError) as caught:
        read(tmp_path, changed(changes))
    message = str(caught.value)
    assert type(caught.value) is DataError
    assert [fragment for fragment in fragments if fragment not in message] == [], message
    assert str(tmp_path) in message
    assert message.isprintable(), "one line, and nothing that a terminal would obey"
    assert len(message) < 700


@pytest.mark.parametrize("case", [case for case in REJECTED if case not in ("UTF-16 with a mark",)])
def test_rejected_from_a_zip_too(case: str, tmp_path: Path):
    changes, fragments = REJECTED[case]
    path = tmp_path / "data.zip"
    path.write_bytes(zipped(changed(changes), "top/"))
    with pytest.raises(DataError) as caught:
        Collection.from_beir(path)
    message = str(caught.value)
    expected = ["data.zip"] if case == "no corpus" else ["data.zip", *fragments]
    assert [fragment for fragment in expected if fragment not in message] == [], message


# What is changed in BASE, and what is read from it.
Q1, Q2 = ("q1", "d1", 1.0, "train"), ("q2", "d2", 2.0, "test")
ACCEPTED: dict[str, tuple[dict[str, bytes | None], object]] = {
    "as it is": ({}, [Q1, ("q1", "d2", 0.0, "train"), Q2]),
    "no header": ({"qrels/train.tsv": b"q1\td1\t1\n"}, [Q1, Q2]),
    "another header": ({"qrels/train.tsv": b"query\tdoc\trelevance\nq1\td1\t1\n"}, [Q1, Q2]),
    "header below blank lines": ({"qrels/train.tsv": b"\n \n" + BASE["qrels/train.tsv"][:-8]}, [Q1, Q2]),
    "blank lines": ({"qrels/train.tsv": b"\nq1\td1\t1\n\n\r\n  \n\t\t\n"}, [Q1, Q2]),
    "no line break at the end": ({"qrels/train.tsv": b"q1\td1\t1"}, [Q1, Q2]),
    "old Mac line ends": (
        {"qrels/train.tsv": b"q1\td1\t1\rq2\td1\t1\r"},
        [Q1, ("q2", "d1", 1.0, "train"), Q2],
    ),
    "fractional, negative and other grades": (
        {"qrels/train.tsv": b"q1\td1\t0.5\nq1\td2\t-1\nq1\td3\t+1e1\nq2\td1\t 2 \nq2\td2\t-0.0\n"},
        [
            ("q1", "d1", 0.5, "train"),
            ("q1", "d2", -1.0, "train"),
            ("q1", "d3", 10.0, "train"),
            ("q2", "d1", 2.0, "train"),
            ("q2", "d2", 0.0, "train"),
            Q2,
        ],
    ),
    "the same judgement twice": ({"qrels/train.tsv": b"q1\td1\t1\nq1\td1\t1.0\n"}, [Q1, Q2]),
    "one pair in two splits, with two grades": (
        {"qrels/test.tsv": b"q1\td1\t3\n"},
        [Q1, ("q1", "d2", 0.0, "train"), ("q1", "d1", 3.0, "test")],
    ),
    "order of splits": (
        {
            "qrels/alpha.tsv": b"q1\td1\t1\n",
            "qrels/dev.tsv": b"q1\td1\t1\n",
            "qrels/train.tsv": b"q1\td1\t1\n",
        },
        [Q1, ("q1", "d1", 1.0, "dev"), Q2, ("q1", "d1", 1.0, "alpha")],
    ),
    "hidden files and other files": (
        {
            "qrels/._train.tsv": b"\0\xff",
            "qrels/README": b"x",
            ".corpus.jsonl.gz": b"x",
            "metadata.json": b"{",
        },
        [Q1, ("q1", "d2", 0.0, "train"), Q2],
    ),
    "whole numbers as ids": (
        {
            "queries.jsonl": b'{"_id":7,"text":"a"}\n',
            "corpus.jsonl": b'{"_id":-3,"text":"b"}\n{"_id":123456789012345678901234567890,"text":"b"}\n',
            "qrels/train.tsv": b"7\t-3\t1\n7\t123456789012345678901234567890\t1\n",
            "qrels/test.tsv": None,
        },
        [("7", "-3", 1.0, "train"), ("7", "123456789012345678901234567890", 1.0, "train")],
    ),
    "ids of any string": (
        {
            "queries.jsonl": jsonl(
                {"_id": '"q" ', "text": "a"}, {"_id": "", "text": "b"}, {"_id": "NU\0L", "text": "c"}
            ),
            "corpus.jsonl": jsonl({"_id": "=cmd()", "text": "a"}, {"_id": "\x85\u2028é", "text": "b"}),
            "qrels/train.tsv": '"q" \t=cmd()\t1\n\t=cmd()\t1\nNU\0L\t\x85\u2028é\t1\n'.encode(),
            "qrels/test.tsv": None,
        },
        [
            ('"q" ', "=cmd()", 1.0, "train"),
            ("", "=cmd()", 1.0, "train"),
            ("NU\0L", "\x85\u2028é", 1.0, "train"),
        ],
    ),
    "an id that is called as a column": (
        {
            "queries.jsonl": jsonl({"_id": "query-id", "text": "a"}),
            "qrels/train.tsv": b"query-id\td1\t1\n",
            "qrels/test.tsv": None,
        },
        [("query-id", "d1", 1.0, "train")],
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str, tmp_path: Path):
    changes, expected = ACCEPTED[case]
    assert judged(read(tmp_path, changed(changes))) == expected


HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\x1b[31mred\x1b[0m",
    "nul \0 inside",
    "line\nbreak\r\nand\ttab",
    "\u2028\u2029\x85",
    "‮right to left",
    "é vs é",
    "\ufeffmark inside",
    '{"json": "inside"}',
    "\U0010ffff\U0001f600",
    " white space around ",
    "%s {0} $HOME `id`",
]


def test_hostile_texts_ids_and_titles_are_kept_as_they_are(tmp_path: Path):
    corpus = [{"_id": f"{text}#", "title": text, "text": text} for text in HOSTILE]
    queries = [{"_id": text, "text": f"{text}?"} for text in HOSTILE]
    files = {**BASE, "corpus.jsonl": jsonl(*corpus), "queries.jsonl": jsonl(*queries), "qrels/test.tsv": b""}
    files["qrels/train.tsv"] = f"{HOSTILE[0]}\t{HOSTILE[1]}#\t1\n".encode()
    del files["qrels/test.tsv"]
    collection = read(tmp_path, files)
    assert collection.items.texts.to_pylist() == HOSTILE
    assert collection.items.titles.to_pylist() == HOSTILE
    assert collection.items.ids.to_pylist() == [f"{text}#" for text in HOSTILE]
    assert collection.anchors.ids.to_pylist() == HOSTILE


def test_items_may_lack_title_or_text(tmp_path: Path):
    corpus = jsonl(
        {"_id": "a", "text": ""},
        {"_id": "b", "title": None, "text": " \n"},
        {"_id": "c", "title": "only a title", "text": ""},
    )
    collection = read(
        tmp_path,
        {**BASE, "corpus.jsonl": corpus, "qrels/train.tsv": b"q1\tc\t1\n", "qrels/test.tsv": b"q1\ta\t1\n"},
    )
    assert collection.items.titles.to_pylist() == ["", "", "only a title"]
    assert collection.items.empty.tolist() == [True, True, False]


def test_a_corpus_of_empty_titles_has_none(tmp_path: Path):
    empty = read(
        tmp_path / "a",
        {**BASE, "corpus.jsonl": b'{"_id":"d1","text":"a","title":""}\n{"_id":"d2","text":"b"}\n'},
    )
    without = read(tmp_path / "b", {**BASE, "corpus.jsonl": b'{"_id":"d1","text":"a"}\n{"_id":"d2","text":"b"}\n'})
    assert empty.items.titles is None
    assert empty.items.digest == without.items.digest


def test_other_fields_and_anchors_without_positives_are_accepted(tmp_path: Path):
    queries = jsonl(
        {"_id": "q1", "text": "a", "metadata": {"x": [1, 2.5, None]}},
        {"_id": "q2", "text": "b"},
        {"_id": "q3", "text": "c"},
    )
    collection = read(tmp_path, {**BASE, "queries.jsonl": queries})
    assert len(collection.anchors) == 3
    assert collection.positives(("train", "test")).degrees.tolist() == [1, 1, 0]


@pytest.mark.parametrize("top", ["", "scifact/", "scifact-2/"])
def test_zip_with_and_without_a_folder_inside(top: str, tmp_path: Path):
    files = {**BASE, "qrels/test.tsv.gz": gzip.compress(BASE["qrels/test.tsv"])}
    del files["qrels/test.tsv"]
    (tmp_path / "data.zip").write_bytes(zipped(files, top))
    with zipfile.ZipFile(tmp_path / "data.zip", "a") as archive:
        archive.writestr("__MACOSX/scifact/corpus.jsonl", b"x")
        archive.writestr(f"{top}.DS_Store", b"x")
        archive.writestr(f"{top}qrels/._test.tsv", b"x")
    assert columns(Collection.from_beir(tmp_path / "data.zip")) == columns(read(tmp_path / "plain", BASE))


def test_zip_of_several_data_sets(tmp_path: Path):
    path = tmp_path / "data.zip"
    path.write_bytes(zipped({f"{top}/{name}": data for top in ("a", "b") for name, data in BASE.items()}))
    with pytest.raises(DataError, match=r"data\.zip: expected one corpus\.jsonl .* give one folder"):
        Collection.from_beir(path)


def test_zip_with_a_data_set_too_deep(tmp_path: Path):
    path = tmp_path / "data.zip"
    path.write_bytes(zipped(BASE, "a/b/"))
    with pytest.raises(DataError, match="expected one corpus"):
        Collection.from_beir(path)


def test_zip_with_one_name_twice(tmp_path: Path):
    path = tmp_path / "data.zip"
    path.write_bytes(zipped(BASE))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("qrels/train.tsv", b"q2\td1\t1\n")
    with pytest.raises(DataError, match="two members have the same name"):
        Collection.from_beir(path)


def test_zip_with_a_damaged_member(tmp_path: Path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in BASE.items():
            archive.writestr(name, data)
    (tmp_path / "data.zip").write_bytes(buffer.getvalue().replace(b"first", b"fir5t"))
    with pytest.raises(DataError, match=r"data\.zip: corpus\.jsonl: the compressed data is damaged"):
        Collection.from_beir(tmp_path / "data.zip")


def test_encrypted_zip(tmp_path: Path):
    data = bytearray(zipped(BASE))
    for signature, flag in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the bit that says "encrypted"
        at = data.find(signature)
        while at >= 0:
            data[at + flag] |= 1
            at = data.find(signature, at + 4)
    (tmp_path / "data.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"corpus\.jsonl: cannot be unpacked .*encrypted.* unpack the archive"):
        Collection.from_beir(tmp_path / "data.zip")


def test_truncated_zip(tmp_path: Path):
    (tmp_path / "data.zip").write_bytes(zipped(BASE)[:-30])
    with pytest.raises(DataError, match=r"neither a folder nor a whole \.zip"):
        Collection.from_beir(tmp_path / "data.zip")


def test_a_path_that_is_not_there(tmp_path: Path):
    with pytest.raises(DataError, match=r"nowhere: there is no such folder or file; check the path"):
        Collection.from_beir(tmp_path / "nowhere")


def test_a_path_of_another_file(tmp_path: Path):
    (tmp_path / "corpus.jsonl").write_bytes(BASE["corpus.jsonl"])
    with pytest.raises(DataError, match="neither a folder nor"):
        Collection.from_beir(tmp_path / "corpus.jsonl")


def test_the_folder_above_is_told_from_the_data_set(tmp_path: Path):
    write(tmp_path / "scifact", BASE)
    with pytest.raises(DataError, match="holds no data set itself; give the folder inside it: scifact"):
        Collection.from_beir(tmp_path)


def test_many_lines_keep_order_and_place(tmp_path: Path):
    n = 140_000  # more than two batches
    corpus = b"".join(b'{"_id":"%d","text":"t%d"}\n' % (row, row) for row in range(n))
    collection = read(
        tmp_path,
        {
            **BASE,
            "corpus.jsonl": corpus,
            "qrels/train.tsv": b"q1\t139999\t1\n",
            "qrels/test.tsv": b"q1\t0\t1\n",
        },
    )
    assert collection.items.ids.to_pylist() == [str(row) for row in range(n)]
    assert collection.judgements.items.tolist() == [n - 1, 0]
    write(tmp_path, {"corpus.jsonl": corpus + b'{"_id":"77","text":"again"}\n'})
    with pytest.raises(DataError, match=r"line 140001: the id '77' was given before \(.*line 78\)"):
        Collection.from_beir(tmp_path)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ID = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\r\n"), max_size=5)


@st.composite
def data_sets(
    draw: st.DrawFn,
) -> tuple[list[str], list[str], list[tuple[str, str, str]], list[tuple[str, str, float]]]:
    anchors = draw(st.lists(ID, min_size=1, max_size=6, unique=True))
    items = draw(st.lists(ID, min_size=1, max_size=6, unique=True))
    records = [(name, draw(TEXT), draw(TEXT)) for name in items]
    every = [(a, i) for a in anchors for i in items]
    pairs = draw(st.lists(st.sampled_from(every), min_size=1, max_size=8, unique=True))
    grades = st.sampled_from([0.0, 1.0, 2.0, 0.5, -1.0])
    return anchors, items, records, [(a, i, draw(grades)) for a, i in pairs]


@settings(max_examples=50, deadline=None)
@given(
    data=data_sets(),
    compressed=st.booleans(),
    mark=st.booleans(),
    ending=st.sampled_from(["\n", "\r\n"]),
    escaped=st.booleans(),
    header=st.booleans(),
    archive=st.booleans(),
)
def test_round_trip(data, compressed, mark, ending, escaped, header, archive):
    anchors, items, records, pairs = data
    lines = {
        "corpus.jsonl": [
            json.dumps({"_id": name, "title": title, "text": text}, ensure_ascii=escaped)
            for name, title, text in records
        ],
        "queries.jsonl": [json.dumps({"_id": name, "text": f"?{name}"}, ensure_ascii=escaped) for name in anchors],
        "qrels/train.tsv": ["query-id\tcorpus-id\tscore"] * header + [f"{a}\t{i}\t{g}" for a, i, g in pairs],
    }
    known = "query-id" in anchors or "corpus-id" in items
    if header and known:
        del lines["qrels/train.tsv"][0]
    files = {name: "".join(line + ending for line in text).encode() for name, text in lines.items()}
    if mark:
        files = {name: b"\xef\xbb\xbf" + content for name, content in files.items()}
    if compressed:
        files = {f"{name}.gz": gzip.compress(content) for name, content in files.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.zip" if archive else write(Path(folder), files)
        if archive:
            path.write_bytes(zipped(files))
        collection = Collection.from_beir(path)
    assert collection.anchors.ids.to_pylist() == anchors
    assert collection.anchors.texts.to_pylist() == [f"?{name}" for name in anchors]
    assert collection.items.ids.to_pylist() == items
    assert collection.items.texts.to_pylist() == [text for _, _, text in records]
    titles = [title for _, title, _ in records]
    assert (collection.items.titles.to_pylist() if any(titles) else None) == (titles if any(titles) else None)
    assert judged(collection) == [(a, i, g, "train") for a, i, g in pairs]
    assert collection.judgements.grades.dtype == np.float32
