"""Fuller judgements of another file: whose records are the same, whose anchors are judged, what is no leak."""

import json

import pytest

import foils
from foils.errors import DataError

ROWS = [("hot tea", "warm drink"), ("rain", "water"), ("cold", "ice"), ("dust", "sand")]


def pairs(path, rows, splits=None):
    heads = "anchor,positive" + (",split" if splits else "")
    lines = [",".join(cells) for cells in (zip(*zip(*rows, strict=True), splits, strict=True) if splits else rows)]
    path.write_text("\n".join([heads, *lines]) + "\n")
    return path


def negatives(path, **by_anchor):
    rows = [{"query": anchor.replace("_", " "), "neg": items} for anchor, items in by_anchor.items()]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture
def file(tmp_path):
    return negatives(tmp_path / "neg.jsonl", rain=["ice", "sand"], hot_tea=["ice", "sand"], cold=["water"])


@pytest.fixture
def data(tmp_path):
    return foils.Collection.from_pairs(pairs(tmp_path / "train.csv", ROWS))


@pytest.mark.parametrize("as_path", [True, False])
def test_numbered_ids_of_two_files_are_matched_by_text(data, file, tmp_path, as_path):
    # a0 and i0 are hot tea and warm drink here, rain and ice there
    full = pairs(tmp_path / "full.csv", [("rain", "ice"), *reversed(ROWS)])
    found = foils.audit(data, file, truth=full if as_path else foils.Collection.from_pairs(full)).report.hidden
    assert found.matched_by == ("text", "text")
    assert (found.hits, found.anchors_hit, found.negatives) == (1, 1, 5)
    assert found.rate.estimate == pytest.approx(1 / 5)


def test_ids_count_while_their_texts_agree(data, file, tmp_path):
    full = pairs(tmp_path / "full.csv", [*ROWS, ("rain", "ice"), ("new", "thing")])
    found = foils.audit(data, file, truth=full).report.hidden
    assert (found.matched_by, found.hits) == (("id", "id"), 1)


def test_numbered_ids_without_texts_are_refused(data, tmp_path):
    out = tmp_path / "mined"
    foils.mine(data, "uniform", negatives=1, out=out)
    full = pairs(tmp_path / "full.csv", [("rain", "ice"), *ROWS])
    with pytest.raises(DataError, match=r"'a0' is the first row of that file.*--data"):
        foils.audit(foils.Mined.open(out), truth=full)
    assert foils.audit(foils.Mined.open(out, data), truth=full).report.hidden.matched_by == ("text", "text")


def test_strangers_are_refused_though_their_ids_are_equal(data, file, tmp_path):
    other = pairs(tmp_path / "other.csv", [("north", "south"), ("east", "west"), ("up", "down")])
    with pytest.raises(DataError, match=r"judges no anchor .* compared by text"):
        foils.audit(data, file, truth=other)


@pytest.mark.parametrize("whole", [True, False])
def test_only_judged_anchors_make_the_rate_and_the_truth_is_no_leak(file, tmp_path, whole):
    rows = [*ROWS, ("rain", "ice")]
    data = foils.Collection.from_pairs(pairs(tmp_path / "both.csv", rows, ["train"] * 4 + ["checked"]))
    truth = data if whole else foils.Collection.from_pairs(pairs(tmp_path / "some.csv", rows[-1:]))
    report = foils.audit(data, file, truth=truth).report
    found = report.hidden
    assert (found.hits, found.negatives, found.anchors, found.all_anchors) == (1, 2, 1, 3)
    assert found.rate.estimate == 1 / 2
    assert found.rate_of_all.estimate == 1 / 5
    assert report.headline.startswith("500 of 1,000 negatives of the 1 judged anchor")
    assert any("Over all 3 anchors" in finding.text and "200 of 1,000" in finding.text for finding in report.findings)
    assert report.leakage == []
    assert any(note.startswith("checked: given as truth") for note in report.notes)
    leaks = foils.audit(data, file).report.leakage
    assert [leak.positives_of_same_anchor for leak in leaks] == [1]


def test_a_split_that_the_truth_does_not_hold_is_still_looked_at(file, tmp_path):
    rows = [*ROWS, ("rain", "ice"), ("rain", "sand")]
    splits = ["train"] * 4 + ["checked", "test"]
    data = foils.Collection.from_pairs(pairs(tmp_path / "all.csv", rows, splits))
    truth = foils.Collection.from_pairs(pairs(tmp_path / "some.csv", [("rain", "ice")]))
    assert [leak.split for leak in foils.audit(data, file, truth=truth).report.leakage] == ["test"]


def test_a_truth_with_more_than_the_data_leaves_every_split_in(file, tmp_path):
    data = foils.Collection.from_pairs(pairs(tmp_path / "all.csv", [*ROWS, ("rain", "ice")], ["train"] * 4 + ["test"]))
    full = pairs(tmp_path / "full.csv", [*ROWS, ("rain", "ice"), ("rain", "sand"), ("hot tea", "ice")])
    report = foils.audit(data, file, truth=full).report
    assert [leak.positives_of_same_anchor for leak in report.leakage] == [1]
    assert report.hidden.hits == 3
