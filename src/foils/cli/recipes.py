"""``foils recipes``."""

from __future__ import annotations

from typing import Annotated

import yaml
from cyclopts import Parameter

from foils import recipes as registry
from foils.cli.console import say, say_json
from foils.cli.options import Json
from foils.recipes import Recipe


def recipes(
    name: Annotated[
        str | None, Parameter(help="A recipe, or a .yaml file; without it, all that come with foils.")
    ] = None,
    /,
    *,
    json: Json = False,
) -> None:
    """List the recipes, or show one: its parts with every default, its paper.

    A recipe is verified where the effect that its paper claims was measured
    here; others are unmeasured.

    Examples:
        foils recipes

        foils recipes nv-retriever
    """
    if name is not None:
        recipe = registry.load(name)
        say_json(_data(recipe)) if json else say(_story(recipe))
        return
    loaded = [registry.load(known) for known in registry.names()]
    if json:
        say_json([_data(recipe) for recipe in loaded])
        return
    width = max(len(recipe.name) for recipe in loaded)
    say("\n".join(f"{recipe.name:<{width}}  {_standing(recipe):<10}  {recipe.summary}" for recipe in loaded))


def _data(recipe: Recipe) -> dict[str, object]:
    paper = None if recipe.paper is None else {"title": recipe.paper.title, "year": recipe.paper.year}
    about = {"name": recipe.name, "summary": recipe.summary, "evidence": recipe.evidence, "paper": paper}
    return {**about, "fidelity": recipe.fidelity, "parts": recipe.resolved()}


def _standing(recipe: Recipe) -> str:
    return "unmeasured" if recipe.evidence is None else "verified"


def _story(recipe: Recipe) -> str:
    lines = [f"{recipe.name}: {recipe.summary}", f"evidence: {recipe.evidence or _standing(recipe)}"]
    if recipe.paper is not None:
        lines.append(f"paper: {recipe.paper.title} ({recipe.paper.year})")
    if recipe.fidelity:
        lines.append(f"fidelity: {recipe.fidelity}")
    parts = yaml.safe_dump(_data(recipe)["parts"], sort_keys=False, default_flow_style=None, width=120)
    return "\n".join([*lines, "", parts.rstrip()])
