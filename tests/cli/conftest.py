"""Fixtures of the command line's tests: a small data set, and a way to run commands in this process."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # cli_world.py
sys.path.insert(0, str(Path(__file__).parents[1] / "labelling"))  # label_world.py

from cli_world import Data, Run, Said

from foils.cli import main
from foils.mining import Mined


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch, tmp_path):
    """No waiting for the disk; nothing in the environment that colours or widens the output; an empty cache."""
    monkeypatch.setenv("FOILS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("foils._durable.sync", lambda path: None)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def data(tmp_path) -> Data:
    return Data.make(tmp_path / "data")


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def run(capsys) -> Run:
    def run_in_process(*arguments: object) -> Said:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Said(code, *capsys.readouterr())

    return run_in_process


@pytest.fixture
def mine(run, data, out) -> Run:
    """Run ``foils mine`` on the data into the folder, by its vectors."""

    def run_mine(recipe: str = "nv-retriever", *options: object, negatives: object = 4) -> Said:
        return run(
            "mine", data.path, "--recipe", recipe, "--negatives", negatives, "--out", out, *data.vectors, *options
        )

    return run_mine


@pytest.fixture
def label_every(mine, out, tmp_path):
    """Mine everything, and write a table that labels each candidate by its place."""

    def write(label_at):
        assert mine("naive-top-k", "--set", "source.dense.k=25").code == 0
        mined = Mined.open(out)
        ids, lines = mined.result.names.items.to_pylist(), ["anchor_id,item_id,label,note"]
        for row in mined.result.candidates(["unit_id", "items"]).to_pylist():
            lines += [f"{row['unit_id']},{ids[item]},{label_at(place)}," for place, item in enumerate(row["items"])]
        path = tmp_path / "labels.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write
