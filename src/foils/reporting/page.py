"""A report as one page: a template filled in; whatever comes from the data is escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from foils.reporting.text import rate, shown, signed

STYLE = Path(__file__).with_name("page.css")
"""The colours that ``svg`` names, light, dark and printed; paper, ink and type."""


def fill(template: Path, filters: Mapping[str, Callable[..., str]], facts: Mapping[str, Any]) -> str:
    """Fill in a template.

    Args:
        template: a file of Jinja2; a name that it does not get is an error.
        filters: how it writes values, beside ``rate``, ``signed`` and ``shown``.
        facts: what it tells, beside ``common_style``; only what ``markup`` made is taken as HTML.
    """
    return prepared(template, filters)(facts)


def prepared(template: Path, filters: Mapping[str, Callable[..., str]]) -> Callable[[Mapping[str, Any]], str]:
    """Make what fills in a template, for one that is filled in often; arguments as of ``fill``."""
    jinja2 = import_module("jinja2")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"rate": rate, "signed": signed, "shown": shown, **filters}
    style = markup(STYLE.read_text(encoding="utf-8"))
    compiled = environment.from_string(template.read_text(encoding="utf-8"))

    def page(facts: Mapping[str, Any]) -> str:
        html: str = compiled.render(common_style=style, **facts)
        return html

    return page


def markup(html: str) -> Any:
    """Mark HTML of our own (a style sheet, a plot of ``svg``), so that it is not escaped."""
    return import_module("markupsafe").Markup(html)
