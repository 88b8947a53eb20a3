"""Where things are kept that can be made again: downloaded data sets, vectors, scores of pairs.

Any of it may be deleted at any time. The folder is ``$FOILS_CACHE``, or the platform's: ``$XDG_CACHE_HOME/foils`` or
``~/.cache/foils``, on macOS ``~/Library/Caches/foils``, on Windows ``%LOCALAPPDATA%/foils``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Name the folder; it need not be there."""
    chosen = os.environ.get("FOILS_CACHE")
    return Path(chosen).expanduser() if chosen else _platform_folder() / "foils"


def chosen_cache(*, choice: str | Path | bool) -> Path | None:
    """Read a caller's choice: True = the usual folder, False = none, else the folder."""
    if isinstance(choice, bool):
        return cache_folder() if choice else None
    return Path(choice).expanduser()


def _platform_folder() -> Path:
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if xdg.is_absolute():  # the XDG specification has relative paths ignored
        return xdg
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32" and os.environ.get("LOCALAPPDATA"):
        return Path(os.environ["LOCALAPPDATA"])
    return Path.home() / ".cache"
