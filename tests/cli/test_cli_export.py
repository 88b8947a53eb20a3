"""``foils export``: rows for trainers, and a card, from a result folder."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def result(data, run, tmp_path):
    out = tmp_path / "run"
    said = run("mine", data.path, "--recipe", "naive-top-k", "--negatives", 2, "--out", out, *data.vectors)
    assert said.code == 0, said.err
    return out


def test_triplets_of_texts(result, data, run, tmp_path):
    out = tmp_path / "new" / "rows.jsonl"
    said = run("export", result, "--data", data.path, "--format", "triplet", "--out", out)
    assert said.code == 0, said.err
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert said.out == f"{len(rows)} rows written to {out}\n"
    queries = {json.loads(line)["text"] for line in data.lines("queries.jsonl")}
    assert len(rows) == 14  # six queries with seven positives, two negatives each
    assert {row["anchor"] for row in rows} <= queries


def test_ids_need_no_data_and_scores_and_a_card_lie_beside(result, run, tmp_path):
    out = tmp_path / "new" / "rows.parquet"
    said = run("export", result, "--format", "labeled-list", "--columns", "id", "--scores", "sampler", "--out", out,
               "--card", "cc-by-4.0", "--json")  # fmt: skip
    told = said.json()
    assert told["rows"] == 7
    assert told["written"] == [str(out), str(out.parent / "README.md")]
    assert "cc-by-4.0" in (out.parent / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "triplet"), "give --data, or --columns id"),
        (("--format", "tripplet", "--columns", "id"), "did you mean 'triplet'"),
        (("--format", "triplet", "--columns", "id", "--scores", "dens"), "did you mean 'dense'"),
        (("--format", "triplet", "--columns", "id", "--card", "?"), "no name of a licence"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(result, run, tmp_path, arguments, message):
    said = run("export", result, *arguments, "--out", tmp_path / "new" / "rows.jsonl")
    assert message in said.error
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_there_is_replaced_only_when_asked(result, run, tmp_path):
    out = tmp_path / "mine.csv"
    out.write_text("my own data")
    words = ("export", result, "--format", "triplet", "--columns", "id", "--out", out)
    assert "is there already" in run(*words).error
    assert out.read_text() == "my own data"
    assert run(*words, "--overwrite").code == 0
    assert out.read_text().startswith("anchor,positive,negative")


def test_another_suffix(result, run, tmp_path):
    said = run("export", result, "--format", "triplet", "--columns", "id", "--out", tmp_path / "rows.xlsx")
    assert "no known suffix" in said.error


def test_other_data_is_refused(result, data, run, tmp_path):
    data.change("corpus.jsonl", 0, text="changed")
    said = run("export", result, "--data", data.path, "--format", "triplet", "--out", tmp_path / "rows.jsonl")
    assert "mined from other data" in said.error


def test_lists_in_csv_are_refused_by_the_name_of_the_file(result, run, tmp_path):
    out = tmp_path / "rows.csv"
    error = run("export", result, "--format", "flagembedding", "--columns", "id", "--out", out).error
    assert error == f"{out}: CSV has no lists, which pos, neg would be; write .jsonl or .parquet"
    assert not out.exists()


def test_another_epoch_of_a_sampler_that_draws_nothing_warns(result, data, run, tmp_path):
    words = ("export", result, "--format", "triplet", "--columns", "id")
    first = run(*words, "--out", tmp_path / "0.jsonl")
    assert "warning" not in first.err
    third = run(*words, "--epoch", 3, "--out", tmp_path / "3.jsonl")
    assert third.code == 0
    assert "warning: --epoch 3: the sampler top_k draws nothing, so every epoch gives the same rows" in third.err
    assert (tmp_path / "0.jsonl").read_bytes() == (tmp_path / "3.jsonl").read_bytes()
    drawn = tmp_path / "drawn"
    assert run("mine", data.path, "--recipe", "uniform", "--negatives", 2, "--out", drawn).code == 0
    other = run("export", drawn, "--format", "triplet", "--columns", "id", "--epoch", 3, "--out", tmp_path / "u.jsonl")
    assert "warning" not in other.err


def test_a_card_of_an_earlier_export_is_not_left_beside_new_rows(result, run, tmp_path):
    out = tmp_path / "new" / "rows.jsonl"
    words = ("export", result, "--columns", "id", "--out", out)
    assert run(*words, "--format", "triplet", "--card", "cc-by-4.0").code == 0
    before = out.read_bytes()
    error = run(*words, "--format", "n-tuple", "--overwrite").error
    assert "README.md is the card of an earlier rows.jsonl" in error
    assert out.read_bytes() == before
    assert run(*words, "--format", "n-tuple", "--overwrite", "--card", "cc-by-4.0").code == 0
    assert "n-tuple" in (out.parent / "README.md").read_text(encoding="utf-8")
    beside = out.with_name("other.jsonl")
    assert run("export", result, "--columns", "id", "--format", "triplet", "--out", beside).code == 0
