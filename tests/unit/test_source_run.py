"""Runs and files of negatives as a source."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

from foils.collection import Collection
from foils.errors import DataError, RecipeError
from foils.search import Blocks, Forbidden, Inputs
from foils.sources import Run

ITEMS = ["zero", "one", "two", "three", "four", "five"]
LINES = """0 Q0 3 1 9.5 tag
0 Q0 0 2 9 tag
1 Q0 5 1 2 tag
0 Q0 4 3 9.5 tag
0 Q0 2 4 1e1 tag
1 Q0 2 2 2 tag
0 Q0 2 5 0 tag
"""


def inputs(splits=None):
    data = Collection.from_arrays([(0, 0), (1, 1)], anchors=["a", "b"], items=ITEMS, splits=splits)
    return Inputs(
        positives=data.positives(("train",)),
        trusted=data.trusted_negatives(("train",)),
        mineable=np.ones(6, bool),
        matrices={},
        negatives=2,
        seed=0,
        blocks=Blocks(8, 8, 8),
        collection=data,
        forbidden=Forbidden.of(data.positives(("train",))),
    )


def retrieve(path, given=None, depth=4, **fields):
    given = given or inputs()
    source = Run(file=str(path), **fields)
    source.check(given)
    opened = source.open(given)
    return opened.retrieve(given.positives.units(), depth), opened.facts()["run"]


@pytest.fixture(params=["ranking.run", "ranking.trec.gz"])
def run(tmp_path, request):
    path = tmp_path / request.param
    path.write_bytes(gzip.compress(LINES.encode()) if path.suffix == ".gz" else LINES.encode())
    return path


def test_a_run_is_ordered_by_score_then_by_line_and_known_positives_are_left_out(run):
    found, facts = retrieve(run)
    assert found.items.tolist() == [[2, 3, 4, -1], [5, 2, -1, -1]]
    assert found.columns["run"].values[0].tolist()[:3] == [10.0, 9.5, 9.5]
    np.testing.assert_array_equal(found.columns["run"].positives, np.float32([9, np.nan]))
    assert facts == {"pairs": 6, "anchors": 2, "positives_excluded": 1, "others_excluded": 0}
    assert retrieve(run, depth=2)[0].items.tolist() == [[2, 3], [5, 2]]


def test_positives_of_other_splits_are_no_secret_but_candidates(run):
    given = inputs(splits=["test", "train"])
    found, facts = retrieve(run, given)
    assert found.units.anchors.tolist() == [1]
    assert facts["positives_excluded"] == 0  # the pair (0, 0) is known in the split test alone


def test_what_may_not_be_mined_is_left_out(run):
    given = inputs()
    mineable = np.array([True, True, False, True, True, True])
    found, facts = retrieve(run, replace(given, mineable=mineable))
    assert found.items.tolist() == [[3, 4, -1, -1], [5, -1, -1, -1]]
    assert facts["others_excluded"] == 2


def test_anybodys_negatives_by_text_with_the_files_own_positives(tmp_path):
    path = tmp_path / "negatives.jsonl"
    rows = [
        {"anchor": "a", "positive": "five", "negative": "two"},
        {"anchor": "a", "positive": "zero", "negative": "five"},
        {"anchor": "a", "positive": "zero", "negative": "four"},
        {"anchor": "b", "positive": "one", "negative": "two"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found, facts = retrieve(path, scored=False)
    assert set(found.items[0].tolist()) >= {2, 4}
    assert found.items[1].tolist()[0] == 2
    assert found.scored() == []
    assert facts["positives_excluded"] >= 2
    with pytest.raises(DataError, match=r"negatives.jsonl: holds no scores .*scored=false"):
        retrieve(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 Q0 3 1 9 t\n0 Q0 77 2 8 t\n", r"some.run, line 2: negative .*77.* is not in the collection"),
        ("0 Q0 3 1 9 t\nq Q0 3 2 8 t\n", r"some.run, line 2: anchor .*q.* is not in the collection"),
        ("0 Q0 3 1 x t\n", r"some.run, line 1: .*6 columns"),
        ("0 Q0 3 1 9\n", r"some.run, line 1: .*6 columns"),
        ("", "some.run"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "some.run"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        retrieve(path)


def test_a_file_that_is_not_there_is_refused_before_work(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        Run(file=str(tmp_path / "none.run")).check(inputs())
    with pytest.raises(RecipeError, match="file is empty"):
        Run(file="")


def test_the_files_digest_identifies_the_run(run):
    first = Run(file=str(run)).digests(inputs())
    run.write_bytes(run.read_bytes() + b" ")
    assert Run(file=str(run)).digests(inputs()) != first
