"""``foils demo``, with the demo itself replaced: what it passes on and what it shows."""

import sys

import pytest
from rich.text import Text

from foils.demo import DemoSettings
from foils.errors import FolderError, MissingExtraError


class Result:
    """Stands for a DemoResult."""

    def data(self):
        return {"report": "foils demo", "rows": [{"name": "uniform", "ndcg": 0.5}]}


@pytest.fixture
def asked(monkeypatch):
    """Replace the demo by one that notes what it was asked for."""
    calls = []

    def run_demo(out, *, settings, progress):
        calls.append((out, settings))
        progress("reading docstrings", 1, 2)
        progress("report", 2, 2)
        return Result()

    module = sys.modules["foils.cli.demo"]
    monkeypatch.setattr(module, "run_demo", run_demo)
    monkeypatch.setattr(module, "render", lambda result: Text("a :smile: [red] table"))
    return calls


def test_the_table_and_the_place_of_the_report(run, asked, out):
    said = run("demo", "--out", out, "--seeds", 2, "--anchors", 100)
    assert said.code == 0
    assert asked == [(out, DemoSettings(seeds=2, max_anchors=100))]
    assert said.out == f"a :smile: [red] table\n\nreport: {out / 'report.html'}\n"
    assert "1 of 2  reading docstrings" in said.err
    assert "2 of 2  report" in said.err
    assert "\x1b" not in said.out + said.err


def test_defaults(run, asked):
    assert run("demo").code == 0
    assert [(str(out), settings) for out, settings in asked] == [("demo-output", DemoSettings())]


def test_json(run, asked, out):
    assert run("demo", "--out", out, "--json").json() == Result().data()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--seeds", "0"], "seeds is 0"),
        (["--anchors", "-5"], "max_anchors is -5"),
        (["--seeds", "1.5"], "--seeds 1.5: expected a whole number"),
        (["stray"], "no place for 'stray'"),
    ],
)
def test_wrong_options(run, asked, options, expected):
    assert expected in run("demo", *options).error
    assert asked == []


@pytest.mark.parametrize(
    ("error", "code", "expected"),
    [
        (
            MissingExtraError("bm25s", "demo"),
            2,
            "error: bm25s is not installed; install it with: pip install 'foils[demo]'\n",
        ),
        (FolderError("out: report.html is there"), 2, "error: out: report.html is there\n"),
        (KeyboardInterrupt(), 130, "error: interrupted; no report was written\n"),
        (ZeroDivisionError(), 1, "error: this is a fault of foils; please report it"),
    ],
)
def test_what_goes_wrong(run, monkeypatch, error, code, expected):
    def run_demo(out, *, settings, progress):
        raise error

    monkeypatch.setattr(sys.modules["foils.cli.demo"], "run_demo", run_demo)
    said = run("demo")
    assert (said.code, said.out) == (code, "")
    assert expected in said.err


def test_without_its_extra(run, out, monkeypatch):
    monkeypatch.setattr("foils.demo.report.EXTRA", ("bm25s", "no_such_package"))
    assert "pip install 'foils[demo]'" in run("demo", "--out", out).error
    assert not out.exists()
