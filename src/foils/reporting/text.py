"""How tables and pages write numbers, and texts that come from the data."""

from __future__ import annotations

from foils.errors import printable

SHOWN_CHARACTERS = 100


def rate(value: float) -> str:
    """Write a rate per 1,000: three figures at most, never "0" for what is not zero.

    >>> [rate(value) for value in (152.34, 15.23, 1.523, 0.04, 0.001, 0.0)]
    ['152', '15.2', '1.5', '0.04', '<0.01', '0']
    """
    if value == 0:
        return "0"
    if value < 0.005:
        return "<0.01"
    digits = 0 if value >= 99.95 else 1 if value >= 0.995 else 2
    return f"{value:.{digits}f}"


def percent(share: float) -> str:
    """Write a share as a percentage, without its sign: one decimal, none from 10 on.

    >>> [percent(share) for share in (0.031, 0.2, 0.0004, 0.0, 0.0996, 1.0)]
    ['3.1', '20', '<0.1', '0', '10', '100']
    """
    value = 100 * share
    if 0 < value < 0.05:
        return "<0.1"
    written = f"{value:.1f}"
    return written if value and float(written) < 10 else f"{value:.0f}"


def signed(value: float) -> str:
    """Write a difference with three decimals and a true minus sign.

    >>> signed(-0.0123)
    '−0.012'
    """
    return f"{value:+.3f}".replace("-", "−")


def shown(text: str, limit: int = SHOWN_CHARACTERS) -> str:
    r"""Cut a text from the data and escape its control characters, which could steer a terminal.

    >>> shown("Clear the \x1b[31mscreen", limit=12)
    'Clear the \\x1b…'
    """
    return printable(text if len(text) <= limit else f"{text[: limit - 1]}…")
