"""What all reports share: how numbers and texts from data are written, plots as part of a page, files of a report."""

from foils.reporting.files import PAGE, check_folder, write_files
from foils.reporting.svg import FIRST, GRID, INK, MUTED, SECOND, svg
from foils.reporting.text import rate, shown, signed

__all__ = [
    "FIRST",
    "GRID",
    "INK",
    "MUTED",
    "PAGE",
    "SECOND",
    "check_folder",
    "rate",
    "shown",
    "signed",
    "svg",
    "write_files",
]
