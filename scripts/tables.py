"""Write the tables of README.md and of docs/ from the registries and from saved numbers, or check them.

A table stands between the lines ``<!-- table: NAME -->`` and ``<!-- /table -->``; the names are the keys of
TABLES.

Usage: python scripts/tables.py [--check] [FILE...]
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import part_fields
import speed_tables

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/reference/parts.md", "docs/reference/recipes.md", "docs/speed.md")
OPEN = re.compile(r"<!-- table: (\S+) -->")
CLOSE = "<!-- /table -->"
FAMILIES = ("sources", "scorers", "calibrators", "rules", "samplers", "weights")


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 up to date or written, 1 out of date, 2 markers that cannot be read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail if a table is out of date")
    parser.add_argument("files", type=Path, nargs="*", default=[ROOT / page for page in PAGES])
    options = parser.parse_args(arguments)
    return max(refresh(file, check=options.check) for file in options.files)


def refresh(file: Path, *, check: bool) -> int:
    """Write the tables of one file, or check them; see ``main`` for the codes."""
    before = file.read_text(encoding="utf-8")
    try:
        after = rewritten(before, TABLES)
    except ValueError as error:
        print(f"{file.name}: {error}", file=sys.stderr)
        return 2
    if before == after:
        return 0
    if not check:
        file.write_text(after, encoding="utf-8")
        return 0
    changes = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="")
    print(*changes, sep="\n", file=sys.stderr)
    print(f"{file.name} is out of date: run `make tables`.", file=sys.stderr)
    return 1


def rewritten(text: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """Return the text with each marked table made anew.

    Raises:
        ValueError: A marker without its partner, or a table that nobody makes.
    """
    made: list[str] = []
    inside = ""
    for number, line in enumerate(text.splitlines(), start=1):
        opening = OPEN.fullmatch(line)
        if (opening and inside) or (line == CLOSE and not inside):
            raise ValueError(f"line {number}: {line} does not follow its partner")
        if opening:
            inside = opening[1]
            if inside not in tables:
                raise ValueError(f"line {number}: no table {inside!r}; valid: {', '.join(sorted(tables))}")
            made += [line, "", tables[inside](), ""]
        elif line == CLOSE:
            inside = ""
        if not inside:
            made.append(line)
    if inside:
        raise ValueError(f"the table {inside!r} is not closed by {CLOSE}")
    return "\n".join(made) + "\n"


def parts_table() -> str:
    """List the members of each family's REGISTRY: name, summary, fields."""
    registries = {family: importlib.import_module(f"foils.{family}").REGISTRY for family in FAMILIES}
    rows = (
        (family.removesuffix("s"), f"`{name}`", summary(part), fields(part))
        for family, registry in registries.items()
        for name, part in sorted(registry.items())
    )
    return table(("family", "part", "what it does", "fields"), rows)


def overview_table() -> str:
    """List the members of each family's REGISTRY: name and summary."""
    rows = (
        (family.removesuffix("s"), f"`{name}`", summary(part))
        for family in FAMILIES
        for name, part in sorted(importlib.import_module(f"foils.{family}").REGISTRY.items())
    )
    return table(("family", "part", "what it does"), rows)


def recipes_table() -> str:
    """List the recipes: name, summary, paper."""
    rows = ((f"`{name}`", recipe.summary, cited(recipe.paper)) for name, recipe in loaded_recipes())
    return table(("recipe", "what it does", "paper"), rows)


def evidence_table() -> str:
    """List the recipes with what they approximate and what was measured of them."""
    rows = ((f"`{name}`", recipe.fidelity or "", recipe.evidence or "unmeasured") for name, recipe in loaded_recipes())
    return table(("recipe", "what is approximated", "evidence"), rows)


def loaded_recipes() -> Iterable[tuple[str, Any]]:
    """Load each recipe that comes with foils."""
    recipes = importlib.import_module("foils.recipes")
    return ((name, recipes.load(name)) for name in recipes.names())


def fields(part: type) -> str:
    """Name the fields of a part, with their defaults where they are values."""
    described = []
    for field in msgspec.structs.fields(part):
        has_value = field.default is not msgspec.NODEFAULT and field.default is not None
        value = f"={part_fields.yaml(msgspec.to_builtins(field.default))}" if has_value else ""
        described.append(f"`{field.encode_name}{value}`")
    return " ".join(described)


def summary(part: type) -> str:
    """Return the first line of the docstring."""
    return (part.__doc__ or "").strip().partition("\n")[0]


def cited(paper: object) -> str:
    """Return title and year of a paper, or nothing for a recipe without one."""
    if paper is None:
        return ""
    known = msgspec.to_builtins(paper)
    return f"{known['title']} ({known['year']})"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


TABLES: dict[str, Callable[[], str]] = {
    "evidence": evidence_table,
    "overview": overview_table,
    "parts": parts_table,
    "recipes": recipes_table,
    **{family: partial(part_fields.family, f"foils.{family}") for family in FAMILIES},
    "losses": partial(part_fields.family, "foils.recipes.losses"),
    **speed_tables.TABLES,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
