"""DATA by other means: columns that are called otherwise, ratings, TREC folders, names; and splits that it lacks."""

from __future__ import annotations

import json
import shlex
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

PAIRS = "query,passage\nhow do plants eat,they make sugar\nwhat is light,a wave\nwho was first,nobody knows\n"
RATINGS = "user,item,stars\nu1,i1,5\nu1,i2,1\nu2,i1,4\nu2,i3,2\n"
MINE = ("--recipe", "uniform", "--negatives", 1)


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs of mine.csv"
    path.write_text(PAIRS)
    return path


@pytest.fixture
def ratings(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text(RATINGS)
    return path


NAMED = ("--anchor", "query", "--positive", "passage")


def test_every_command_takes_the_columns_of_a_table_of_pairs(run, pairs, tmp_path):
    out, model = tmp_path / "out", tmp_path / "model"
    planned = run("plan", pairs, *NAMED, *MINE, "--json")
    assert planned.code == 0, planned.err
    mined = run("mine", pairs, *NAMED, *MINE, "--out", out)
    assert mined.code == 0, mined.err
    next_words = shlex.split(mined.err.splitlines()[-1].removeprefix("next: foils "))
    assert next_words[:6] == ["train", str(pairs), *NAMED]
    trained = run(*next_words[:-1], model, "--dim", 8)
    assert trained.code == 0, trained.err
    measured = run(*shlex.split(trained.err.splitlines()[-1].removeprefix("next: foils ")), "--split", "train")
    assert measured.code == 0, measured.err
    audited = run("audit", out, "--data", pairs, *NAMED, "--out", tmp_path / "audit")
    assert audited.code == 0, audited.err
    written = run("export", out, "--data", pairs, *NAMED, "--format", "triplet", "--out", tmp_path / "rows.jsonl")
    assert written.code == 0, written.err
    assert "they make sugar" in (tmp_path / "rows.jsonl").read_text()
    advised = run("advise", pairs, *NAMED)
    assert "anchors" in advised.error  # read, and too few


def test_a_folder_of_pairs_takes_them_too(run, pairs, tmp_path, out):
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(pairs, folder / "pairs.csv")
    (folder / "corpus.csv").write_text("text\na further one\n")
    said = run("mine", folder, *NAMED, *MINE, "--out", out)
    assert "3 queries, 4 items" in said.err, said


def test_a_misspelt_column_is_named_with_those_that_are_there(run, pairs, out):
    said = run("mine", pairs, "--anchor", "qury", "--positive", "passage", *MINE, "--out", out)
    assert "no column 'qury'" in said.error
    assert "did you mean 'query'" in said.error


def test_the_message_about_unknown_columns_names_the_options(run, pairs, out):
    assert "--anchor COLUMN --positive COLUMN" in run("mine", pairs, *MINE, "--out", out).error


def test_ratings_count_from_a_value_on(run, ratings, out):
    said = run("mine", ratings, "--min-value", 4, "--value", "stars", *MINE, "--out", out, "--json")
    assert said.json()["stats"]["anchors"] == 2
    assert said.json()["stats"]["units"] == 2
    assert said.json()["identity"]["inputs"]["collection"] != _digest(run, ratings, out)


def _digest(run, ratings, out):
    said = run("mine", ratings, *MINE, "--out", out.with_name("all"), "--json").json()
    return said["identity"]["inputs"]["collection"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--value", "stars"), "give --min-value too"),
        (("--min-value", 9, "--value", "stars"), "no value reaches min_value=9"),
        (("--min-value", 4, "--anchor", "usr", "--value", "stars"), "name another by user= (--anchor COLUMN"),
        (("--min-value", 4), "name another by value= (--value COLUMN)"),
    ],
)
def test_ratings_that_make_no_sense(run, ratings, out, options, message):
    assert message in run("mine", ratings, *options, *MINE, "--out", out).error


def test_a_least_value_is_for_interactions(run, data, out):
    assert "--min-value is for interactions" in run("mine", data.path, "--min-value", 1, *MINE, "--out", out).error
    said = run("mine", data.path, *NAMED, *MINE, "--out", out)
    assert "no table of pairs" in said.error
    assert "give the table itself" in said.error


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.json", "[]", "write one JSON object per line"),
        ("sheet.xlsx", "PK", "save it as .csv"),
        ("notes.txt", "hello", "give a folder, a .zip, or a table"),
        ("blank.csv", ",,\n1,a,b\n", "write a name over each"),
    ],
)
def test_files_of_other_kinds_are_told_what_to_become(run, tmp_path, out, name, content, message):
    (tmp_path / name).write_text(content)
    assert message in run("mine", tmp_path / name, *MINE, "--out", out).error


def test_a_data_set_by_its_name(run, data, out, monkeypatch):
    monkeypatch.setenv("FOILS_DATA", str(data.path.parent))
    said = run("mine", data.path.name, *MINE, "--out", out)
    assert said.code == 0, said.err
    assert f"there is no folder or file {data.path.name} here" in said.err


def test_what_lies_here_goes_before_a_name(run, data, out, monkeypatch, tmp_path):
    monkeypatch.setenv("FOILS_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(data.path.parent)
    said = run("mine", data.path.name, *MINE, "--out", out)
    assert said.code == 0, said.err
    assert "there is no folder" not in said.err


@pytest.fixture
def trec(tmp_path):
    folder = tmp_path / "trec"
    folder.mkdir()
    (folder / "queries.tsv").write_text("q1\tblue cats\nq2\tred dogs\n")
    (folder / "collection.tsv").write_text("d1\ta blue cat\nd2\ta red dog\nd3\ta tree\n")
    (folder / "qrels.train.txt").write_text("q1 0 d1 1\n")
    (folder / "qrels.test.txt").write_text("q2 0 d2 1\n")
    return folder


def test_a_trec_folder(run, trec, out):
    said = run("mine", trec, *MINE, "--out", out)
    assert said.code == 0, said.err
    assert "2 queries, 3 items; splits: train, test" in said.err


def test_a_split_that_is_not_there_names_the_option_and_those_that_are(run, data, out):
    (data.path / "qrels" / "train.tsv").rename(data.path / "qrels" / "validation.tsv")
    for command in (("mine", *MINE), ("train", "--kind", "static")):
        error = run(command[0], data.path, *command[1:], "--out", out).error
        assert "no split 'train'; choose another --split" in error
        assert "validation, test" in error or "test, validation" in error
    assert "did you mean 'validation'" in run("mine", data.path, *MINE, "--split", "dev", "--out", out).error


def test_mining_and_training_on_what_is_evaluated_warn(run, data, out, tmp_path):
    mined = run("mine", data.path, *MINE, "--split", "test", "--out", out)
    assert mined.code == 0
    assert "warning: --split test: these negatives come from the split that models are evaluated on" in mined.err
    trained = run("train", data.path, "--kind", "static", "--dim", 8, "--split", "test", "--out", tmp_path / "m")
    assert trained.code == 0
    assert "warning: --split test" in trained.err
    assert "warning" not in run("mine", data.path, *MINE, "--out", tmp_path / "fine").err


def test_a_static_model_is_no_reranker(run, data, tmp_path):
    model = tmp_path / "m"
    assert run("train", data.path, "--kind", "static", "--dim", 8, "--out", model).code == 0
    error = run("eval", data.path, "--model", model, "--rerank", model).error
    assert "is a static encoder" in error
    assert "foils train --kind reranker" in error


def test_constraints_in_a_recipe_are_told_where_they_belong(run, data, out, tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("source: {uniform: {}}\nsampler: {uniform: {}}\nconstraints: [{same: lang}]\n")
    error = run("mine", data.path, "--recipe", recipe, "--negatives", 1, "--out", out).error
    assert "--same FIELD" in error
    assert json.dumps("scorers") not in error


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_ratings_that_are_not_looked_at_are_mentioned(run, tmp_path, out, suffix):
    rows = [{"user": "u1", "item": "i1", "Rating": 5}, {"user": "u2", "item": "i2", "Rating": 1}]
    path = tmp_path / f"rated.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == "jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        comma = "," if suffix == "csv" else "\t"
        path.write_text("".join(f"{comma.join(map(str, row))}\n" for row in (rows[0], *(r.values() for r in rows))))
    note = "the column 'Rating' is not used: every row counts as liked; give --value Rating --min-value N"
    assert note in run("mine", path, *MINE, "--out", out).err
    said = run("mine", path, "--value", "Rating", "--min-value", 4, *MINE, "--out", tmp_path / "some").err
    assert "is not used" not in said


def test_no_other_column_is_mentioned(run, tmp_path, out):
    path = tmp_path / "words.csv"
    path.write_text("user,item,score,year\nu1,i1,good,1999\nu2,i2,bad,2001\n")
    assert "is not used" not in run("mine", path, *MINE, "--out", out).err


def test_users_and_items_that_are_called_otherwise(run, tmp_path, out):
    path = tmp_path / "shop.csv"
    path.write_text("customer,sku,stars\nc1,s1,5\nc1,s2,1\nc2,s1,4\nc2,s3,2\n")
    named = ("--anchor", "customer", "--positive", "sku")
    said = run("mine", path, *named, "--value", "stars", "--min-value", 4, *MINE, "--out", out, "--json")
    assert said.code == 0, said.err
    assert said.json()["stats"]["anchors"] == 2
    asis = run("mine", path, *named, *MINE, "--out", tmp_path / "texts")
    assert "the column 'stars' is not used" in asis.err


def test_help_and_messages_say_which_row_is_whose(run, pairs, tmp_path, out):
    for command in ("mine", "eval", "train"):
        said = " ".join(run(command, "--help").out.split())
        assert "data.anchors.texts[i]" in said
        assert "foils.Collection.from_path(DATA)" in said
