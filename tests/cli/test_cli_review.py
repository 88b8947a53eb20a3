"""``foils review``: what it does without a page, and what it refuses."""

import json
import sys

import pytest
from label_world import record_all

from foils.labelling import LabelStore, stored_or_drawn
from foils.labelling.events import BY_WORD, Event
from foils.mining.stored import Result
from foils.reviewing.server import listening


@pytest.fixture
def mined(mine, out):
    assert mine().code == 0
    return out


@pytest.fixture
def served(monkeypatch):
    """What would be served, instead of a server that runs until Ctrl-C."""
    seen = []

    def serve(review, opened, ready):
        ready(f"http://127.0.0.1:{opened.getsockname()[1]}/?token=t")
        seen.append(review)
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["foils.cli.review"], "serve", serve)
    monkeypatch.setattr("webbrowser.open", lambda address: seen.append(address))
    return seen


def label(out, words):
    drawn, _ = stored_or_drawn(Result(out))
    events = [
        Event(f"t{n}", *pair, BY_WORD[word]) for n, (pair, word) in enumerate(zip(drawn.pairs, words, strict=False))
    ]
    record_all(LabelStore.of(out), events)
    return drawn


def test_serving(run, data, mined, served):
    said = run("review", mined, "--data", data.path, "--labels", 10, "--seed", 2)
    assert said.code == 0
    assert said.out == f"label at: {served[0]}\n"
    assert "10 of 19 negatives drawn to be labelled, guided by dense" in said.err
    assert "0 of 10 are labelled; the same command goes on" in said.err
    assert (len(served[1].drawn), served[1].drawn.facts.seed) == (10, 2)
    again = run("review", mined, "--data", data.path, "--no-browser")
    assert again.code == 0
    assert "drawn" not in again.err
    assert len(served) == 3
    assert served[2].drawn.pairs == served[1].drawn.pairs


def test_status(run, mined):
    label(mined, ["positive", "negative", "unsure"])
    said = run("review", mined, "--status")
    assert said.code == 0
    assert said.out.splitlines() == [
        "3 of 19 labelled: 1 positive, 1 negative, 1 unsure, 0 skipped",
        "next look: at 19 labels, 16 more; estimates are shown at looks only",
    ]
    assert run("review", mined, "--status", "--json").json()["labels"] == 3


def test_json_names_what_holds_for_a_fixed_number_only(run, mined):
    label(mined, ["positive", "negative", "unsure"])
    between = run("review", mined, "--status", "--json").json()
    assert between["look"] is None
    assert not {"rate", "bands", "sources"} & between.keys()
    assert between["fixed"].keys() == {"rate", "bands", "sources"}
    assert between["fixed"]["rate"]["labels"] == 3


def test_json_at_a_look(run, mined):
    label(mined, ["positive", *["negative"] * 18])
    look = run("review", mined, "--status", "--json").json()["look"]
    assert (look["labels"], look["rate"]["positives"]) == (19, 1)


def test_status_at_a_look(run, mined):
    label(mined, ["positive", *["negative"] * 18])
    said = run("review", mined, "--status")
    assert "after 19 labels: Of the 19 negatives in this result, 5.3 % [5.3, 5.3] are really positives." in said.out


def test_export_and_import(run, mined, tmp_path):
    label(mined, ["positive", "negative"])
    path = tmp_path / "labels.jsonl"
    assert run("review", mined, "--export", path).out == f"labels written to {path}: 2\n"
    assert [json.loads(line)["label"] for line in path.read_text().splitlines()] == ["positive", "negative"]
    assert "labels.sqlite: 0; there already: 2" in run("review", mined, "--import", path).out
    with path.open("a") as file:
        file.write('{"anchor_id": "q0", "item_id": "nowhere", "label": "unsure"}\n')
    said = run("review", mined, "--import", path)
    assert "labels.sqlite: 1; there already: 2" in said.out
    assert "of pairs that are no negatives of this result: 1" in said.err
    assert "next:" not in said.err


def test_an_export_replaces_nothing_unasked(run, mined, tmp_path):
    label(mined, ["positive", "negative"])
    path = tmp_path / "labels.csv"
    path.write_text("mine")
    said = run("review", mined, "--export", path)
    assert said.code == 2
    assert f"{path} is there already; choose another --export, or give --overwrite to replace it" in said.err
    assert path.read_text() == "mine"
    assert run("review", mined, "--export", path, "--overwrite").code == 0
    assert path.read_text() != "mine"


def test_a_file_without_labels_is_not_imported(run, mined, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("anchor_id,item_id,label\n")
    said = run("review", mined, "--import", path)
    assert said.code == 2
    assert f"{path}: holds no label, so there is nothing to import" in said.err
    assert not LabelStore.of(mined).exists


def test_labels_without_a_design(run, mined, tmp_path):
    label(mined, ["positive", "negative"])
    path = tmp_path / "labels.csv"
    run("review", mined, "--export", path)
    LabelStore.of(mined).path.unlink()
    assert "draws the pairs for a rate" in run("review", mined, "--import", path).err
    said = run("review", mined, "--status")
    assert said.code == 2
    assert "the 2 labels there belong to no design" in said.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --data, as in foils mine"),
        (["--status"], "nothing is labelled there; begin with: foils review"),
        (["--export", "x.csv"], "nothing is labelled there yet"),
        (["--export", "x.csv", "--status"], "--export and --status are given; one of them is done at a time"),
        (["--json"], "--json is given without --status"),
        (["--overwrite"], "--overwrite is given without --export"),
        (["--import", "qrels.tsv"], "with the columns anchor_id, item_id and label. Qrels are no labels"),
        (["--import", "gone.csv"], "there is no such file"),
        (["--labels", "0"], "Must be >= 1"),
        (["--labels", "2.5"], "expected a whole number"),
        (["--port", "70000"], "Must be <= 65535"),
        (["--data", "{data}", "--scorer", "bm25"], "no scores 'bm25'"),
    ],
)
def test_what_is_refused(run, data, mined, served, options, message):
    said = run("review", mined, *(option.format(data=data.path) for option in options))
    assert message in said.error.replace("\n", " ")
    assert served == []


def test_what_the_design_forbids_is_refused_before_data_are_asked_for(run, mined, served):
    drawn, _ = stored_or_drawn(Result(mined), n=10)
    record_all(LabelStore.of(mined), [Event("t", *drawn.pairs[0], BY_WORD["negative"])])
    said = run("review", mined, "--labels", 19)
    assert said.code == 2
    assert "was drawn with 10 and cannot grow" in said.error
    assert "was drawn with 0, and labels belong to it" in run("review", mined, "--seed", 5).error
    assert served == []


def test_a_port_that_cannot_be_had_leaves_no_design_behind(run, data, mined, served):
    with listening(0) as opened:
        said = run("review", mined, "--data", data.path, "--labels", 10, "--port", opened.getsockname()[1])
    assert "choose another, or 0" in said.error.replace("\n", " ")
    assert not LabelStore.of(mined).exists
    assert served == []


def test_what_is_no_result(run, data, tmp_path, served):
    for folder in (tmp_path / "nothing", data.path):
        assert "is not a result of foils mine" in run("review", folder, "--data", data.path).error


def test_other_data(run, data, mined, served):
    lines = data.lines("corpus.jsonl")
    data.write("corpus.jsonl", [lines[0].replace('"text": "', '"text": "other '), *lines[1:]])
    assert "was mined from other data" in run("review", mined, "--data", data.path).error


def test_a_result_that_changed(run, data, mined, mine, served):
    label(mined, ["positive"])
    assert mine("naive-top-k", "--fresh").code == 0
    said = run("review", mined, "--data", data.path)
    assert "the negatives have changed since the labels' design was drawn" in said.error.replace("\n", " ")
    assert run("review", mined, "--export", mined.parent / "labels.csv").code == 0


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "jinja2"])
def test_without_the_extra(run, mined, data, monkeypatch, package, served):
    monkeypatch.setattr("foils._extras.missing", lambda packages: [one for one in packages if one == package])
    said = run("review", mined, "--data", data.path)
    assert f"{package} is not installed; install it with: pip install 'foils[review]'" in said.error
