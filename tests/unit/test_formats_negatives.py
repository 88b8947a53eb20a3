"""Files of negatives: every form gives the same pairs; what does not fit is refused by file and line."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foils.collection import Collection
from foils.errors import DataError
from foils.formats.negatives import read_negatives

ANCHORS = ["hot tea", "cold, tea", "3"]
ITEMS = ["warm drink", 'iced "drink"', "dry sand", "wet sand", "2", "line\nbreak"]
DATA = Collection.from_arrays([(0, 0), (1, 1), (2, 5)], anchors=ANCHORS, items=ITEMS)
FORMS = (
    "triplet",
    "n-tuple",
    "labeled-pair",
    "labeled-list",
    "flagembedding",
    "tevatron",
    "tevatron ids",
    "lists",
    "run",
)


def write(form, path, units):
    """Write units of (anchor, positive, negatives), by row, in one form; give the file."""
    rows = [(ANCHORS[a], ITEMS[p], [ITEMS[n] for n in negatives]) for a, p, negatives in units]
    if form == "run":
        lines = [f"{a} Q0 {n} 1 0.5 x" for a, _, negatives in units for n in negatives]
        return put(path / "a.run", "\n".join(lines))
    if form == "lists":
        table = pa.table(
            {
                "anchor_id": [str(a) for a, _, _ in units],
                "positive_ids": [[str(p)] for _, p, _ in units],
                "negative_ids": [[str(n) for n in negatives] for _, _, negatives in units],
                "ranks": [[1] * len(negatives) for _, _, negatives in units],
            }
        )
        pq.write_table(table, path / "a.parquet")
        return path / "a.parquet"
    if form == "triplet":
        table = pa.table(
            [list(c) for c in zip(*((a, p, n) for a, p, ns in rows for n in ns), strict=True)],
            ["anchor", "positive", "negative"],
        )
        pq.write_table(table, path / "t.parquet")
        return path / "t.parquet"
    records = {
        "n-tuple": [
            {"query": a, "answer": p} | {f"negative_{k + 1}": n for k, n in enumerate(ns)} for a, p, ns in rows
        ],
        "labeled-pair": [
            {"query": a, "passage": d, "label": label}
            for a, p, ns in rows
            for d, label in [(p, 1), *((n, 0) for n in ns)]
        ],
        "labeled-list": [{"query": a, "docs": [p, *ns], "labels": [1] + [0] * len(ns)} for a, p, ns in rows],
        "flagembedding": [{"query": a, "pos": [p], "neg": ns} for a, p, ns in rows],
        "tevatron": [
            {
                "query_id": str(a),
                "query": ANCHORS[a],
                "positive_passages": [{"docid": str(p), "title": "", "text": ITEMS[p]}],
                "negative_passages": [{"docid": str(n), "text": ITEMS[n]} for n in ns],
            }
            for a, p, ns in units
        ],
        "tevatron ids": [
            {"query_id": a, "positive_document_ids": [p], "negative_document_ids": ns} for a, p, ns in units
        ],
    }[form]
    return put(path / "a.jsonl", "\n".join(json.dumps(record) for record in records))


def put(path, text):
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def pairs(matched):
    return sorted(zip(matched.anchors.tolist(), matched.items.tolist(), strict=True))


UNITS = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True)),
    min_size=1,
    max_size=3,
    unique_by=lambda unit: unit[0],
)


@pytest.mark.parametrize("form", FORMS)
@given(units=UNITS)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_form_gives_the_same_pairs(form, units, tmp_path):
    positive_of = {0: 0, 1: 1, 2: 5}
    known = [(a, p, [n for n in ns if n != p]) for a, ns in units for p in [positive_of[a]]]
    known = [unit for unit in known if unit[2]]
    if not known:
        return
    read = read_negatives(write(form, tmp_path, known), DATA)
    one_negative = form == "n-tuple" and all(len(ns) == 1 for _, _, ns in known)
    assert read.form == ("triplet" if one_negative else form)
    assert pairs(read.negatives) == sorted((a, n) for a, _, ns in known for n in ns)
    if form != "run":  # a triplet repeats its positive
        assert sorted(set(pairs(read.positives))) == sorted((a, p) for a, p, _ in known)
    assert read.unmatched.total == 0


def test_scores_stay_with_their_pairs(tmp_path):
    line = {"query": "hot tea", "pos": ["warm drink"], "neg": ["wet sand", "dry sand"]}
    scored = put(tmp_path / "a.jsonl", json.dumps(line | {"pos_scores": [0.75], "neg_scores": [0.5, 0.25]}))
    tuple_ = {"anchor": "hot tea", "positive": "warm drink", "negative_1": "wet sand", "negative_2": "dry sand"}
    tupled = put(tmp_path / "b.jsonl", json.dumps(tuple_ | {"scores": [0.75, 0.5, 0.25]}))
    lists = {"query": "hot tea", "docs": ["warm drink", "wet sand", "dry sand"], "scores": [0.75, 0.5, 0.25]}
    listed = put(tmp_path / "c.jsonl", json.dumps(lists))
    for path in (scored, tupled, listed):
        read = read_negatives(path, DATA)
        assert read.negatives.items.tolist() == [3, 2]
        assert read.negatives.scores.tolist() == [0.5, 0.25]
        assert read.negatives.ranks.tolist() == [1, 2]
        assert read.positives.scores.tolist() == [0.75]


@pytest.mark.parametrize("first", [[0.75], []])
def test_short_tuples_have_scores_of_what_is_there(first, tmp_path):
    whole = {"anchor": "cold, tea", "positive": 'iced "drink"', "negative_1": "wet sand", "negative_2": "dry sand"}
    short = {"anchor": "hot tea", "positive": "warm drink", "negative_1": "dry sand", "negative_2": None}
    none = {"anchor": "3", "positive": "line\nbreak", "negative_1": None, "negative_2": None}
    rows = [whole | {"scores": [*first, 0.5, 0.25]}, short | {"scores": [*first, None, None]}]
    rows.append(none | {"scores": [*first, None, None]})
    read = read_negatives(put(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))), DATA)
    assert pairs(read.negatives) == [(0, 2), (1, 2), (1, 3)]
    np.testing.assert_array_equal(read.negatives.scores, [np.nan, 0.5, 0.25])
    assert read.positives.scores.tolist() == first * 3 or np.isnan(read.positives.scores).all()


def test_pairs_with_a_score_and_no_label_are_told_apart_by_the_collection(tmp_path):
    read = read_negatives(
        put(tmp_path / "a.csv", "query,answer,score\nhot tea,warm drink,0.5\nhot tea,wet sand,0.25"), DATA
    )
    assert pairs(read.negatives) == [(0, 3)]
    assert pairs(read.positives) == [(0, 0)]


def test_texts_match_under_the_normaliser_and_with_titles(tmp_path):
    data = Collection.from_arrays([(0, 0)], anchors=["Q"], items=["body", "other"], item_titles=["Head", ""])
    read = read_negatives(put(tmp_path / "a.csv", "anchor,negative\nq,HEAD   body\nq,Other\nq,body"), data)
    assert read.negatives.items.tolist() == [0, 1, 0]
    assert read.matched_by == ("text", "text")


def test_ids_win_where_both_would_match_as_often(tmp_path):
    read = read_negatives(put(tmp_path / "a.csv", "query_id,negative_id\n2,4"), DATA)
    assert pairs(read.negatives) == [(2, 4)]  # "2" is an anchor's id and an item's text
    assert read.matched_by == ("id", "id")


def test_strangers_are_counted_and_named(tmp_path):
    text = "anchor,positive,negative\nhot tea,warm drink,dry sand\nhot tea,nowhere,\x1b[31mred\nwho?,x,dry sand"
    read = read_negatives(put(tmp_path / "a.csv", text), DATA)
    assert (read.unmatched.anchors, read.unmatched.negatives, read.unmatched.positives) == (1, 1, 1)
    assert any("line 3" in line and r"\x1b[31mred" in line for line in read.unmatched.examples)
    assert any("line 4: anchor 'who?'" in line for line in read.unmatched.examples)
    assert pairs(read.negatives) == [(0, 2)]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "anchor,positive\nhot tea,warm drink", "no column of negatives"),
        ("a.csv", "anchor,negative\n", "no row"),
        ("a.csv", "anchor,negative\nhot tea,", "holds no negative"),
        ("a.csv", "anchor,negative\nnobody,dry sand", "line 2: the anchor 'nobody' is not in the collection"),
        ("a.csv", "anchor,negative\nhot tea,nothing", "line 2: the negative 'nothing' is not in the collection"),
        ("a.csv", "query,doc,label\nhot tea,dry sand,maybe", "line 2: 'label' is 'maybe'; expected a number"),
        ("a.jsonl", '{"query": "hot tea", "neg": ["dry sand"]}\n{"query": "hot tea", "neg": "dry"}', "line 2"),
        ("a.jsonl", '{"query": "hot tea", "neg": ["dry sand"], "neg_scores": [1, 2]}', "line 1: neg has 1 entries"),
        ("a.jsonl", '{"query": "hot tea", "docs": ["dry sand"], "labels": [0, 1]}', "line 1: 'labels' has 2 entries"),
        (
            "a.jsonl",
            '{"anchor": "hot tea", "negative": "dry sand", "scores": [1, 2, 3]}',
            "line 1: 'scores' has 3 entries",
        ),
        ("a.jsonl", '{"anchor": "hot tea", "negative": "dry sand"}\n[1]', "line 2"),
        ("a.run", "0 Q0 2 1 high x", "line 1: .* is no line of a TREC run"),
        ("a.xml", "<a/>", "unknown suffix"),
        ("a.parquet", "no parquet", "cannot be read as Parquet"),
    ],
)
def test_what_does_not_fit_is_refused(name, text, message, tmp_path):
    with pytest.raises(DataError, match=message):
        read_negatives(put(tmp_path / name, text), DATA)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_negatives(tmp_path / "gone.csv", DATA)


def test_negatives_of_ours_are_read_back(tmp_path):
    write("lists", tmp_path, [(0, 0, [2, 3]), (1, 1, [0])])
    read = read_negatives(tmp_path / "a.parquet", DATA)
    assert np.array_equal(read.negatives.anchors, [0, 0, 1])
    assert np.isnan(read.negatives.scores).all()
