"""What the reader of text pairs accepts and rejects, from CSV, JSON Lines and Parquet."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.collection import Collection
from foils.errors import DataError

Row = dict[str, Any]


def csv_bytes(rows: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def jsonl_bytes(rows: list[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet_bytes(rows: list[Row], keep: int | None = None) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({name: [row[name] for row in rows] for name in rows[0]})[:keep], buffer)
    return buffer.getvalue()


WRITERS = {
    "pairs.csv": csv_bytes,
    "pairs.csv.gz": lambda rows: gzip.compress(csv_bytes(rows)),
    "pairs.jsonl": jsonl_bytes,
    "pairs.jsonl.gz": lambda rows: gzip.compress(jsonl_bytes(rows)),
    "pairs.parquet": parquet_bytes,
}

ROWS: list[Row] = [
    {"anchor": "what", "positive": "one", "note": "x"},
    {"anchor": "where", "positive": 'two, or\n"2"', "note": "y"},
    {"anchor": "what", "positive": "three", "note": "z"},
    {"anchor": "where", "positive": "one", "note": ""},
    {"anchor": "what", "positive": "one", "note": "again"},
]


def save(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def judged(collection: Collection) -> list[tuple[str, str, float, str]]:
    """List the judgements by texts, in their order."""
    pairs = collection.judgements
    return [
        (
            collection.anchors.texts[a].as_py(),
            collection.items.texts[i].as_py(),
            float(g),
            pairs.split_names[s],
        )
        for a, i, g, s in zip(pairs.anchors, pairs.items, pairs.grades, pairs.splits, strict=True)
    ]


def with_values(**values: list[Any]) -> list[Row]:
    """Make rows, of a few plain pairs with these columns added."""
    count = len(next(iter(values.values())))
    plain = [{"anchor": f"a{row}", "positive": f"p{row}"} for row in range(count)]
    return [{**pair, **{name: column[row] for name, column in values.items()}} for row, pair in enumerate(plain)]


@pytest.mark.parametrize("name", WRITERS)
def test_equal_texts_are_one_anchor_or_item(name: str, tmp_path: Path):
    collection = Collection.from_pairs(save(tmp_path, name, WRITERS[name](ROWS)))
    assert collection.anchors.ids.to_pylist() == ["a0", "a1"]
    assert collection.anchors.texts.to_pylist() == ["what", "where"]
    assert collection.items.ids.to_pylist() == ["i0", "i1", "i2"]
    assert collection.items.texts.to_pylist() == ["one", 'two, or\n"2"', "three"]
    assert collection.items.titles is None
    assert judged(collection) == [
        ("what", "one", 1.0, "train"),
        ("where", 'two, or\n"2"', 1.0, "train"),
        ("what", "three", 1.0, "train"),
        ("where", "one", 1.0, "train"),
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_grades_and_splits(name: str, tmp_path: Path):
    rows = with_values(grade=[1, 0, 2], split=["test", "other", "train"])
    collection = Collection.from_pairs(save(tmp_path, name, WRITERS[name](rows)))
    assert collection.splits == ("train", "test", "other")
    assert judged(collection) == [
        ("a0", "p0", 1.0, "test"),
        ("a1", "p1", 0.0, "other"),
        ("a2", "p2", 2.0, "train"),
    ]


@pytest.mark.parametrize("name", WRITERS)
def test_columns_of_other_names(name: str, tmp_path: Path):
    rows = [{"grade": "2", "answer": "three", "split": "=x()"}]
    path = save(tmp_path, name, WRITERS[name](rows))
    assert judged(Collection.from_pairs(path, anchor="grade", positive="answer")) == [("2", "three", 1.0, "=x()")]


def test_utf8_mark_and_line_ends(tmp_path: Path):
    path = save(tmp_path, "pairs.csv", b'\xef\xbb\xbfanchor,positive\r\n\r\nq,"a\r\nb"\r\n\n')
    assert judged(Collection.from_pairs(path)) == [("q", "a\r\nb", 1.0, "train")]


def test_cells_in_csv_are_not_numbers_or_nulls(tmp_path: Path):
    path = save(tmp_path, "pairs.csv", b"anchor,positive\nNULL,007\nnan,1e5\n=1+1,-\n")
    collection = Collection.from_pairs(path)
    assert collection.anchors.texts.to_pylist() == ["NULL", "nan", "=1+1"]
    assert collection.items.texts.to_pylist() == ["007", "1e5", "-"]


def test_parquet_of_other_string_types_and_row_groups(tmp_path: Path):
    texts = [f"text {row % 7}" for row in range(50)]
    table = pa.table(
        {
            "anchor": pa.array(texts).dictionary_encode(),
            "positive": pa.array(texts, pa.large_string()),
            "grade": pa.array([row % 7 for row in range(50)], pa.int8()),
        }
    )
    pq.write_table(table, tmp_path / "pairs.parquet", row_group_size=8)
    collection = Collection.from_pairs(tmp_path / "pairs.parquet")
    assert judged(collection) == [(f"text {row}", f"text {row}", float(row), "train") for row in range(7)]


PAIRS = [{"anchor": "q", "positive": "known"}, {"anchor": "q", "positive": "alone"}]


def read_with(tmp_path: Path, corpus: list[Row], name: str = "corpus.jsonl", pairs: list[Row] = PAIRS) -> Collection:
    writer = WRITERS[name.replace("corpus", "pairs")]
    return Collection.from_pairs(
        save(tmp_path, "pairs.jsonl", jsonl_bytes(pairs)), corpus=save(tmp_path, name, writer(corpus))
    )


@pytest.mark.parametrize("name", ["corpus.csv", "corpus.jsonl", "corpus.parquet"])
def test_corpus_adds_items(name: str, tmp_path: Path):
    corpus = [{"text": "new", "more": "x"}, {"text": "known", "more": ""}, {"text": "new", "more": ""}]
    collection = read_with(tmp_path, corpus, name)
    assert collection.items.texts.to_pylist() == ["known", "alone", "new"]
    assert collection.items.ids.to_pylist() == ["i0", "i1", "i2"]
    assert collection.items.titles is None
    assert collection.positives().row(0).tolist() == [0, 1]


@pytest.mark.parametrize("id_name", ["id", "_id"])
def test_corpus_with_titles_and_ids(id_name: str, tmp_path: Path):
    corpus = [
        {id_name: "x", "title": "New", "text": "new"},
        {id_name: 7, "title": "Known", "text": "known"},
        {id_name: "y", "title": "Twin", "text": "known"},
    ]
    collection = read_with(tmp_path, corpus)
    assert collection.items.texts.to_pylist() == ["known", "alone", "new"]
    assert collection.items.ids.to_pylist() == ["7", "i1", "x"]
    assert collection.items.titles.to_pylist() == ["Known", "", "New"]
    assert collection.positives().row(0).tolist() == [0, 1]


def test_corpus_rows_without_text_stay_apart(tmp_path: Path):
    corpus = [{"title": "a", "text": ""}, {"title": "b", "text": ""}, {"title": None, "text": " "}]
    collection = read_with(tmp_path, corpus)
    assert collection.items.titles.to_pylist() == ["", "", "a", "b", ""]
    assert collection.items.empty.tolist() == [False, False, False, False, True]


def test_corpus_id_that_foils_gives(tmp_path: Path):
    with pytest.raises(DataError, match=r"corpus\.jsonl, line 2: the id 'i1' is also what a positive .* use other ids"):
        read_with(tmp_path, [{"id": "x", "text": "new"}, {"id": "i1", "text": "newer"}])


def test_corpus_id_twice(tmp_path: Path):
    with pytest.raises(DataError, match=r"corpus\.jsonl, line 2: the id 'x' was given before \(.*line 1\)"):
        read_with(tmp_path, [{"id": "x", "text": "new"}, {"id": "x", "text": "newer"}])


def test_corpus_id_in_some_rows(tmp_path: Path):
    with pytest.raises(DataError, match=r"corpus\.jsonl, line 2: has no 'id', .* in every row or in none"):
        read_with(tmp_path, [{"id": "x", "text": "new"}, {"text": "newer"}])


def test_corpus_without_text(tmp_path: Path):
    with pytest.raises(DataError, match=r"corpus\.csv, line 1: there is no column 'text'.* did you mean 'texts'"):
        read_with(tmp_path, [{"texts": "new"}], "corpus.csv")


def test_empty_corpus(tmp_path: Path):
    save(tmp_path, "corpus.jsonl", b"")
    with pytest.raises(DataError, match=r"corpus\.jsonl: holds no row"):
        Collection.from_pairs(save(tmp_path, "p.jsonl", jsonl_bytes(PAIRS)), corpus=tmp_path / "corpus.jsonl")


# File name, its bytes, what the message must hold.
REJECTED: dict[str, tuple[str, bytes, list[str]]] = {
    "unknown suffix": ("pairs.xlsx", b"anchor\tpositive\n", ["unknown suffix", ".csv, .csv.gz, .tsv"]),
    "no suffix": ("pairs", b"", ["unknown suffix"]),
    "compressed Parquet": ("pairs.parquet.gz", b"", ["unknown suffix"]),
    "empty CSV": ("pairs.csv", b"", ["line 1", "no column 'anchor'", "found none"]),
    "CSV header only": ("pairs.csv", b"anchor,positive\n", ["holds no row", "'anchor', 'positive'"]),
    "empty JSONL": ("pairs.jsonl", b"\n", ["holds no row"]),
    "CSV without a column": (
        "pairs.csv",
        b"anchor,positives\nq,a\n",
        ["line 1", "no column 'positive'", "did you mean 'positives'?", "found: anchor, positives"],
    ),
    "CSV separated by semicolons": (
        "pairs.csv",
        b"anchor;positive\nq;a\n",
        ["line 1", "no column 'anchor'", "separate the columns by commas"],
    ),
    "CSV with hostile names": (
        "pairs.csv",
        b"\x1b[31m,positive\nq,a\n",
        [r"'\x1b[31m'", "no column 'anchor'"],
    ),
    "CSV with many columns": (
        "pairs.csv",
        ",".join(f"column {n}" for n in range(1000)).encode() + b"\n",
        ["no column 'anchor'", "and 980 more"],
    ),
    "CSV with a column twice": (
        "pairs.csv",
        b"anchor,positive,anchor\n",
        ["line 1", "2 columns are called 'anchor'"],
    ),
    "CSV row too long": (
        "pairs.csv",
        b'anchor,positive\nq,"a\nb"\n\nq,a,b\n',
        ["line 5", "3 cells and the header has 2", "quotation marks"],
    ),
    "CSV row too short": ("pairs.csv", b"anchor,positive\nq\n", ["line 2", "1 cells"]),
    "CSV with an open quotation mark": (
        "pairs.csv",
        b'anchor,positive\nq,a\nq,"a\nq,b\n',
        ["line 3", "not valid CSV", "double the quotation marks"],
    ),
    "CSV with a stray quotation mark": (
        "pairs.csv",
        b'anchor,positive\nq,"a"b\n',
        ["line 2", "not valid CSV"],
    ),
    "CSV with a huge cell": (
        "pairs.csv",
        b"anchor,positive\nq," + b"x" * 131_073 + b"\n",
        ["line 2", "more than 131072 characters", "JSONL or Parquet"],
    ),
    "CSV that is not UTF-8": (
        "pairs.csv",
        b"anchor,positive\nq,\xe9\n",
        ["line 2", "not UTF-8 at byte 3", "iconv"],
    ),
    "UTF-16 CSV": ("pairs.csv", "anchor,positive\n".encode("utf-16"), ["UTF-16", "iconv"]),
    "CSV with an empty anchor": (
        "pairs.csv",
        b"anchor,positive\nq,a\n ,b\n",
        ["line 3", "'anchor' is empty"],
    ),
    "CSV with an empty positive": (
        "pairs.csv",
        b'anchor,positive\nq,a\nr,""\n',
        ["line 3", "'positive' is empty", "write its text, or remove the row"],
    ),
    "CSV with a grade in words": (
        "pairs.csv",
        b"anchor,positive,grade\nq,a,1\nq,b,yes\n",
        ["line 3", "grade is 'yes'", "expected a number"],
    ),
    "CSV with an empty grade": ("pairs.csv", b"anchor,positive,grade\nq,a,\n", ["line 2", "grade is ''"]),
    "CSV with an infinite grade": ("pairs.csv", b"anchor,positive,grade\nq,a,inf\n", ["line 2", "grade inf"]),
    "CSV with an empty split": (
        "pairs.csv",
        b"anchor,positive,split\nq,a,train\nq,b,\n",
        ["line 3", "split has no name", "train, dev, test"],
    ),
    "two grades": (
        "pairs.csv",
        b"anchor,positive,grade\nq,a,1\nq,b,1\nq,a,0\n",
        ["line 4", "grade 0, and had 1 before", "line 2", "keep one"],
    ),
    "JSONL without a field": (
        "pairs.jsonl",
        b'{"anchor":"q","positive":"a"}\n{"query":"q","positive":"a"}\n',
        ["line 2", "'anchor' is missing", "found: positive, query"],
    ),
    "JSONL with lists": (
        "pairs.jsonl",
        b'{"anchor":"q","positive":["a"]}\n',
        ["line 1", "'positive' is an array", "expected a string"],
    ),
    "JSONL with a grade in some rows": (
        "pairs.jsonl",
        b'{"anchor":"q","positive":"a","grade":1}\n{"anchor":"q","positive":"b"}\n',
        ["line 2", "has no 'grade'", "in every row or in none"],
    ),
    "JSONL with a null split": (
        "pairs.jsonl",
        b'{"anchor":"q","positive":"a","split":null}\n{"anchor":"q","positive":"b","split":"x"}\n',
        ["line 1", "has no 'split'"],
    ),
    "JSONL with a grade as a string": (
        "pairs.jsonl",
        b'{"anchor":"q","positive":"a","grade":"1"}\n',
        ["line 1", "'grade' is a string ('1')", "expected a number"],
    ),
    "JSONL with a grade that is not JSON": (
        "pairs.jsonl",
        b'{"anchor":"q","positive":"a","grade":NaN}\n',
        ["line 1", "'grade' is nan", "finite"],
    ),
    "JSONL with a grade out of range": (
        "pairs.jsonl",
        b'{"anchor":"q","positive":"a","grade":1e999}\n',
        ["line 1", "'grade' is inf", "finite"],
    ),
    "no Parquet": ("pairs.parquet", b"anchor,positive\n", ["cannot be read as Parquet", "write it again"]),
    "truncated Parquet": ("pairs.parquet", parquet_bytes(ROWS)[:-20], ["cannot be read as Parquet"]),
    "Parquet without a column": (
        "pairs.parquet",
        parquet_bytes([{"anchor": "q", "Positive": "a"}]),
        ["no column 'positive'", "did you mean 'Positive'?"],
    ),
    "Parquet with numbers": (
        "pairs.parquet",
        parquet_bytes([{"anchor": "q", "positive": 3}]),
        ["'positive' is of type int64", "expected a string"],
    ),
    "Parquet with null": (
        "pairs.parquet",
        parquet_bytes([{"anchor": "q", "positive": "a"}, {"anchor": None, "positive": "a"}]),
        ["row 2", "'anchor' is null", "1 of 2", "fill or drop"],
    ),
    "Parquet with nothing but null": (
        "pairs.parquet",
        parquet_bytes([{"anchor": "q", "positive": None}]),
        ["row 1", "'positive' is null"],
    ),
    "Parquet with truth values as grades": (
        "pairs.parquet",
        parquet_bytes([{"anchor": "q", "positive": "a", "grade": True}]),
        ["'grade' is of type bool", "expected a number"],
    ),
    "Parquet with NaN": (
        "pairs.parquet",
        parquet_bytes([{"anchor": "q", "positive": "a", "grade": float("nan")}]),
        ["row 1", "grade nan"],
    ),
    "empty Parquet": (
        "pairs.parquet",
        parquet_bytes([{"anchor": "q", "positive": "a"}], keep=0),
        ["holds no row"],
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_rejected(case: str, tmp_path: Path):
    name, data, fragments = REJECTED[case]
    with pytest.raises(DataError) as caught:
        Collection.from_pairs(save(tmp_path, name, data))
    message = str(caught.value)
    assert type(caught.value) is DataError
    assert [fragment for fragment in [str(tmp_path / name), *fragments] if fragment not in message] == [], message
    assert message.isprintable()
    assert len(message) < 1000


def test_parquet_whose_strings_are_not_utf8(tmp_path: Path):
    broken = pa.array([b"a\xff"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"anchor": broken, "positive": pa.array(["a"])}), tmp_path / "pairs.parquet")
    with pytest.raises(DataError, match=r"pairs\.parquet: cannot be read as Parquet .*UTF"):
        Collection.from_pairs(tmp_path / "pairs.parquet")


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl", "pairs.parquet"])
def test_missing_file(name: str, tmp_path: Path):
    with pytest.raises(DataError, match=name):
        Collection.from_pairs(tmp_path / name)


def test_one_column_for_both(tmp_path: Path):
    with pytest.raises(DataError, match="both the column 'text'"):
        Collection.from_pairs(tmp_path / "pairs.csv", anchor="text", positive="text")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6).filter(
    # pyarrow and Python may differ on what is white space in newer Unicode: nothing here depends on it.
    lambda text: text.strip("\0 \t\r\n\x0b\x0c") != "" and not text.isspace()
)


@settings(max_examples=50, deadline=None)
@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8), name=st.sampled_from(sorted(WRITERS)))
def test_round_trip(pairs: list[tuple[str, str]], name: str):
    rows = [{"anchor": anchor, "positive": positive} for anchor, positive in pairs]
    with tempfile.TemporaryDirectory() as folder:
        collection = Collection.from_pairs(save(Path(folder), name, WRITERS[name](rows)))
    assert collection.anchors.texts.to_pylist() == list(dict.fromkeys(anchor for anchor, _ in pairs))
    assert collection.items.texts.to_pylist() == list(dict.fromkeys(positive for _, positive in pairs))
    assert judged(collection) == [(*pair, 1.0, "train") for pair in dict.fromkeys(pairs)]
