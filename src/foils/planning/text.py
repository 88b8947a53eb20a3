"""A plan in words: what it takes in a sentence, then time, memory and disk line by line."""

from __future__ import annotations

from collections.abc import Mapping

from foils.mining.budget import megabytes
from foils.planning.result import Judging, Plan

LARGE_SHARE = 0.5
"""A stage that takes more than this share of the time is named in the first sentence."""
NAME_WIDTH, VALUE_WIDTH = 48, 12


def describe(plan: Plan) -> str:
    """Write a plan as text of at most 80 columns, but for warnings."""
    lines = [_headline(plan), ""]
    lines += [_line("time", "", duration(plan.seconds))]
    lines += [_line(f"  {one.name}", f"{one.amount:,} {one.unit}", duration(one.seconds)) for one in plan.stages]
    lines += ["", _line("memory, about", "", size(plan.memory_bytes)), *_items(plan.memory)]
    lines += [f"  (blocks keep to --memory {megabytes(plan.budget)}; the least is {megabytes(plan.least_budget)})"]
    lines += ["", _line("disk, at most", "", size(plan.disk_bytes)), *_items(plan.tables), *_items(plan.scratch)]
    if plan.encodings:
        kept = sum(one.texts - one.missing for one in plan.encodings)
        texts = sum(one.texts for one in plan.encodings)
        lines += ["", f"{kept:,} of {texts:,} texts need no encoding: they are in the cache, or equal to others"]
    lines += [line for one in plan.judgings for line in ("", _judging(one))]
    lines += ["", f"measured here and now: {'; '.join(plan.calibration)}"]
    return "\n".join([*lines, *(f"note: {warning}" for warning in plan.warnings)])


def _judging(one: Judging) -> str:
    most = "at most " if one.at_most else ""
    said = f"{one.column} is asked about {most}{one.pairs:,} pairs; about {one.known:,}"
    if one.calls is None:
        return f"{said} answers are kept"
    return f"{said} need no asking: about {one.calls:,} calls, {one.tokens:,} tokens"


def duration(seconds: float) -> str:
    """Write a time in the unit that suits it.

    >>> duration(0.031), duration(4.2), duration(42), duration(750), duration(9000), duration(400_000)
    ('0.03 s', '4.2 s', '42 s', '12 min', '2.5 h', '4.6 days')
    """
    if seconds < 0.01:
        return "< 0.01 s"
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    for limit, unit, length in ((90, "s", 1), (90 * 60, "min", 60), (48 * 3600, "h", 3600)):
        if seconds < limit:
            return f"{seconds / length:.1f} {unit}" if unit == "h" else f"{seconds / length:.0f} {unit}"
    return f"{seconds / 86400:.1f} days"


def about(seconds: float) -> str:
    """Write an estimate of a time within a sentence.

    >>> about(0.001), about(4.2)
    ('less than 0.01 s', 'about 4.2 s')
    """
    said = duration(seconds)
    return said.replace("<", "less than") if said.startswith("<") else f"about {said}"


def size(count: float) -> str:
    """Write a number of bytes.

    >>> size(812), size(1_540_000), size(2_000_000_000)
    ('812 B', '1.5 MB', '2.0 GB')
    """
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"


def _headline(plan: Plan) -> str:
    longest = max(plan.stages, key=lambda stage: stage.seconds)
    said = about(plan.seconds)
    if longest.seconds > LARGE_SHARE * plan.seconds:
        said += f", of which {duration(longest.seconds)} {longest.name}"
    untimed = [one.column for one in plan.judgings if one.calls is not None]
    if untimed:
        said += f", besides judging by {' and '.join(untimed)}"
    return f"{said}; about {size(plan.memory_bytes)} of memory, and at most {size(plan.disk_bytes)} of disk"


def _items(sizes: Mapping[str, int]) -> list[str]:
    return [_line(f"  {name}", "", size(count)) for name, count in sizes.items()]


def _line(name: str, amount: str, value: str) -> str:
    return f"{name:<{NAME_WIDTH}}{amount:>{VALUE_WIDTH + 4}}{value:>{VALUE_WIDTH}}".rstrip()
