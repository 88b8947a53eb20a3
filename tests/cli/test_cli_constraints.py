"""``foils mine`` with constraints: options, files, and what it says of them."""

import json

import pyarrow.parquet as pq
import pytest

LANGUAGES = ("en", "de", "en")


@pytest.fixture
def tagged(data):
    """Give every query and item a language and a date, most of them in ``metadata``."""
    for name, count in (("queries.jsonl", 12), ("corpus.jsonl", 30)):
        for row in range(count):
            data.change(
                name, row, metadata={"language": LANGUAGES[row % 3], "place": "x"}, date=f"2024-01-{row + 1:02}"
            )
    return data


def mined_pairs(out):
    table = pq.read_table(out / "negatives.parquet", columns=["anchor_id", "negative_ids"]).to_pylist()
    return {(row["anchor_id"], item) for row in table for item in row["negative_ids"]}


def number(name):
    return int(name[1:])


def test_every_option_limits_what_is_mined(mine, tagged, out, tmp_path):
    (tmp_path / "deny.tsv").write_text("anchor_id\titem_id\nq0\td2\nq4\td1\n", encoding="utf-8")
    (tmp_path / "allow.jsonl").write_text('{"anchor_id": "q3", "item_id": "d5"}\n', encoding="utf-8")
    said = mine(
        "naive-top-k", "--same", "language", "--after", "date", "--different", "date",
        "--deny", tmp_path / "deny.tsv", "--allow", tmp_path / "allow.jsonl", "--json", negatives=30,
    )  # fmt: skip
    result = said.json()
    pairs = mined_pairs(out)
    assert len(pairs) > 20
    for query, item in pairs:
        assert LANGUAGES[number(query) % 3] == LANGUAGES[number(item) % 3]
        assert number(item) > number(query)
    assert ("q0", "d2") not in pairs
    assert ("q0", "d3") in pairs
    assert {item for query, item in pairs if query == "q3"} == {"d5"}
    names = ["after date", "allow", "deny", "different date", "same language"]
    assert [fact["constraint"] for fact in result["stats"]["constraints"]] == names
    assert list(result["identity"]["constraints"]) == names


def test_options_may_be_repeated(mine, tagged, out, tmp_path):
    for name, item in (("a.csv", "d10"), ("b.csv", "d11")):
        (tmp_path / name).write_text(f"anchor_id,item_id\nq0,{item}\n", encoding="utf-8")
    options = ("--same", "language", "--same", "place", "--before", "date")
    assert mine("uniform", *options, "--deny", tmp_path / "a.csv", "--deny", tmp_path / "b.csv").code == 0
    assert all(number(item) < number(query) for query, item in mined_pairs(out))
    stats = json.loads((out / "stats.json").read_text())
    assert [fact["constraint"] for fact in stats["constraints"]] == [
        "before date", "deny", "deny 2", "same language", "same place",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--same", "langage"), "same langage: the anchors have no field 'langage'; did you mean 'language'?"),
        (("--before", "language"), "before language: the value 'en' of one of the anchors is no date"),
        (("--deny", "none.tsv"), "none.tsv: there is no such file"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(mine, tagged, out, options, complaint):
    assert complaint in mine("naive-top-k", *options).error
    assert not out.exists()


def test_ids_of_a_list_that_are_unknown_are_told_with_their_line(mine, tagged, out, tmp_path):
    (tmp_path / "deny.tsv").write_text("anchor_id\titem_id\nq0\td2\nq77\td1\n", encoding="utf-8")
    error = mine("naive-top-k", "--deny", tmp_path / "deny.tsv").error
    assert "deny.tsv, line 3: the collection has no anchor 'q77'" in error


def test_a_run_with_other_constraints_is_refused(mine, tagged, out):
    assert mine("naive-top-k", "--same", "language").code == 0
    assert "constraints.same language: " in mine("naive-top-k").error
    assert "constraints.before date: None there" in mine("naive-top-k", "--same", "language", "--before", "date").error
    again = mine("naive-top-k", "--same", "language")
    assert "finished already" in again.err
