"""The project speaks only of itself: no path, host or paper of the place where it was written."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# An empty group inside a word keeps this file from holding what it looks for.
FORBIDDEN = {
    "an absolute path of somebody's machine": r"(?<![\w.~:/>*$}-])/(home|mnt|opt|root|Users|work)(?:)/",
    "a package registry": r"(anaconda|pypi|pythonhosted)(?:)\.org|npmjs(?:)\.com|torch\.org/(?:)whl",
    "a paper that is not in the repository": r"\b(BRIEF|DESIGN|INDEX|PEERS|PERF|STYLE)(?:)\.md\b",
    "a folder that is not in the repository": r"\bshared(?:)/",
    "the number of an issue": r"(?i)\bissues? (#|no\. ?)?\d",
    "the place where it was written": r"(?i)\bwork(?:)place\b|\b(coding|AI) (agent|assistant)|\bsub(?:)agent",
}


def files() -> list[str]:
    """Name the files that are in the repository, or would be after `git add`."""
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if (ROOT / name).is_file()]


def findings(text: str) -> list[str]:
    return [
        f"line {number}: {what}: {line.strip()[:80]}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in FORBIDDEN.items()
        if re.search(pattern, line)
    ]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only a clone knows which files are the project's")
def test_no_file_holds_a_forbidden_word():
    names = files()
    assert "pyproject.toml" in names
    contents = {name: (ROOT / name).read_bytes().decode("utf-8", errors="replace") for name in names}
    found = {name: findings(name) + findings(text) for name, text in contents.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "pieces",
    [
        ("see /wo", "rk/main/x"),
        ("'/ro", "ot/.cache'"),
        ("https://py", "pi.org/simple"),
        ("STYLE", ".md §2"),
        ("shared", "/data"),
        ("Issue", " #12"),
        ("an AI", " assistant"),
    ],
)
def test_a_forbidden_word_is_found(pieces):
    assert findings("".join(pieces))


@pytest.mark.parametrize(
    "text",
    ["a user agent", "shared memory", "sections", "src/work/x", "../home/", "the issue is", "docs/format.md"],
)
def test_an_innocent_word_is_not(text):
    assert findings(text) == []
