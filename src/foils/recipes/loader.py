"""Load recipes: by name from this folder, or from a file of the user's; validated before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from foils import rules, samplers, scorers, sources
from foils.errors import RecipeError, did_you_mean
from foils.recipes import losses
from foils.recipes.document import Document, override, parse
from foils.recipes.recipe import Paper, Part, Recipe, Shortfall, check_columns

FIELDS = (
    "summary", "aliases", "paper", "per", "source", "scorers", "rules", "sampler", "loss", "shortfall", "fidelity",
)  # fmt: skip


def names() -> list[str]:
    """List the recipes that come with foils."""
    folder = resources.files("foils.recipes")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load(name: str | Path, settings: Sequence[str] = ()) -> Recipe:
    """Load a recipe by name or alias, or from a ``.yaml`` file.

    Args:
        name: name of a recipe that comes with foils, or path of a file.
        settings: overrides, each ``part.name.field=value``.

    Raises:
        RecipeError: unknown recipe, part or field, a value out of range, or parts that do not fit together; the message says
            where (file and line) and names the nearest valid choice.
    """
    label, text = _text(name)
    return build(override(parse(text, label), settings), str(name) if label.endswith(str(name)) else Path(label).stem)


def from_resolved(data: dict[str, Any], label: str) -> Recipe:
    """Build the recipe that a result folder was made with from what ``Recipe.resolved`` gave."""
    return build(Document(label, data), label)


def override_resolved(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Change fields of a loaded recipe; see ``load`` for the errors."""
    return build(override(Document(recipe.name, recipe.resolved()), settings), recipe.name)


def _text(name: str | Path) -> tuple[str, str]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        try:
            return str(path), path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise RecipeError(f"recipe file {path}: cannot be read: {error}") from error
    folder = resources.files("foils.recipes")
    wanted = str(name)
    for known in names():
        text = (folder / f"{known}.yaml").read_text(encoding="utf-8")
        aliases = parse(text, known).data.get("aliases", [])
        if wanted == known or wanted.replace("-", "_") in aliases:
            return f"recipes/{known}.yaml", text
    raise RecipeError(f"there is no recipe {wanted!r}; {did_you_mean(wanted, names())}; or give the path of a .yaml file")


def build(document: Document, name: str) -> Recipe:
    """Turn a document into a recipe; see ``load`` for the errors."""
    data = document.data
    for key in data:
        if key not in FIELDS:
            raise RecipeError(f"{document.where((key,))}: no such field; {did_you_mean(str(key), FIELDS)}")
    for key in ("source", "sampler"):
        if key not in data:
            raise RecipeError(f"{document.file}: {key} is missing; a recipe needs a source and a sampler")
    if data.get("per", "anchor") not in ("anchor", "pair"):
        raise RecipeError(f"{document.where(('per',))}: {data['per']!r} is not valid; use anchor or pair")
    shortfall = _convert(document, ("shortfall",), data.get("shortfall", {}), Shortfall)
    judged = _parts(document, "rules", rules.REGISTRY)
    recipe = Recipe(
        name=name,
        summary=str(data.get("summary", "")),
        per=data.get("per", "anchor"),
        source=_part(document, ("source",), data["source"], sources.REGISTRY),
        scorers=_parts(document, "scorers", scorers.REGISTRY),
        rules=judged,
        sampler=_part(document, ("sampler",), data["sampler"], samplers.REGISTRY),
        relaxations=_relaxations(document, judged, shortfall),
        loss=_part(document, ("loss",), data["loss"], losses.REGISTRY) if "loss" in data else None,
        shortfall=shortfall,
        paper=_convert(document, ("paper",), data["paper"], Paper) if "paper" in data else None,
        fidelity=data.get("fidelity"),
    )
    try:
        check_columns(recipe)
    except RecipeError as error:
        raise RecipeError(f"{document.file}: {error}") from None
    return recipe


def _parts(document: Document, key: str, registry: Mapping[str, Any]) -> tuple[Part[Any], ...]:
    entries = document.data.get(key) or []
    if not isinstance(entries, list):
        raise RecipeError(f"{document.where((key,))}: expected a list of parts, as in [{{{next(iter(registry))}: {{}}}}]")
    return tuple(_part(document, (key, number), entry, registry) for number, entry in enumerate(entries))


def _part(document: Document, path: tuple[str | int, ...], entry: Any, registry: Mapping[str, Any]) -> Part[Any]:
    if not isinstance(entry, dict) or len(entry) != 1:
        raise RecipeError(f"{document.where(path)}: expected one part by name, as in {{{next(iter(registry))}: {{}}}}")
    name, fields = next(iter(entry.items()))
    if name in rules.ALIASES and registry is rules.REGISTRY:
        if not isinstance(fields, float | int) or not 0 <= fields <= 1:
            raise RecipeError(f"{document.where((*path, name))}: expected a share between 0 and 1, as in {{{name}: 0.95}}")
        name, fields = rules.ALIASES[name](fields)
    if name not in registry:
        raise RecipeError(f"{document.where((*path, str(name)))}: no such part; {did_you_mean(str(name), registry)}")
    return Part(name, _convert(document, (*path, name), fields or {}, registry[name]))


def _convert(document: Document, path: tuple[str | int, ...], fields: Any, struct: Any) -> Any:
    valid = struct.__struct_fields__
    if not isinstance(fields, dict):
        raise RecipeError(f"{document.where(path)}: expected fields, as in {{{valid[0]}: …}}; valid: {', '.join(valid)}")
    for key in fields:
        if key not in valid:
            raise RecipeError(f"{document.where((*path, str(key)))}: no such field; {did_you_mean(str(key), valid)}")
    try:
        return msgspec.convert(fields, struct)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$.")
        at = (*path, place.rstrip("`").split("[")[0]) if place else path
        given = f", found {fields.get(at[-1])!r}" if place else ""
        raise RecipeError(f"{document.where(at)}: {reason[0].lower()}{reason[1:]}{given}") from error
    except RecipeError as error:
        raise RecipeError(f"{document.where(path)}: {error}") from None


def _relaxations(
    document: Document, judged: tuple[Part[Any], ...], shortfall: Shortfall
) -> tuple[tuple[Part[Any], ...], ...]:
    path = ("shortfall", "steps")
    if shortfall.policy == "short":
        return ()
    if not shortfall.steps:
        raise RecipeError(
            f"{document.where(('shortfall',))}: policy relax needs steps, as in "
            "steps: [{relative_margin: {margin: 0.02}}, {relative_margin: {margin: 0}}]"
        )
    relaxations, current = [], judged
    for number, step in enumerate(shortfall.steps):
        for name, fields in step.items():
            present = [rule.name for rule in judged]
            if name not in present:
                where = document.where((*path, number, name))
                raise RecipeError(f"{where}: the recipe has no such rule; {did_you_mean(name, present)}")
            place = present.index(name)
            merged = {**msgspec.to_builtins(current[place].fields), **fields}
            relaxed = _convert(document, (*path, number, name), merged, rules.REGISTRY[name])
            current = (*current[:place], Part(name, relaxed), *current[place + 1 :])
        relaxations.append(current)
    return tuple(relaxations)
