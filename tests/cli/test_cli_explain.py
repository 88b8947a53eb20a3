"""Texts and ids of mined data are escaped wherever a result is told."""

from foils.collection import Collection
from foils.mining import Mined

HOSTILE = "\x1b]0;title\x07\x1b[31m\x9b2J\r\n\u202e[bold]"


def test_a_hostile_result_is_told_escaped(mine, data, out):
    for row in range(30):
        data.change("corpus.jsonl", row, text=f"{HOSTILE} {row}")
    for row in range(3):
        data.change("queries.jsonl", row, _id=f"{HOSTILE}{row}", text=HOSTILE)
    data.write_qrels("test", [("q7", "d7", 1)])
    ids = ["q3", "q4"]
    data.write_qrels("train", [(name, f"d{row}", 1) for row, name in enumerate(ids)])
    said = mine()
    assert said.code == 0, said.err
    assert "\x1b" not in said.out + said.err
    story = str(Mined.open(out, Collection.from_beir(data.path)).explain("q3"))
    assert r"\x1b]0;title\x07\x1b[31m\x9b2J\r\n\u202e[bold]" in story
    assert all(line.isprintable() for line in story.splitlines())
