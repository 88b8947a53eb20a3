"""``foils train --weights``: mined negatives that count in part."""

import json

import pytest

RECIPE = """
source: {dense: {k: 10}}
sampler: {top_k: {}}
p_positive: {platt: {column: dense, slope: 4.0, intercept: -1.0}}
"""


@pytest.fixture
def mined(run, data, tmp_path):
    (tmp_path / "calibrated.yaml").write_text(RECIPE, encoding="utf-8")
    folder = tmp_path / "mined"
    recipe = tmp_path / "calibrated.yaml"
    assert run("mine", data.path, "--recipe", recipe, *data.vectors, "--negatives", 4, "--out", folder).code == 0
    return folder


@pytest.fixture
def plain(run, data, tmp_path):
    folder = tmp_path / "plain"
    assert run("mine", data.path, "--recipe", "naive-top-k", *data.vectors, "--negatives", 4, "--out", folder).code == 0
    return folder


@pytest.fixture
def train(run, data, out):
    def run_train(*options, kind="static", model=out):
        extra = ("--dim", 16) if kind == "static" else (*data.vectors, "--patience", 0, "--epochs", 2)
        return run("train", data.path, "--kind", kind, *extra, "--out", model, *options)

    return run_train


@pytest.mark.parametrize("kind", ["static", "adapter"])
def test_weights_make_another_model_and_are_named(train, mined, tmp_path, kind):
    def model(name, *options):
        return train("--mined", mined, *options, "--json", kind=kind, model=tmp_path / name).json()

    none, soft = model("none"), model("soft", "--weights", "soft")
    some = model("some", "--weights", "noise_transition", "--label-miss-rate", 0.2)
    assert none["weights"] is None
    assert soft["weights"] == {"soft": {}}
    assert some["weights"] == {"noise_transition": {"label_miss_rate": 0.2}}
    assert len({found["digest"] for found in (none, soft, some)}) == 3


def test_a_person_is_told(train, mined):
    said = train("--mined", mined, "--weights", "soft")
    assert "mined and in-batch negatives, weighed by soft" in said.out
    assert "weights soft: a mined negative counts 0." in said.err
    assert "; as some count more than others, they tell as much as " in said.err
    assert "% of them would with equal weights" in said.err
    assert "next to nothing" not in said.err


def test_equal_weights_are_not_compared_with_equal_weights(run, data, train, tmp_path):
    (tmp_path / "even.yaml").write_text(RECIPE.replace("-1.0", "-30.0"), encoding="utf-8")
    folder = tmp_path / "even"
    recipe = tmp_path / "even.yaml"
    assert run("mine", data.path, "--recipe", recipe, *data.vectors, "--negatives", 4, "--out", folder).code == 0
    said = train("--mined", folder, "--weights", "soft").err
    assert "weights soft: a mined negative counts 1.00 on average\n" in said
    assert "equal weights" not in said


def test_a_person_is_warned_where_hardly_anything_is_left(run, data, train, tmp_path):
    (tmp_path / "sure.yaml").write_text(RECIPE.replace("-1.0", "9.0"), encoding="utf-8")
    folder = tmp_path / "sure"
    recipe = tmp_path / "sure.yaml"
    assert run("mine", data.path, "--recipe", recipe, *data.vectors, "--negatives", 4, "--out", folder).code == 0
    assert "next to nothing: training is nearly in-batch only" in train("--mined", folder, "--weights", "soft").err


def test_what_is_not_calibrated_is_refused(train, plain, out):
    assert "weights soft need p_positive" in train("--mined", plain, "--weights", "soft").error
    assert "weights cet need two scores" in train("--mined", plain, "--weights", "cet").error
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--weights", "soft"), "--weights soft needs --mined"),
        (("--label-miss-rate", 0.3), "--label-miss-rate is of --weights noise_transition and cet"),
        (("--mined", "x", "--weights", "soft", "--label-miss-rate", 0.3), "not of soft; leave it out"),
        (("--mined", "x", "--weights", "noise_transition", "--label-miss-rate", 3), "expected a share from 0 to 1"),
        (("--mined", "x", "--weights", "cet", "--label-miss-rate", 1.0), "below 1 for cet"),
    ],
)
def test_what_does_not_fit_is_refused(train, options, message):
    assert message in train(*options).error


def test_a_whole_model_knows_no_weights(run, data, out, mined):
    said = run("train", data.path, "--kind", "full", "--mined", mined, "--weights", "soft", "--out", out)
    assert "--weights is for --kind static and adapter, not for full" in said.error


def test_the_audit_says_where_the_gradient_falls(run, data, mined, tmp_path):
    said = run("audit", mined, "--data", data.path, "--out", tmp_path / "audit")
    assert "negative gradient on positives by p_positive" in said.out
    found = json.loads((tmp_path / "audit" / "report.json").read_text(encoding="utf-8"))["gradients"]
    assert [one["evidence"] for one in found] == ["p_positive"]
