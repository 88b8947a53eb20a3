"""A data-set card beside exported rows: what they are, how they were made and checked, and under which licence.

The header is what hubs read; the licence is the user's to state. Nothing of the data's text is in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from foils._durable import explained, write_file
from foils.errors import FolderError, InputError
from foils.mining.stored import Result
from foils.mining.summary import summarise

NAME = "README.md"
MARK = "<!-- written by foils -->"
LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))


def check_card(folder: Path, licence: str) -> None:
    """Check, before long work, that a card can be written.

    Raises:
        InputError: the licence is no name.
        FolderError: the folder has a README.md of somebody else.
    """
    if not LICENCE.fullmatch(licence):
        raise InputError(f"{licence!r:.80} is no name of a licence; give one such as cc-by-4.0, apache-2.0 or other")
    path = folder / NAME
    try:
        foreign = path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise FolderError(f"{path} cannot be read ({error.strerror}); choose another folder") from error
    if foreign:
        raise FolderError(f"{path} is not a card of foils; write the rows into another folder, or move it away")


def check_no_stale_card(path: Path) -> None:
    """Check, where no card is asked for, that none beside describes the file that is to be written anew.

    Raises:
        FolderError: one does, and would then tell of rows that are gone.
    """
    card = path.parent / NAME
    try:
        text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    except OSError:
        return
    if MARK in text and f"in `{_code(path.name)}`, exported as" in text:
        raise FolderError(
            f"{card} is the card of an earlier {path.name}, and would be wrong of the new one; give its licence again, "
            "for a new card (--card LICENCE), or move the old one away"
        )


def write_card(result: Result, path: Path, licence: str, options: Mapping[str, Any], rows: int) -> Path:
    """Write README.md beside exported rows.

    Args:
        result: what was exported.
        path: the file of rows.
        licence: of the texts, as its name on hubs.
        options: how it was exported.
        rows: how many rows the file has.

    Returns:
        The path of the card.

    Raises:
        InputError, FolderError: see ``check_card``.
    """
    check_card(path.parent, licence)
    card = path.parent / NAME
    text = _header(path.name, licence, rows) + _body(result, path.name, options, rows)
    with explained(path.parent):
        write_file(card, lambda partial: partial.write_text(text, encoding="utf-8"))
    return card


def _header(name: str, licence: str, rows: int) -> str:
    size = next((label for limit, label in SIZES if rows < limit), "n>10M")
    head = {
        "license": licence,
        "tags": ["hard-negatives", "foils"],
        "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": name}]}],
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n"


def _body(result: Result, name: str, options: Mapping[str, Any], rows: int) -> str:
    identity, stats = result.identity, result.stats
    versions = ", ".join(f"{package} {version}" for package, version in sorted(identity.versions.items()))
    digests = "\n".join(f"| {what} | `{digest}` |" for what, digest in sorted(identity.inputs.items()))
    return f"""{MARK}

# Hard negatives

{rows:,} rows in `{_code(name)}`, exported as `{_code(json.dumps(dict(options), sort_keys=True))}`.

| | |
|---|---|
| recipe | `{_code(Path(stats["recipe"]).name)}` |
| split | `{_code(identity.split)}` |
| negatives asked for, per unit | {identity.negatives:,} |
| units | {stats["units"]:,} |
| negatives | {stats["negatives"]:,} |
| units with fewer than asked for | {stats["short_units"]:,} |
| seed | {identity.seed} |

## How the negatives were made

```yaml
{yaml.safe_dump(identity.recipe, sort_keys=False, allow_unicode=True).rstrip()}
```

## How they were checked

Known positives of the split, and their exact duplicates, were left out before the search was cut.

{_told(summarise(result))}

How many of the negatives are positives that nobody labelled was not estimated here. No rule finds them all.

## Where it comes from

| input | digest |
|---|---|
{digests}

Made with {versions}. Equal inputs, recipe and versions give equal rows.
"""


def _told(summary: str) -> str:
    return "\n".join(f"- {_code(line)}" for line in summary.splitlines())


def _code(text: str) -> str:
    """Take from a text what would end a code span or a line."""
    return "".join(character for character in text if character.isprintable()).replace("`", "'").replace("|", "/")
