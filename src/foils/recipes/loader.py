"""Load recipes: by name from this folder, or from a file of the user's; validated before anything runs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import msgspec

from foils import calibrators, rules, samplers, scorers, sources
from foils.errors import RecipeError, did_you_mean
from foils.ranks import is_amount
from foils.recipes import losses
from foils.recipes.document import Document, override, parse
from foils.recipes.document import Path as Place
from foils.recipes.recipe import Paper, Part, Recipe, Shortfall, check_columns

FIELDS = (
    "summary", "aliases", "paper", "per", "source", "scorers", "p_positive", "rules", "sampler", "loss", "shortfall",
    "fidelity", "evidence",
)  # fmt: skip

REGISTRIES: Mapping[str, Mapping[str, Any]] = {
    "source": sources.REGISTRY,
    "scorers": scorers.REGISTRY,
    "p_positive": calibrators.REGISTRY,
    "rules": rules.REGISTRY,
    "sampler": samplers.REGISTRY,
}


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
        RecipeError: unknown recipe, part or field, a value out of range, or parts that do not fit together; the message
            says where (file and line) and names the nearest valid choice.
    """
    known, label, text = _text(name)
    return build(override(parse(text, label), settings), known)


def from_resolved(data: dict[str, Any], label: str) -> Recipe:
    """Build the recipe that a result folder was made with from what ``Recipe.resolved`` gave."""
    return build(Document(label, data), label)


def override_resolved(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """Change fields of a loaded recipe; what was measured of it no longer holds. See ``load`` for the errors."""
    changed = build(override(Document(recipe.name, recipe.resolved()), settings), recipe.name)
    return msgspec.structs.replace(
        changed, summary=recipe.summary, loss=recipe.loss, paper=recipe.paper, fidelity=recipe.fidelity
    )


def _text(name: str | Path) -> tuple[str, str, str]:
    """Give the recipe's name, what messages call its file, and its text."""
    if not isinstance(name, str | Path):
        raise RecipeError(
            f"the recipe is of the type {type(name).__name__}; expected a recipe's name, the path of a .yaml file, or "
            "what foils.recipes.load gave; to try out fields, give settings; write one of your own to a file, for "
            "instance by Path('mine.yaml').write_text(json.dumps(recipe))"
        )
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        try:
            return str(name), str(name), path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise RecipeError(f"recipe file {path}: cannot be read: {error}; give the path of a .yaml file") from error
    folder = resources.files("foils.recipes")
    wanted = str(name)
    for known in names():
        text = (folder / f"{known}.yaml").read_text(encoding="utf-8")
        aliases = parse(text, known).data.get("aliases", [])
        if wanted == known or wanted.replace("-", "_") in aliases:
            return known, f"recipes/{known}.yaml", text
    raise RecipeError(
        f"there is no recipe {wanted!r}; {did_you_mean(wanted, names())}; or give the path of a .yaml file"
    )


def build(document: Document, name: str) -> Recipe:
    """Turn a document into a recipe; see ``load`` for the errors."""
    data = document.data
    _check_fields(document)
    shortfall = _convert(document, ("shortfall",), data.get("shortfall", {}), Shortfall)
    judged = _parts(document, "rules", rules.REGISTRY)
    recipe = Recipe(
        name=name,
        summary=data.get("summary", ""),
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
        evidence=data.get("evidence"),
        p_positive=_calibrator(document),
    )
    check_columns(recipe, document.where)
    return recipe


def _check_fields(document: Document) -> None:
    data = document.data
    for key in data:
        if key not in FIELDS:
            raise RecipeError(f"{document.where((key,))}: {_unknown(key, data)}")
    for key in ("source", "sampler"):
        if key not in data:
            raise RecipeError(f"{document.file}: {key} is missing; a recipe needs a source and a sampler")
    for key in ("summary", "fidelity", "evidence"):
        if not isinstance(data.get(key, ""), str):
            raise RecipeError(f"{document.where((key,))}: expected text, found {data[key]!r:.80}; put it in quotes")
    aliases = data.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise RecipeError(f"{document.where(('aliases',))}: expected a list of names, as in [perc_pos]")
    if data.get("per", "anchor") not in ("anchor", "pair"):
        raise RecipeError(f"{document.where(('per',))}: {data['per']!r:.80} is not valid; use anchor or pair")


def _unknown(key: str, data: Mapping[str, Any]) -> str:
    """Say what to do about a key at the top that no recipe has: most often one that belongs elsewhere."""
    if key == "constraints":
        return (
            "constraints are no part of a recipe, for they depend on the data; give them to the run: --same FIELD, "
            "--before FIELD, --allow FILE …, or constraints=[…] of foils.mine"
        )
    full = sorted({*_fields_called(key, data), *_part_called(key, data)})
    if full:
        return f"no such field at the top; did you mean {' or '.join(full)}?"
    return f"no such field; {did_you_mean(key, FIELDS)}"


def _fields_called(name: str, data: Mapping[str, Any]) -> Iterator[str]:
    """Write in full, as ``--set`` takes them, the fields of this name of the parts that a recipe has."""
    for family, part in _present(data):
        struct = REGISTRIES[family].get(part)
        if struct is not None and name in struct.__struct_fields__:
            yield f"{family}.{part}.{name}"


def _part_called(name: str, data: Mapping[str, Any]) -> Iterator[str]:
    return (f"{family}.{part}" for family, part in _present(data) if part == name)


def _present(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """List the parts of a recipe: family and name."""
    for family in REGISTRIES:
        held = data.get(family)
        entries = held if isinstance(held, list) else [held]
        yield from ((family, str(name)) for entry in entries if isinstance(entry, dict) for name in entry)


def _parts(document: Document, key: str, registry: Mapping[str, Any]) -> tuple[Part[Any], ...]:
    entries = document.data.get(key, [])
    if not isinstance(entries, list):
        example = next(iter(registry))
        raise RecipeError(f"{document.where((key,))}: expected a list of parts, as in [{{{example}: {{}}}}]")
    return tuple(_part(document, (key, number), entry, registry) for number, entry in enumerate(entries))


def _calibrator(document: Document) -> Part[Any] | None:
    given = document.data.get("p_positive")
    return None if given is None else _part(document, ("p_positive",), given, calibrators.REGISTRY)


def _part(document: Document, path: Place, entry: Any, registry: Mapping[str, Any]) -> Part[Any]:
    if not isinstance(entry, dict) or len(entry) != 1:
        example = next(iter(registry))
        raise RecipeError(f"{document.where(path)}: expected one part by name, as in {{{example}: {{}}}}")
    name, fields = next(iter(entry.items()))
    path = (*path, str(name))
    if name in rules.ALIASES and registry is rules.REGISTRY:
        if isinstance(fields, bool) or not isinstance(fields, float | int) or not 0 <= fields <= 1:
            problem = f"expected a share between 0 and 1, as in {{{name}: 0.95}}, found {fields!r:.80}"
            raise RecipeError(f"{document.where(path)}: {problem}")
        name, fields = rules.ALIASES[name](fields)
    if name not in registry:
        raise RecipeError(f"{document.where(path)}: no such part; {did_you_mean(str(name), registry)}")
    return Part(name, _convert(document, path, {} if fields is None else fields, registry[name]))


def _convert(document: Document, path: Place, fields: Any, struct: Any) -> Any:
    valid = struct.__struct_fields__
    if not isinstance(fields, dict):
        given = f"expected fields, as in {{{valid[0]}: …}}, found {fields!r:.80}; valid: {', '.join(valid)}"
        raise RecipeError(f"{document.where(path)}: {given}")
    for key, value in fields.items():
        if key not in valid:
            raise RecipeError(f"{document.where((*path, str(key)))}: no such field; {did_you_mean(str(key), valid)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise RecipeError(f"{document.where((*path, key))}: expected a finite number, found {value}")
    for steps, value, nested in _nested(fields, struct):
        _convert(document, (*path, *steps), value, nested)  # for its message, which then names the place
    try:
        return msgspec.convert(fields, struct)
    except msgspec.ValidationError as error:
        raise RecipeError(_complaint(document, path, fields, struct, str(error))) from error
    except RecipeError as error:
        raise RecipeError(f"{document.where(path)}: {error}") from None


def _nested(fields: dict[str, Any], struct: Any) -> Iterator[tuple[Place, Any, Any]]:
    """List the structs within a struct's fields: where they stand, what was given, and their type."""
    for field in msgspec.structs.fields(struct):
        value = fields.get(field.name)
        for option in get_args(field.type) if isinstance(field.type, UnionType) else (field.type,):
            if _is_struct(option) and isinstance(value, dict):
                yield (field.name,), value, option
            if get_origin(option) is tuple and _is_struct(get_args(option)[0]) and isinstance(value, list):
                yield from (((field.name, place), entry, get_args(option)[0]) for place, entry in enumerate(value))


def _is_struct(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, msgspec.Struct)


def _complaint(document: Document, path: Place, fields: dict[str, Any], struct: Any, error: str) -> str:
    """Say msgspec's ``Expected `float` <= 1.0 - at `$.margin` `` with line, value and valid choices."""
    reason, _, place = error.partition(" - at `$.")
    steps = tuple(int(number) if number else name for name, number in re.findall(r"(\w+)|\[(\d+)\]", place))
    where = document.where((*path, *steps))
    if not steps:
        return f"{where}: {reason}"
    value = fields.get(str(steps[0]))
    types = {field.name: field.type for field in msgspec.structs.fields(struct)}
    kind = types[str(steps[0])]
    if get_origin(kind) is Literal:
        return f"{where}: {value!r:.80} is not valid; {did_you_mean(str(value), get_args(kind))}"
    given = f", found {value!r:.80}" if len(steps) == 1 else ""
    if is_amount(kind) and isinstance(value, str):
        return f"{where}: expected a whole number, or a share of the items between 0% and 100%, as in 4%{given}"
    reason = reason.replace("int | str", "int").replace("str | int", "int")
    return f"{where}: {reason[0].lower()}{reason[1:]}{given}"


def _relaxations(
    document: Document, judged: tuple[Part[Any], ...], shortfall: Shortfall
) -> tuple[tuple[Part[Any], ...], ...]:
    path = ("shortfall", "steps")
    if shortfall.policy == "short" and shortfall.steps:
        raise RecipeError(f"{document.where(path)}: steps need policy: relax; under policy: short nothing is loosened")
    if shortfall.policy == "relax" and not shortfall.steps:
        raise RecipeError(
            f"{document.where(('shortfall',))}: policy relax needs steps, as in "
            "steps: [{relative_margin: {margin: 0.02}}, {relative_margin: {margin: 0}}]"
        )
    relaxations, current = [], judged
    present = [rule.name for rule in judged]
    for number, step in enumerate(shortfall.steps):
        for name, fields in step.items():
            here = (*path, number, name)
            if name not in present:
                hint = did_you_mean(name, present) if present else "it has no rules"
                raise RecipeError(f"{document.where(here)}: the recipe has no such rule; {hint}")
            if present.count(name) > 1:
                raise RecipeError(f"{document.where(here)}: the recipe has this rule twice; a step cannot tell which")
            place = present.index(name)
            merged = {**msgspec.to_builtins(current[place].fields), **fields}
            relaxed = _convert(document, here, merged, rules.REGISTRY[name])
            current = (*current[:place], Part(name, relaxed), *current[place + 1 :])
        relaxations.append(current)
    return tuple(relaxations)
