"""What a field of a part means: default, range, and the docstring below it, as a table for the reference."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import inspect as types

SHARE_SIGN = "%$"
"""How the pattern of a share of the items ends, as in 4%."""


def family(name: str) -> str:
    """Describe each member of a registry: heading, docstring, table of fields."""
    registry: Mapping[str, type] = importlib.import_module(name).REGISTRY
    return "\n\n".join(described(part, registry[part]) for part in sorted(registry))


def described(name: str, part: type) -> str:
    """Give heading, docstring and table of one part."""
    text = inspect.getdoc(part) or ""
    fields = types.type_info(part).fields  # type: ignore[attr-defined]
    meanings = docstrings(part)
    lines = ["| field | default | values | meaning |", "| --- | --- | --- | --- |"]
    for field in fields:
        cells = (f"`{field.encode_name}`", default(field), values(field.type), plain(meanings.get(field.name, "")))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n\n".join([f"### {name}", plain(text), "\n".join(lines) if fields else "It has no fields."])


def docstrings(part: type) -> dict[str, str]:
    """Give the text below each field of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0].body  # type: ignore[attr-defined]
    return {
        field.target.id: " ".join(inspect.cleandoc(text.value.value).split())
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }


def default(field: Any) -> str:
    """Write the default as a recipe would; nothing where the meaning tells it."""
    if field.required:
        return "required"
    if field.default in (None, msgspec.NODEFAULT):
        return ""
    return f"`{yaml(msgspec.to_builtins(field.default))}`"


def yaml(value: Any) -> str:
    """Write a value in YAML's short form, without what is null."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {yaml(entry)}" for key, entry in value.items() if entry is not None) + "}"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def values(kind: types.Type) -> str:
    """Say which values a field takes."""
    if isinstance(kind, types.UnionType):
        return "; or ".join(filter(None, map(values, kind.types)))
    if isinstance(kind, types.IntType | types.FloatType):
        return ("whole number" if isinstance(kind, types.IntType) else "number") + bounds(kind)
    if isinstance(kind, types.LiteralType):
        return ", ".join(f"`{value}`" for value in kind.values)
    if isinstance(kind, types.StrType):
        return "share, as in `4%`" if (kind.pattern or "").endswith(SHARE_SIGN) else "name" if kind.pattern else "text"
    if isinstance(kind, types.BoolType):
        return "`true`, `false`"
    return "" if isinstance(kind, types.NoneType) else "see its meaning"


def bounds(kind: types.IntType | types.FloatType) -> str:
    """Write the range of a number."""
    if kind.ge is not None and kind.le is not None:
        return f", {kind.ge:,} to {kind.le:,}"
    signs = {"≥": kind.ge, ">": kind.gt, "≤": kind.le, "<": kind.lt}
    return "".join(f", {sign} {bound:,}" for sign, bound in signs.items() if bound is not None)


def plain(text: str) -> str:
    """Write code marks as Markdown has them."""
    return text.replace("``", "`")
