"""How error messages show what they found: data may be hostile, so it is escaped and cut."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from foils.errors import did_you_mean

LONGEST = 60  # characters of a value that a message shows
MOST_NAMES = 20  # names that a message lists
NEAR = 0.7  # likeness from which on a name is taken for a misspelling of another


def quoted(value: object) -> str:
    r"""Quote a value from the data, escaped and cut.

    >>> print(quoted("a" + chr(27) + "[31m"))
    'a\x1b[31m'
    """
    written = repr(value[: LONGEST + 1] if isinstance(value, str) else value)
    return written if len(written) <= LONGEST + 2 else written[:LONGEST] + "…"


def shown(name: str) -> str:
    """Give a file's or column's name as it is, or quoted where it would not print as it is."""
    return name if name and name.isprintable() and len(name) <= 4 * LONGEST else quoted(name)


def header_of(names: Sequence[str]) -> str:
    """Say what was taken as a table's header, for a row that does not fit it."""
    listed = ", ".join(map(shown, names[:MOST_NAMES])) + (" …" if len(names) > MOST_NAMES else "")
    return f" and the header has {len(names)} (the first line is taken as the header: {listed})"


def nearest(name: str, found: Iterable[str]) -> str:
    """Name what was found, the nearest first, for the end of a message about a missing name."""
    names = [shown(other) for other in found]
    if not names:
        return "found none"
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return did_you_mean(name, names[:MOST_NAMES], near_from=NEAR).replace("Valid: ", "found: ") + more
