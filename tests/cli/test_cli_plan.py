"""``foils plan``: the options of ``foils mine``, and nothing that is written."""

import pytest


@pytest.fixture(autouse=True)
def short_probes(monkeypatch):
    for module in ("probe", "encode"):
        monkeypatch.setattr(f"foils.planning.{module}.PROBE_SECONDS", 0.01)


def plan(run, data, *options, recipe="nv-retriever"):
    return run("plan", data.path, "--recipe", recipe, "--negatives", 4, *options)


def test_the_plan_is_a_table_a_person_understands(run, data, out):
    said = plan(run, data, *data.vectors, "--out", out)
    assert said.code == 0
    first, *lines = said.out.splitlines()
    assert first.startswith("about ")
    assert " of memory, and at most " in first
    assert [line.split("  ")[1] for line in lines if line.startswith("  ")][:3] == [
        "reading the data", "checking and hashing", "opening sources and indexes",
    ]  # fmt: skip
    assert "free where" in said.err
    assert not out.exists()


def test_json_gives_every_amount(run, data):
    found = plan(run, data, *data.vectors, "--json").json()
    assert found["units"] == 6
    assert found["stages"][0]["name"] == "reading the data"
    assert found["seconds"] == pytest.approx(sum(stage["seconds"] for stage in found["stages"]))
    assert set(found["tables"]) == {"negatives.parquet", "candidates.parquet", "items.parquet"}


def test_a_model_is_sampled_and_the_cache_counted(run, data, tmp_path):
    model = tmp_path / "static"
    assert run("train", data.path, "--kind", "static", "--out", model).code == 0
    cache = "--cache", tmp_path / "kept"
    cold = plan(run, data, "--model", model, *cache, "--json").json()
    assert [one["missing"] for one in cold["encodings"]] == [12, 30]
    out = tmp_path / "out"
    run("mine", data.path, "--recipe", "nv-retriever", "--negatives", 4, "--model", model, "--out", out, *cache)
    warm = plan(run, data, "--model", model, *cache, "--json").json()
    assert [one["missing"] for one in warm["encodings"]] == [0, 0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["compares vectors; give --model"]),
        (["--memory", "17MB", "--set", "source.dense.max_depth=100000"], ["17MB is too small", "--memory 172MB"]),
        (["--negatives", "0"], ["--negatives", ">= 1"]),
        (["--split", "dev"], ["dev"]),
    ],
)
def test_what_cannot_be_is_refused(run, data, options, expected):
    vectors = data.vectors if options else ()
    if "--negatives" in options:
        error = run("plan", data.path, "--recipe", "nv-retriever", *vectors, *options).error
    else:
        error = plan(run, data, *vectors, *options).error
    assert [part for part in expected if part not in error] == []
