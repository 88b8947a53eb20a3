"""The two files of a report: report.html, self-contained, and report.json; each there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from foils import _durable as durable
from foils.errors import FolderError

PAGE, DATA = "report.html", "report.json"


def check_folder(out: Path, report: str) -> None:
    """Check, before long work, that a report can be written here.

    Args:
        out: the folder.
        report: what made it, such as ``foils audit``; the entry ``report`` of report.json.

    Raises:
        FolderError: the folder cannot be written, or holds a report that is not ours.
    """
    with durable.explained(out):
        durable.make_folder(out)
        probe = durable.part_of(out / DATA)
        probe.touch()
        probe.unlink()
    there = [name for name in (PAGE, DATA) if (out / name).exists()]
    if there and not _made_by(out / DATA, report):
        raise FolderError(f"{out}: {there[0]} is there and was not made by {report}; choose another folder with --out")


def write_files(out: Path, data: Any, page: str | None) -> list[Path]:
    """Write the numbers and, where there is one, the page; a page of earlier numbers does not stay beside new ones.

    Raises:
        FolderError: the folder cannot be written.
    """
    with durable.explained(out):
        durable.make_folder(out)
        if page is None:
            durable.remove(out / PAGE)
        durable.write_json(out / DATA, data)
        if page is not None:
            durable.write_file(out / PAGE, lambda partial: partial.write_text(page, encoding="utf-8"))
    return [out / DATA, *([out / PAGE] if page is not None else [])]


def _made_by(path: Path, report: str) -> bool:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and data.get("report") == report
