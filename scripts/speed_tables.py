"""The tables of docs/speed.md, made of the numbers in docs/speed/*.json that the benchmarks saved.

Names tell what a row is: ``foils …`` is ours, ``limit: …`` is work that nobody can do without (a bare product), any
other is a peer. A row of ours says which peers were faster.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs" / "speed"
NAMES = (
    "approximate",
    "encoding",
    "faults",
    "growth",
    "kmeans",
    "lexical",
    "million",
    "mining",
    "samplers",
    "search",
)
"""The benchmarks that have a section of docs/speed.md."""
PINS = {
    "OPENBLAS_CORETYPE=Haswell OPENBLAS_L2_SIZE=512": "AVX2 pin",
    "OPENBLAS_CORETYPE=SkylakeX": "AVX-512 pin",
}
"""Settings of the BLAS by their short names."""


def section(name: str) -> str:
    """Make the tables of one benchmark."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        return "Not measured yet."
    settings = json.loads(path.read_text(encoding="utf-8"))["settings"]
    titles = dict.fromkeys(table["title"] for entry in settings.values() for table in entry["tables"])
    parts = [
        aims(settings),
        *(compared(title, settings) for title in titles),
        *grids(settings),
        lines(settings),
        picture(name),
    ]
    return "\n\n".join(part for part in parts if part)


def compared(title: str, settings: Mapping[str, Any]) -> str:
    """Put one table's settings side by side."""
    tables = {
        short(key): table for key, entry in settings.items() for table in entry["tables"] if table["title"] == title
    }
    head = [
        "",
        *(f"{kind}, {key}" for key, table in tables.items() for kind in (f"{table['unit']} per CPU s", "ratio")),
    ]
    head += [f"wall s, {key}" for key in tables] + ["peak MB", ""]
    names = dict.fromkeys(row["name"] for table in tables.values() for row in table["rows"])
    rows = (line(name, tables) for name in names)
    rounds = {table["rounds"] for table in tables.values()}
    load = "; ".join(f"{key} {table['load'][0]:.1f} → {table['load'][1]:.1f}" for key, table in tables.items())
    return f"**{title}** ({'/'.join(map(str, sorted(rounds)))} rounds; load {load})\n\n{markdown(head, rows)}"


def line(name: str, tables: Mapping[str, Any]) -> list[str]:
    """Make the row of one contender."""
    rows = {key: row for key, table in tables.items() for row in table["rows"] if row["name"] == name}
    cells = [f"**{name}**" if is_ours(name) else name]
    for key, table in tables.items():
        row = rows.get(key)
        cells += ["", ""] if row is None else [number(row["per_cpu_second"]), ratio(row, table["reference"])]
    cells += [seconds(rows[key]["wall_seconds"]) if key in rows else "" for key in tables]
    peaks = [row["peak_bytes"] for row in rows.values() if row["peak_bytes"] is not None]
    cells.append(f"{max(peaks) / 1e6:,.0f}" if peaks else "")
    remarks = [*dict.fromkeys(row["note"] for row in rows.values() if row["note"]), *losses(name, tables)]
    return [*cells, "; ".join(remarks)]


def losses(name: str, tables: Mapping[str, Any]) -> list[str]:
    """Say which peers did more in a CPU second than a row of ours."""
    found = []
    for key, table in tables.items():
        speeds = {row["name"]: row["per_cpu_second"] for row in table["rows"]}
        if is_ours(name) and name in speeds:
            faster = [peer for peer, speed in speeds.items() if is_peer(peer) and speed > speeds[name]]
            found += [f"**slower than {', '.join(faster)}** ({key})"] if faster else []
    return found


def aims(settings: Mapping[str, Any]) -> str:
    """List the bars and what was reached."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for key, entry in settings.items():
        for aim in entry["facts"].get("aims", []):
            reached = aim["reached"] if aim["met"] else f"{aim['reached']} **missed**"
            found.setdefault((aim["what"], aim["bar"]), {})[short(key)] = reached
    if not found:
        return ""
    keys = [short(key) for key in settings]
    rows = ([what, bar, *(reached.get(key, "") for key in keys)] for (what, bar), reached in found.items())
    return markdown(["", "aim", *(f"reached, {key}" for key in keys)], rows)


def grids(settings: Mapping[str, Any]) -> list[str]:
    """Show the tables that a benchmark made itself: ``grids`` of its facts, each with head and rows."""
    return [
        f"{short(key)}:\n\n{markdown(grid['head'], grid['rows'])}"
        for key, entry in settings.items()
        for grid in entry["facts"].get("grids", [])
    ]


def lines(settings: Mapping[str, Any]) -> str:
    """List what the benchmark found beside its tables."""
    return "\n".join(
        f"- {short(key)}: {sentence}" for key, entry in settings.items() for sentence in entry["facts"].get("lines", [])
    )


def picture(name: str) -> str:
    """Show the plot that a benchmark drew."""
    return f"![{name}](speed/{name}.svg)" if (FOLDER / f"{name}.svg").exists() else ""


def machines() -> str:
    """Tell on what each benchmark ran."""
    rows = []
    for name in NAMES:
        path = FOLDER / f"{name}.json"
        settings = json.loads(path.read_text(encoding="utf-8"))["settings"] if path.exists() else {}
        for key, entry in settings.items():
            found = entry["machine"]
            cpu = f"{found['cores']} cores of {found['cpu']} ({', '.join(found['flags'])})"
            kernels = "; ".join(
                f"{library['package']} {library['core_type']}" for library in found["blas"] if library["core_type"]
            )
            packages = ", ".join(f"{package} {version}" for package, version in found["packages"].items())
            rows.append([name, short(key), f"{cpu}, {found['memory_gb']:.0f} GB", kernels, packages])
    if not rows:
        return "Not measured yet."
    return markdown(["benchmark", "setting", "machine", "kernels of OpenBLAS", "versions"], rows)


def is_ours(name: str) -> bool:
    """Say whether a row is ours."""
    return name.startswith("foils")


def is_peer(name: str) -> bool:
    """Say whether a row is somebody else's way to do the same work."""
    return not is_ours(name) and not name.startswith("limit:")


def short(key: str) -> str:
    """Give the short name of a setting."""
    return PINS.get(key, key)


def ratio(row: Mapping[str, Any], reference: str) -> str:
    """Give a ratio with its interval."""
    if row["name"] == reference:
        return "1 (reference)"
    found = row["ratio"]
    return f"{number(found['median'])} [{number(found['low'])}, {number(found['high'])}]"


def number(value: float) -> str:
    """Give three digits, and no exponent.

    >>> [number(value) for value in (0.123456, 1.5, 12.34, 1234.5, 20_400_000.0)]
    ['0.123', '1.50', '12.3', '1,230', '20,400,000']
    """
    rounded = float(f"{value:.3g}")
    if rounded == 0:
        return "0"
    return f"{rounded:,.{max(2 - math.floor(math.log10(rounded)), 0)}f}"


def seconds(value: float) -> str:
    """Give seconds of wall time."""
    return f"{value:.3f}" if value < 1 else f"{value:.2f}"


def markdown(head: list[str], rows: Iterable[list[str]]) -> str:
    """Return a Markdown table."""
    made = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in made)


TABLES = {f"speed-{name}": partial(section, name) for name in NAMES} | {"speed-machine": machines}
