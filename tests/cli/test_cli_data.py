"""What data the commands accept, and what they refuse before anything is written."""

import gzip
import shutil
import zipfile

import pytest
from cli_world import Data, contents

HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd|'/C calc'!A1",
    "\x1b[31mred\x1b[0m \x9b2J",
    "[bold]markup[/bold] :smile:",
    "日本語のテキスト",
    "e\u0301 \u202eright to left\u202c",
    "NUL \x00 and BEL \x07",
    "\u200b\ufeff zero width",
    "😀" * 100,
]


def commands(data, out, model):
    """Every command that reads data, with the folder that it would write."""
    return {
        "mine": ("mine", data.path, "--recipe", "uniform", "--negatives", 3, "--out", out),
        "train": ("train", data.path, "--kind", "static", "--dim", 8, "--out", out),
        "eval": ("eval", data.path, "--model", model),
    }


@pytest.fixture
def model(run, tmp_path):
    good = Data.make(tmp_path / "good" / "data")
    assert run("train", good.path, "--kind", "static", "--dim", 8, "--out", tmp_path / "model").code == 0
    return tmp_path / "model"


def all_commands_accept(run, data, out, model):
    for name, command in commands(data, out, model).items():
        said = run(*command)
        assert said.code == 0, (name, said.err)
        assert "\x1b" not in said.out + said.err
        if out.exists():
            shutil.rmtree(out)


def bom(data):
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/train.tsv"):
        path = data.path / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())


def crlf(data):
    for path in data.path.rglob("*.*"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")


def compressed(data):
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/train.tsv", "qrels/test.tsv"):
        data.compress(name)


def hostile_texts(data):
    for row, text in enumerate(HOSTILE):
        data.change("corpus.jsonl", row, text=text, title=text)
        data.change("queries.jsonl", row, text=f"{text} query")


def hostile_ids(data):
    names = [*HOSTILE, "", " ", "a/b", "\\", '"quoted"']
    for row, name in enumerate(names[:12]):
        data.change("corpus.jsonl", row, _id=name)
        data.change("queries.jsonl", row, _id=name)
    ids = [name for name in names[:12] if name.isprintable() and name.strip()]
    data.write_qrels("train", [(name, name, 1) for name in ids])
    data.write_qrels("test", [(name, name, 1) for name in ids])


def several_positives_and_grades(data):
    rows = [(f"q{i}", f"d{j}", (i + j) % 3) for i in range(8) for j in range(12)]
    data.write_qrels("train", rows)
    data.write_qrels("test", rows)


def all_items_but_positives_empty(data):
    for row in range(12, 30):
        data.change("corpus.jsonl", row, text="")


def no_positive_in_most_queries(data):
    data.write_qrels("train", [("q0", "d0", 1), ("q1", "d1", 0)])


@pytest.mark.parametrize(
    "change",
    [
        bom,
        crlf,
        compressed,
        hostile_texts,
        hostile_ids,
        several_positives_and_grades,
        all_items_but_positives_empty,
        no_positive_in_most_queries,
    ],
    ids=lambda change: change.__name__,
)
def test_data_that_is_accepted_by_all_commands(run, data, out, model, change):
    change(data)
    all_commands_accept(run, data, out, model)


@pytest.mark.parametrize("top", ["", "scifact/"])
def test_an_archive_is_accepted(run, data, out, model, tmp_path, top):
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents(data.path).items():
            archive.writestr(f"{top}{name}", content)
    all_commands_accept(run, Data(path), out, model)


def test_texts_that_leave_no_token_can_be_mined_by_a_static_model(run, data, out, model):
    hostile_texts(data)
    data.change("queries.jsonl", 3, text="\u200b")
    data.change("corpus.jsonl", 14, text="\u200b")
    said = run("mine", data.path, "--recipe", "nv-retriever", "--negatives", 3, "--out", out, "--model", model)
    assert said.code == 0, said.err


def drop(name):
    return lambda data: (data.path / name).unlink()


def rewrite(name, old, new):
    def change(data):
        path = data.path / name
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))

    return change


def truncated_gzip(data):
    packed = data.compress("corpus.jsonl")
    packed.write_bytes(packed.read_bytes()[:-9])


def truncated_zip(data):
    path = data.path.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("corpus.jsonl", (data.path / "corpus.jsonl").read_bytes())
    whole = path.read_bytes()
    shutil.rmtree(data.path)
    data.path.write_bytes(whole[:-30])


def both_plain_and_compressed(data):
    plain = (data.path / "corpus.jsonl").read_bytes()
    (data.path / "corpus.jsonl.gz").write_bytes(gzip.compress(plain))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (drop("corpus.jsonl"), ["corpus.jsonl", "found"]),
        (drop("queries.jsonl"), ["queries.jsonl", "found"]),
        (lambda data: shutil.rmtree(data.path / "qrels"), ["qrels/<split>.tsv"]),
        (lambda data: shutil.rmtree(data.path), ["there is no such folder or file"]),
        (truncated_gzip, ["corpus.jsonl.gz", "cut short", "compress"]),
        (truncated_zip, ["data", ".zip"]),
        (both_plain_and_compressed, ["corpus.jsonl.gz", "remove"]),
        (rewrite("corpus.jsonl", b'"text"', b'"txet"'), ["corpus.jsonl, line 1", "'text'", "txet"]),
        (rewrite("corpus.jsonl", b'"_id": "d0"', b'"id": "d0"'), ["corpus.jsonl, line 1", "_id"]),
        (rewrite("queries.jsonl", b'"q1"', b'"q0"'), ["queries.jsonl", "line 2", "'q0'", "line 1"]),
        (rewrite("corpus.jsonl", b'"d5"', b'"d4"'), ["corpus.jsonl", "line 6", "'d4'", "line 5"]),
        (lambda data: data.change("queries.jsonl", 2, text=" \t"), ["queries.jsonl, line 3", "'q2'", "no text"]),
        (lambda data: data.change("corpus.jsonl", 2, text="\ud800"), ["corpus.jsonl, line 3", "surrogate"]),
        (rewrite("corpus.jsonl", b'"d2"', b'"\xff"'), ["corpus.jsonl, line 3", "UTF-8"]),
        (rewrite("corpus.jsonl", b"{", b"[{"), ["corpus.jsonl, line 1", "one JSON object per line"]),
        (rewrite("qrels/train.tsv", b"d3", b"d99"), ["train.tsv", "line 5", "'d99'", "corpus.jsonl"]),
        (rewrite("qrels/train.tsv", b"q3", b"q99"), ["train.tsv", "line 5", "'q99'", "queries.jsonl"]),
        (rewrite("qrels/train.tsv", b"d3\t1", b"d3"), ["train.tsv, line 5", "column", "tab"]),
        (rewrite("qrels/train.tsv", b"d3\t1", b"d3\tyes"), ["train.tsv, line 5", "'yes'"]),
        (rewrite("qrels/train.tsv", b"d3\t1", b"d3\tnan"), ["train.tsv, line 5", "nan"]),
        (rewrite("qrels/train.tsv", b"q3\td3\t1", b"q2\td2\t2"), ["train.tsv", "line 4", "line 5"]),
        (lambda data: (data.path / "corpus.jsonl").write_text(""), ["corpus.jsonl", "empty"]),
    ],
)
def test_data_that_is_refused_by_all_commands(run, data, out, model, change, expected):
    change(data)
    for command in commands(data, out, model).values():
        error = run(*command).error
        assert [part for part in expected if part not in error] == []
        assert not out.exists()


def test_an_error_shows_hostile_data_escaped(run, data, out, model):
    data.change("corpus.jsonl", 2, _id="\x1b[31m\x9b2J\r\n<script>")
    data.change("corpus.jsonl", 3, _id="\x1b[31m\x9b2J\r\n<script>")
    for command in commands(data, out, model).values():
        error = run(*command).error
        assert r"\x1b[31m\x9b2J\r\n<script>" in error
        assert len(error.splitlines()) == 1
        assert error.isprintable()


def test_a_hostile_name_of_the_data_is_shown_escaped(run, data, tmp_path):
    hostile = data.path.rename(tmp_path / "a\x1b[31m\n:smile:[red]")
    command = ("mine", hostile, "--recipe", "uniform", "--negatives", 3, "--out")
    said = run(*command, tmp_path / "out\x1b[2J\n:smile:[red]")
    assert said.code == 0
    assert r"a\x1b[31m" in said.err
    assert r"out\x1b[2J" in said.out
    assert ":smile:[red]" in said.out
    assert "\x1b" not in said.out + said.err
    (hostile / "corpus.jsonl").unlink()
    error = run(*command, tmp_path / "other").error
    assert "\x1b" not in error
