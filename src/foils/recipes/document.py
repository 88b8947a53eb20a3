"""A YAML document with the line of every entry, so that errors can point at it."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from foils.errors import RecipeError, did_you_mean

Path = tuple[str | int, ...]

PLAIN = tuple(f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null"))
"""What a document may hold; dates, sets and objects are refused."""
SHOWN = 120
"""Characters of a setting in a message: a calibration is one of thousands."""


@dataclass(frozen=True)
class Document:
    """Plain data, and where each entry of it comes from.

    Attributes:
        file: name for messages.
        data: nested dicts, lists and scalars.
        origins: path → ``file:line``, or the override that set it.
    """

    file: str
    data: dict[str, Any]
    origins: Mapping[Path, str] = field(default_factory=dict)

    def where(self, path: Path) -> str:
        """Say where an entry stands: the nearest known origin, and the path itself."""
        known = next((path[:n] for n in range(len(path), -1, -1) if path[:n] in self.origins), ())
        if len(known) < len(path):  # an entry that came into being for what an override set below it
            known = next((below for below in self.origins if below[: len(path)] == path), known)
        return f"{self.origins.get(known, self.file)}: {spell(path)}" if path else self.file


def spell(path: Path) -> str:
    """Write a path as ``rules[0].relative_margin.margin``."""
    text = ""
    for step in path:
        name = step if isinstance(step, int) or step.isprintable() else repr(step)
        text += f"[{name}]" if isinstance(step, int) else f".{name}" if text else str(name)
    return text


def parse(text: str, file: str) -> Document:
    """Read a document through YAML's safe loader.

    Raises:
        RecipeError: not valid YAML, not a mapping, a key given twice or that is not text, an alias, or a tag for
            anything but plain data.
    """
    origins: dict[Path, str] = {}
    try:
        loader = _Loader(text)
        tree = loader.get_single_node()
        _locate(tree, (), file, origins)
        data = None if tree is None else loader.construct_document(tree)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise RecipeError(f"{file}{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    except (ValueError, LookupError, RecursionError) as error:  # PyYAML lets them through
        raise RecipeError(f"{file}: not valid YAML: {str(error) or type(error).__name__}") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{file}: expected a mapping with source and sampler, found {type(data).__name__}")
    return Document(file, data, origins)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader without aliases: nested ones grow exponentially, and recursive ones never end."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(
                problem="aliases (*) are not allowed; write it out", problem_mark=self.get_mark()
            )
        return super().compose_node(parent, index)


def _locate(node: yaml.Node | None, path: Path, file: str, origins: dict[Path, str]) -> None:
    if node is None:
        return
    line = f"{file}:{node.start_mark.line + 1}"
    if node.tag not in PLAIN:
        tag = spell((node.tag.removeprefix("tag:yaml.org,2002:"),))
        raise RecipeError(f"{line}: {spell(path)} is of the type {tag}; use text, numbers, lists and mappings")
    origins[path] = line
    if isinstance(node, yaml.SequenceNode):
        for number, child in enumerate(node.value):
            _locate(child, (*path, number), file, origins)
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            line = f"{file}:{key.start_mark.line + 1}"
            if key.tag != "tag:yaml.org,2002:str":
                raise RecipeError(f"{line}: the key {key.value!r} is not text; use a name, or put it in quotes")
            here = (*path, str(key.value))
            if here in origins:
                raise RecipeError(f"{line}: {spell(here)} is given twice; leave one out")
            _locate(child, here, file, origins)


def override(document: Document, settings: Sequence[str]) -> Document:
    """Apply ``part.name.field=value`` settings, in order.

    The value is read as JSON, else as YAML. A rule or scorer is found in its list by name: its own, or its kind's.

    Raises:
        RecipeError: a setting has no ``=``, names a part that the recipe does not have or has twice, or a field of a
            plain value.
    """
    if isinstance(settings, str):
        raise RecipeError(f"settings is one text, {settings!r:.80}; expected a list of them")
    if isinstance(settings, Mapping) or not all(isinstance(setting, str) for setting in settings):
        raise RecipeError(
            f"settings is {settings!r:.80}; expected a list of texts, as in ['rules.relative_margin.margin=0.1']"
        )
    data = copy.deepcopy(document.data)
    origins = dict(document.origins)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not all(name.split(".")):
            raise RecipeError(
                f"--set {setting}: expected part.name.field=value, as in rules.relative_margin.margin=0.1"
            )
        steps = _resolve(data, name.split("."), setting)
        holder: Any = data
        for step in steps[:-1]:
            holder = _inside(holder, step)
        if not isinstance(holder, dict):
            whole = spell(steps[:-1])
            raise RecipeError(f"--set {setting}: {whole} has no fields; set it as a whole, as in {whole}=JSON")
        holder[str(steps[-1])] = _value(text, setting)
        origins = {path: origin for path, origin in origins.items() if path[: len(steps)] != steps}
        origins[steps] = f"--set {setting if len(setting) <= SHOWN else setting[: SHOWN - 1] + '…'}"
    return Document(document.file, data, origins)


def _inside(holder: Any, step: str | int) -> Any:
    """Go one step down; a part that is named without fields gets room for them, a plain value has none."""
    if isinstance(holder, list) and isinstance(step, int):
        return holder[step]
    if not isinstance(holder, dict):
        return None
    if holder.get(step) is None:
        holder[step] = {}
    return holder[step]


def _value(text: str, setting: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        try:
            return yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, LookupError, RecursionError) as error:
            raise RecipeError(f"--set {setting}: the value {text!r:.80} is neither JSON nor YAML") from error


def _resolve(data: dict[str, Any], names: list[str], setting: str) -> Path:
    """Turn names into a path: in a list of parts, and in a single part, the part's name must be there."""
    part, rest = names[0], names[1:]
    held = data.get(part)
    if part in ("rules", "scorers") and rest and not held:
        raise RecipeError(
            f"--set {setting}: this recipe has no {part}; choose a recipe that has, or write your own file"
        )
    if isinstance(held, list) and rest:
        present = [next(iter(entry), "") if isinstance(entry, dict) else "" for entry in held]
        called = [_called(entry, kind) for entry, kind in zip(held, present, strict=True)]
        if called.count(rest[0]) == 1:
            place = called.index(rest[0])
            return (part, place, present[place], *rest[1:])
        if rest[0] not in present:
            raise RecipeError(f"--set {setting}: this recipe has no {part}.{rest[0]}; {did_you_mean(rest[0], called)}")
        if present.count(rest[0]) > 1:
            alike = [name for name, kind in zip(called, present, strict=True) if kind == rest[0]]
            mend = f"name one: {', '.join(alike)}" if len({*alike}) > 1 else f"set {part} as a whole, in JSON"
            raise RecipeError(f"--set {setting}: this recipe has {part}.{rest[0]} twice; {mend}")
        return (part, present.index(rest[0]), *rest)
    mixed = held.get("mixture") if part == "source" and isinstance(held, dict) else None
    if isinstance(mixed, dict) and rest and rest[0] != "mixture":
        return ("source", "mixture", "of", *_within_mixture(mixed, rest, setting))
    if part in ("source", "p_positive", "sampler", "loss") and isinstance(held, dict) and rest and rest[0] not in held:
        raise RecipeError(f"--set {setting}: this recipe has no {part}.{rest[0]}; {did_you_mean(rest[0], held)}")
    return tuple(names)


def _called(entry: Any, kind: Any) -> str:
    """Give the name that a part goes by: its own, or that of its kind."""
    fields = entry.get(kind) if isinstance(entry, dict) else None
    return str(fields.get("name", kind)) if isinstance(fields, dict) else str(kind)


def _within_mixture(mixture: dict[str, Any], names: list[str], setting: str) -> Path:
    """Find a source of a mixture by the name it goes by: ``source.dense.k`` reaches the one called dense."""
    parts = [next(iter(entry.items())) for entry in mixture.get("of") or () if isinstance(entry, dict) and entry]
    kinds = [str(kind) for kind, _ in parts]
    called = [_called({kind: fields}, kind) for kind, fields in parts]
    if called.count(names[0]) != 1:
        raise RecipeError(
            f"--set {setting}: this recipe's mixture has no source {names[0]}; {did_you_mean(names[0], called)}"
        )
    place = called.index(names[0])
    return (place, kinds[place], *names[1:])
