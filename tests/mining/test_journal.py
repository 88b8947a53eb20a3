"""The journal: lines that are whole count, torn and changed ones do not, and adding costs the same for any number."""

import warnings

import pytest

from foils.mining import journal
from foils.mining.journal import Shard
from foils.mining.memory import Effort

SHARDS = [
    Shard(f"{number:05d}", {"negatives": "ab" * 32}, {"units": 3, "hardness.sum": 0.1 + number}, Effort(0.5, 1.0, None))
    for number in range(3)
]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "journal.jsonl"
    for shard in SHARDS:
        journal.add(path, shard)
    return path


def test_what_was_added_is_read(path):
    assert journal.read(path) == (SHARDS, True)
    assert path.read_text().count("\n") == 3


def test_no_journal_is_an_empty_one(tmp_path):
    assert journal.read(tmp_path / "journal.jsonl") == ([], True)


def test_a_line_torn_anywhere_does_not_count_and_says_nothing(path):
    content = path.read_bytes()
    start = content[:-1].rindex(b"\n") + 1
    for end in range(start + 1, len(content)):
        path.write_bytes(content[:end])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert journal.read(path) == (SHARDS[:2], False)
    path.write_bytes(content[:start])
    assert journal.read(path) == (SHARDS[:2], True)


def test_a_bit_flipped_anywhere_is_noticed_and_the_line_named(path):
    content = path.read_bytes()
    first, second = content.index(b"\n") + 1, content.index(b"\n", content.index(b"\n") + 1)
    for place in range(first, second, 2):
        for bit in (1, 64):
            flipped = bytearray(content)
            flipped[place] ^= bit
            path.write_bytes(flipped)
            with pytest.warns(UserWarning, match=r"journal\.jsonl: line 2 is damaged; its shard is made again"):
                shards, whole = journal.read(path)
            assert (shards, whole) == ([SHARDS[0], SHARDS[2]], False)


def test_a_rewritten_journal_is_whole(path):
    journal.rewrite(path, SHARDS[1:])
    assert journal.read(path) == (SHARDS[1:], True)
    journal.add(path, SHARDS[0])
    assert journal.read(path) == ([*SHARDS[1:], SHARDS[0]], True)
