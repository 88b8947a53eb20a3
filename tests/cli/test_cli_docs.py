"""Every command that the pages show can be given as it stands: its options exist, and none that it needs is missing."""

import re
import shlex
from pathlib import Path

import pytest
from cyclopts import CycloptsError

from foils.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
FENCE = re.compile(r"^```(?:console|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^(?:\$ )?(foils (?:.*\\\n)*.*)$", re.MULTILINE)
SHELL = {"|", ">", ">>", "2>", "&&", ";"}
"""What ends a command within its line."""


def commands(text):
    """Give the words of each command, without comments and what a shell does with it."""
    for block in FENCE.findall(text):
        for line in LINE.findall(block):
            words = shlex.split(line.replace("\\\n", " "), comments=True)[1:]
            ends = [place for place, word in enumerate(words) if word in SHELL]
            if "…" not in words:  # stands for options of before
                yield words[: ends[0]] if ends else words


def parse(words):
    app.parse_args(words, exit_on_error=False, print_error=False)


def test_commands_are_found():
    page = "```console\n$ foils mine x --out \\\n  y  # why\nfoils recipes | head\nno foils\n```\n"
    assert list(commands(page)) == [["mine", "x", "--out", "y"], ["recipes"]]
    assert sum(len(list(commands(page.read_text(encoding="utf-8")))) for page in PAGES) > 50


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_can_be_given(page):
    wrong = []
    for words in commands(page.read_text(encoding="utf-8")):
        try:
            parse(words)
        except CycloptsError as error:
            wrong.append(f"foils {shlex.join(words)}: {error}")
    assert wrong == []


def test_a_command_that_lacks_what_it_needs_is_found():
    with pytest.raises(CycloptsError, match="--negatives"):
        parse(["mine", "scifact", "--recipe", "nv-retriever", "--model", "minilm", "--out", "runs/a"])
