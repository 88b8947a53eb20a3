"""Triples: two anchors each, splits, verified false ones, names."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.collection import Collection
from foils.errors import DataError
from foils.triples import HEAD, TAIL


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def answers(data: Collection, grade: float, split: str) -> dict[str, set[str]]:
    """Give anchor id → ids of the items with this grade."""
    judged = data.judgements.select((split,))
    found: dict[str, set[str]] = {}
    for anchor, item, each in zip(judged.anchors, judged.items, judged.grades, strict=True):
        if each == grade:
            found.setdefault(data.anchors.ids[int(anchor)].as_py(), set()).add(data.items.ids[int(item)].as_py())
    return found


def test_each_triple_has_two_anchors(tmp_path):
    write(tmp_path, train__tsv="head\trelation\ttail\na\tlikes\tb\na\tlikes\tc\n", test__tsv="c\tlikes\ta\n")
    data = Collection.from_triples(tmp_path)
    assert answers(data, 1, "train") == {
        '["a","likes","?"]': {"b", "c"},
        '["?","likes","b"]': {"a"},
        '["?","likes","c"]': {"a"},
    }
    assert answers(data, 1, "test") == {'["c","likes","?"]': {"a"}, '["?","likes","a"]': {"c"}}
    assert data.splits == ("train", "test")
    assert data.anchors.texts is None


names = st.sampled_from(["a", "b", "c", 'q"', "\\", "é"])
statements = st.lists(st.tuples(names, st.sampled_from(["r", "s t"]), names), min_size=1, max_size=20)


@given(statements)
@settings(max_examples=40, deadline=None)
def test_triples_agree_with_a_plain_reading(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("kg") / "train.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    data = Collection.from_triples(path)
    triples, entities, anchors = data.triples, data.items.ids.to_pylist(), data.anchors.ids.to_pylist()
    relations = triples.relation_ids.to_pylist()
    found = [
        (entities[head], relations[relation], entities[tail])
        for head, relation, tail in zip(triples.heads, triples.relations, triples.tails, strict=True)
    ]
    assert found == list(dict.fromkeys(rows))  # each once, in the order they were given
    for (head, relation, tail), of_tail, of_head in zip(found, triples.tail_anchors, triples.head_anchors, strict=True):
        assert json.loads(anchors[of_tail]) == [head, relation, "?"]
        assert json.loads(anchors[of_head]) == ["?", relation, tail]
        assert (triples.sides[of_tail], triples.sides[of_head]) == (TAIL, HEAD)
    for row, name in enumerate(anchors):
        given_entity = entities[triples.anchor_entities[row]]
        relation = relations[triples.anchor_relations[row]]
        expected = [given_entity, relation, "?"] if triples.sides[row] == TAIL else ["?", relation, given_entity]
        assert json.loads(name) == expected
    known = {(anchors[a], entities[i]) for a, i in zip(*data.positives().relation.coordinates(), strict=True)}
    tails = {(json.dumps([h, r, "?"], separators=(",", ":"), ensure_ascii=False), t) for h, r, t in rows}
    heads = {(json.dumps(["?", r, t], separators=(",", ":"), ensure_ascii=False), h) for h, r, t in rows}
    assert known == tails | heads


def test_verified_false_triples_are_trusted_negatives_and_no_triples(tmp_path):
    write(
        tmp_path, train__tsv="a\tr\tb\n", valid__tsv="b\tr\ta\n", valid_negatives__tsv="head\trelation\ttail\nb\tr\tc\n"
    )
    data = Collection.from_triples(tmp_path)
    assert data.splits == ("train", "valid")
    assert answers(data, 0, "valid") == {'["b","r","?"]': {"c"}, '["?","r","c"]': {"b"}}
    assert len(data.triples) == 2
    assert len(data.trusted_negatives(("valid",)).items) == 2


def test_names_make_texts_and_the_rest_metadata(tmp_path):
    entities = "id\tname\tdescription\tyear\nb\tBerlin\tcity\t1237\na\tAnna\t\t\nc\t\t\t5\n"
    write(tmp_path, train__tsv="a\tlives\tb\n", entities__tsv=entities, relations__tsv="id\tname\nlives\tlives in\n")
    data = Collection.from_triples(tmp_path)
    assert data.items.ids.to_pylist() == ["b", "a", "c"]
    assert data.items.full_texts() == ["Berlin city", "Anna", "c"]
    assert data.items.fields["year"].to_pylist() == [1237, None, 5]
    assert set(data.anchors.texts.to_pylist()) == {"Anna | lives in | ?", "? | lives in | Berlin"}


def test_entities_of_the_same_name_are_not_duplicates(tmp_path):
    write(tmp_path, train__tsv="a\tr\tb\n", entities__tsv="id\tname\na\tA\nb\tSmith\nc\tSmith\n")
    data = Collection.from_triples(tmp_path)
    assert sorted(len(data.positives().row(anchor)) for anchor in range(2)) == [1, 1]


def test_a_gzip_with_other_names_in_its_header(tmp_path):
    (tmp_path / "train.tsv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfsubject\tpredicate\tobject\r\na\tr\tb\r\n"))
    data = Collection.from_triples(tmp_path)
    assert data.items.ids.to_pylist() == ["a", "b"]
    assert np.array_equal(data.triples.heads, [0])


REJECTED = {
    "two columns": ({"train__tsv": "a\tb\n"}, ["first line has 2 columns", "expected 3"]),
    "ragged": ({"train__tsv": "a\tr\tb\na\tr\n"}, ["line 2", "has 2 cells; expected 3: head, relation, tail"]),
    "ragged below a header": (
        {"train__tsv": "head\trelation\ttail\na\tr\n"},
        ["line 2", "2 cells and the header has 3 (the first line is taken as the header: head, relation, tail)"],
    ),
    "no train": ({"edges__tsv": "a\tr\tb\n"}, ["no table of a split"]),
    "no triple": ({"train__tsv": "head\trelation\ttail\n"}, ["holds no"]),
    "empty": ({"train__tsv": ""}, ["first line has 0 columns"]),
    "empty cell": ({"train__tsv": "a\tr\tb\na\t\tb\n"}, ["line 2", "'relation' is empty"]),
    "unknown entity": ({"train__tsv": "a\tr\tb\n", "entities__tsv": "id\na\n"}, ["line 1", "entity id 'b'"]),
    "unknown relation": ({"train__tsv": "a\tr\tb\n", "relations__tsv": "id\ns\n"}, ["relation id 'r'"]),
    "no ids": ({"train__tsv": "a\tr\tb\n", "entities__tsv": "name\na\n"}, ["entities.tsv", "no column of ids"]),
    "question mark": ({"train__tsv": "?\tr\tb\n"}, ["the id '?'", "rename"]),
    "true and false": (
        {"train__tsv": "a\tr\tb\n", "train_negatives__tsv": "c\tr\tb\na\tr\tb\n"},
        ["train_negatives.tsv, line 2", "grade 0", "train.tsv, line 1"],
    ),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected(tmp_path, name):
    files, fragments = REJECTED[name]
    write(tmp_path, **files)
    with pytest.raises(DataError) as caught:
        Collection.from_triples(tmp_path)
    message = str(caught.value)
    assert [fragment for fragment in fragments if fragment not in message] == [], message
