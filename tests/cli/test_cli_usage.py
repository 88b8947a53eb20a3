"""The command line as such: help, version, mistakes in the words of a command."""

import json

import pytest

import foils
from foils.cli import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_and_fits_80_columns(run, name):
    said = run(name, "--help")
    assert said.code == 0
    assert said.err == ""
    assert f"Usage: foils {name}" in said.out
    assert f"Examples:\n    foils {name}" in said.out
    assert max(len(line.rstrip()) for line in said.out.splitlines()) <= 80
    assert "\x1b" not in said.out


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands_in_the_order_of_use(run, words):
    said = run(*words)
    assert said.code == 0
    places = [said.out.index(f"│ {name} ") for name in ("demo", "mine", "train", "eval", "recipes")]
    assert places == sorted(places)


def test_version(run):
    said = run("--version")
    assert (said.code, said.out) == (0, f"{foils.__version__}\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["mien"], ['"mien"', 'Did you mean "mine"?', "see: foils --help"]),
        (["mine"], ["DATA", "see: foils mine --help"]),
        (["mine", "x", "--recipee", "uniform"], ["--recipe", "--recipee", "see: foils mine --help"]),
        (["eval", "x", "--model", "m", "--splitt", "dev"], ["--splitt", "--split", "see: foils eval --help"]),
        (["train", "x", "--out", "m"], ["--kind", "see: foils train --help"]),
        (["train", "x", "--out", "m", "--kind", "dynamic"], ["dynamic", "static"]),
        (["recipes", "a", "b"], ["no place for 'b'"]),
        (["--verison"], ["--verison", "see: foils --help"]),
    ],
)
def test_wrong_words_are_explained(run, words, expected):
    error = run(*words).error
    assert [part for part in expected if part not in error] == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--negatives", "0"], ["--negatives", '"0"', ">= 1"]),
        (["--negatives", "-1"], ["--negatives", '"-1"', ">= 1"]),
        (["--negatives", "1000001"], ["--negatives", "<= 1000000"]),
        (["--negatives", "9" * 5000], ["--negatives", "a whole number"]),
        (["--negatives", "abc"], ["--negatives abc", "a whole number"]),
        (["--negatives", "2.7"], ["--negatives 2.7", "a whole number"]),
        (["--negatives", ""], ["--negatives", "a whole number"]),
        (["--negatives", "4", "--negatives", "5"], ["--negatives", "multiple times"]),
        (["--negatives", "4", "5"], ["no place for '5'"]),
        (["--negatives", "4", "--seed", "-1"], ["--seed", ">= 0"]),
        (["--negatives", "4", "--seed", str(2**63)], ["--seed"]),
        (["--negatives", "4", "--threads", "0"], ["--threads", ">= 1"]),
        (["--negatives", "4", "--threads", "two"], ["--threads two", "a whole number"]),
        (["--negatives", "4", "--memory", "lots"], ["--memory lots", "2GB or 500MB"]),
        (["--negatives", "4", "--memory", "-2GB"], ["--memory"]),
        (["--negatives", "4", "--memory", "9" * 400], ["--memory", "2GB or 500MB"]),
        (["--negatives", "4", "--memory", "1KB"], ["1000 bytes", "at least 16MB"]),
    ],
)
def test_wrong_values_are_refused_before_anything_is_read(run, out, options, expected):
    error = run("mine", "there-is-no-data", "--recipe", "uniform", "--out", out, *options).error
    assert [part for part in expected if part not in error] == []
    assert not out.exists()


@pytest.mark.parametrize("size", ["2GB", "500MB", "1.5GiB", "17000000", "17 mb", "3g"])
def test_sizes_are_read(run, data, out, size):
    said = run("mine", data.path, "--recipe", "uniform", "--negatives", 2, "--out", out, "--memory", size)
    assert said.code == 0, said.err


def test_a_crash_of_ours_asks_for_a_report(run, monkeypatch):
    def broken() -> list[str]:
        raise RuntimeError("the \x1b[31mcause")

    monkeypatch.setattr("foils.recipes.names", broken)
    said = run("recipes")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("error: this is a fault of foils; please report it")
    assert "Traceback" in said.err
    assert r"RuntimeError: the \x1b[31mcause" in said.err


def test_recipes_are_listed(run):
    said = run("recipes")
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(foils.recipes.names())
    assert {line.split()[1] for line in lines} <= {"verified", "unmeasured"}


def test_recipes_are_listed_as_json(run):
    listed = run("recipes", "--json").json()
    assert [entry["name"] for entry in listed] == sorted(foils.recipes.names())
    assert all(entry["parts"]["source"] and entry["parts"]["sampler"] for entry in listed)


def test_a_recipe_is_shown_with_its_defaults(run):
    said = run("recipes", "perc_pos")
    assert said.code == 0
    assert said.out.startswith("nv-retriever: ")
    assert "paper: NV-Retriever" in said.out
    assert "(2024)" in said.out
    assert "relative_margin: {margin: 0.05, reference: min" in said.out
    assert run("recipes", "nv-retriever", "--json").json()["parts"]["source"]["dense"]["k"] == 100


def test_a_recipe_of_ones_own_is_shown_escaped(run, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text('summary: "bad \\e[31m text"\nsource: {uniform: {}}\nsampler: {top_k: {}}\n')
    said = run("recipes", path)
    assert said.code == 0
    assert r"bad \x1b[31m text" in said.out
    assert "\x1b" not in said.out
    assert json.loads(run("recipes", path, "--json").out)["summary"] == "bad \x1b[31m text"


def test_an_unknown_recipe_is_not_shown(run):
    assert "did you mean 'nv-retriever'?" in run("recipes", "nv-retriver").error
