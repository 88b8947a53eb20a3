"""Cells of CSV that no spreadsheet takes for a formula, and that are read back as they were.

An apostrophe goes before what begins like a formula. So that it can be taken off again, one goes before a text that
begins with an apostrophe and then like a formula, or with two apostrophes, too.
"""

from __future__ import annotations

from foils.mining.export import FORMULA, neutralised

MARK = "'"


def safe(text: str) -> str:
    """Mark a text.

    >>> safe("=1+1"), safe("'=1+1"), safe("it's"), safe("'tis")
    ("'=1+1", "''=1+1", "it's", "'tis")
    """
    return f"{MARK}{text}" if _marked(text) else neutralised(text)


def plain(text: str | None) -> str | None:
    """Take the mark off again.

    >>> plain("'=1+1"), plain("''=1+1"), plain("'tis")
    ('=1+1', "'=1+1", "'tis")
    """
    return text[1:] if text and _marked(text) else text


def _marked(text: str) -> bool:
    return text.startswith(MARK) and text[1:].startswith((MARK, *FORMULA))
