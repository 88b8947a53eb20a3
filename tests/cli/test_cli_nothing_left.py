"""Results without any negative, and rates that no candidate can keep: what is said, before and after, and what not."""

import re

import pytest

import foils
from foils.calibrating import read_calibration
from foils.mining import Mined


def plainly(said):
    return " ".join(said.err.split())


@pytest.fixture
def labels(label_every):
    """Label each third candidate a positive, whatever it scores: a level curve."""
    return label_every(lambda place: "negative" if place % 3 else "positive")


@pytest.fixture
def level(run, labels, out, tmp_path):
    path = tmp_path / "calibration.json"
    said = run("calibrate", out, "--labels", labels, "--out", path)
    assert said.code == 0, said.err
    return path, said


def asked(rate):
    return f"rules=[{{max_false_negative_rate: {{rate: {rate}}}}}]"


def test_calibrate_proposes_a_rate_that_can_be_kept(run, level, out, tmp_path):
    path, said = level
    lowest = float(re.search(r"lowest p_positive of the candidates: (\S+)", said.out)[1])
    assert lowest > 0.2
    assert "no candidate has a p_positive of 0.05 or less" in plainly(said)
    rate = re.search(r"\{rate: (\S+)\}\}\]' --out OUT", plainly(said))[1]
    assert lowest <= float(rate) <= lowest + 0.015
    kept = run("rethreshold", out, "--calibration", path, "--set", asked(rate), "--out", tmp_path / "kept")
    assert kept.code == 0
    assert Mined.open(tmp_path / "kept").stats["negatives"] > 0
    assert "the lowest p_positive that isotonic says" not in kept.out
    assert "next: foils audit" in kept.err


def test_a_rate_below_the_curve_is_said_and_deeper_search_is_not_advised(run, level, out, tmp_path):
    said = run("rethreshold", out, "--calibration", level[0], "--set", asked(0.05), "--out", tmp_path / "none")
    assert said.code == 0  # as docs/how-to/long-runs.md says
    assert said.out.startswith("1 negatives for 6 anchors")  # that of the judgements
    told = (
        r"warning: the lowest p_positive that isotonic says is 0\.\d+, above the rate 0\.05 .*ask for at least 0\.\d+"
    )
    assert re.search(told, said.out)
    assert "--method platt, or label lower ranks" in said.out
    assert "mend the rate first" in said.err
    assert "next:" not in said.err
    assert "deeper search" not in said.out
    assert "searched deeper" not in said.err


def test_mining_says_so_before_it_begins(run, data, level, tmp_path):
    options = ["--recipe", "naive-top-k", "--negatives", 4, *data.vectors, "--calibration", level[0]]
    said = run("mine", data.path, *options, "--set", asked(0.05), "--out", tmp_path / "none")
    assert said.code == 0
    told = said.err.index("warning: the lowest p_positive that isotonic says")
    assert told < said.err.index("mining: ")
    assert "next:" not in said.err
    planned = run("plan", data.path, *options, "--set", asked(0.05))
    assert "the lowest p_positive that isotonic says" in planned.out


def test_from_python_it_is_logged_before_and_stands_in_the_summary(data, level, caplog):
    collection, settings = foils.Collection.from_beir(data.path), [read_calibration(level[0]).setting(), asked(0.05)]
    vectors = {"query_vectors": data.queries, "item_vectors": data.corpus}
    mined = foils.mine(collection, "naive-top-k", negatives=4, settings=settings, cache=False, **vectors)
    assert caplog.records[0].getMessage().startswith("the lowest p_positive that isotonic says is 0.")
    assert "warning: the lowest p_positive that isotonic says is 0." in mined.summary()


def test_of_a_logistic_curve_the_candidates_say_it(run, labels, out, tmp_path):
    path = tmp_path / "platt.json"
    assert run("calibrate", out, "--labels", labels, "--method", "platt", "--out", path).code == 0
    said = run("rethreshold", out, "--calibration", path, "--set", asked(0.05), "--out", tmp_path / "none")
    assert "the lowest p_positive of these candidates is 0." in plainly(said)
    assert "or search deeper" in plainly(said)


def test_scores_below_all_labels_are_remarked_on_by_what_uses_the_curve(run, data, labels, out, tmp_path):
    lines = labels.read_text(encoding="utf-8").splitlines()
    top = tmp_path / "top.csv"
    top.write_text("\n".join([lines[0], *(one for number, one in enumerate(lines[1:]) if number % 25 < 8)]) + "\n")
    path, shallow = tmp_path / "top.json", tmp_path / "shallow"
    mining = ["mine", data.path, "--recipe", "naive-top-k", "--negatives", 4, *data.vectors, "--set"]
    assert run(*mining, "source.dense.k=8", "--out", shallow).code == 0
    fitted = run("calibrate", shallow, "--labels", top, "--out", path)
    assert "score lower by dense than any labelled pair" not in fitted.out + fitted.err
    deep = run(*mining, "source.dense.k=25", "--calibration", path, "--out", tmp_path / "deep")
    assert re.search(r"\d\d% of the candidates score lower by dense than any labelled pair", plainly(deep))
    again = run("rethreshold", out, "--calibration", path, "--out", tmp_path / "again")
    assert "score lower by dense than any labelled pair" in plainly(again)


def test_what_a_fresh_run_would_search_deeper_is_a_whole_command(run, mine, out, tmp_path):
    assert mine("naive-top-k", "--set", "source.dense.k=6", "--set", "source.dense.max_depth=20").code == 0
    rules = "rules=[{relative_margin: {margin: 0.6}}]"
    said = run("rethreshold", out, "--set", rules, "--out", tmp_path / "b")
    assert "mine again with these settings (foils mine), or deepen() the opened result in Python" in said.out
    assert (
        f"foils mine DATA --recipe naive-top-k --negatives 4 --split train --seed 0 --set '{rules}' --out OUT "
        f"(and what else {out} was mined with" in plainly(said)
    )


def test_an_empty_result_is_refused_at_once_in_training(run, data, mine, out, tmp_path, recwarn):
    (tmp_path / "none.yaml").write_text(
        "source: {dense: {k: 10}}\nrules: [{max_score: {threshold: -9.0}}]\nsampler: {top_k: {}}\n"
        "p_positive: {platt: {column: dense, slope: 4.0, intercept: -1.0}}\n"
    )
    said = mine(tmp_path / "none.yaml")
    assert "nothing can be trained or audited" in said.err
    assert "next:" not in said.err
    for weights in ([], ["--weights", "soft"]):
        options = ["--kind", "static", "--mined", out, *weights]
        said = run("train", data.path, *options, "--out", tmp_path / "model")
        assert f"{out} holds no negatives at all" in said.error
        assert "nan" not in said.err
    assert not recwarn.list


def test_without_any_positive_it_says_what_to_label(run, labels, out, tmp_path):
    labels.write_text(labels.read_text().replace("positive", "negative"))
    error = run("calibrate", out, "--labels", labels, "--out", tmp_path / "no.json").error
    assert re.search(r"none of \d+ is positive, so how many more cannot be told; label a result with harder", error)
    gone = run("rethreshold", out, "--calibration", tmp_path / "nope.json", "--out", tmp_path / "b").error
    assert "nope.json: there is no such file; give the one that foils calibrate --out named" in gone
    bad = tmp_path / "bad.csv"
    bad.write_text("anchor,item_id,label\n")
    error = " ".join(run("review", out, "--import", bad).error.split())
    assert "there is no column 'anchor_id'; add a header line, or rename the column that holds it" in error


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["mine", "x", "--recipe", "y", "--out", "z"],
            "--negatives is missing: Negatives per query; as in --negatives",
        ),
        (["mine", "x", "--recipe"], "--recipe has no value: Name of a recipe"),
        (["train", "x", "--out", "m"], "--kind is missing: "),
        (["mine"], "DATA is missing: BEIR folder"),
    ],
)
def test_what_is_missing_is_named_with_an_example(run, words, expected):
    assert expected in " ".join(run(*words).error.split())
