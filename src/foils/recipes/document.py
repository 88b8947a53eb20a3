"""A YAML document with the line of every entry, so that errors can point at it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from foils.errors import RecipeError, did_you_mean

Path = tuple[str | int, ...]


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
        return f"{self.origins.get(known, self.file)}: {spell(path)}" if path else self.file


def spell(path: Path) -> str:
    """Write a path as ``rules[0].relative_margin.margin``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def parse(text: str, file: str) -> Document:
    """Read a document through YAML's safe loader.

    Raises:
        RecipeError: not valid YAML, not a mapping, or a key given twice.
    """
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise RecipeError(f"{file}{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(data, dict):
        raise RecipeError(f"{file}: expected a mapping with source and sampler, found {type(data).__name__}")
    origins: dict[Path, str] = {}
    _locate(tree, (), file, origins)
    return Document(file, data, origins)


def _locate(node: yaml.Node | None, path: Path, file: str, origins: dict[Path, str]) -> None:
    if node is None:
        return
    origins[path] = f"{file}:{node.start_mark.line + 1}"
    if isinstance(node, yaml.SequenceNode):
        for number, child in enumerate(node.value):
            _locate(child, (*path, number), file, origins)
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            here = (*path, str(key.value))
            if here in origins:
                raise RecipeError(f"{file}:{key.start_mark.line + 1}: {spell(here)} is given twice; leave one out")
            _locate(child, here, file, origins)


def override(document: Document, settings: Sequence[str]) -> Document:
    """Apply ``part.name.field=value`` settings, in order.

    The value is read as JSON, else as YAML. A rule or scorer is found in its list by name.

    Raises:
        RecipeError: a setting has no ``=``, or names a part that the recipe does not have.
    """
    data: dict[str, Any] = json.loads(json.dumps(document.data))
    origins = dict(document.origins)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not all(name.split(".")):
            raise RecipeError(f"--set {setting}: expected part.name.field=value, as in rules.relative_margin.margin=0.1")
        steps = _resolve(data, name.split("."), setting)
        holder: Any = data
        for step in steps[:-1]:
            holder = holder[step] if isinstance(step, int) else holder.setdefault(step, {})
            if not isinstance(holder, dict | list):
                raise RecipeError(f"--set {setting}: {spell(steps[:-1])} is a plain value; it has no fields")
        holder[steps[-1]] = _value(text, setting)
        origins[steps] = f"--set {setting}"
    return Document(document.file, data, origins)


def _value(text: str, setting: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise RecipeError(f"--set {setting}: the value {text!r} is neither JSON nor YAML") from error


def _resolve(data: dict[str, Any], names: list[str], setting: str) -> Path:
    """Turn names into a path: in a list of parts, and in a single part, the part's name must be there."""
    part, rest = names[0], names[1:]
    held = data.get(part)
    if isinstance(held, list) and rest:
        present = [next(iter(entry), "") for entry in held if isinstance(entry, dict)]
        if rest[0] not in present:
            raise RecipeError(f"--set {setting}: this recipe has no {part}.{rest[0]}; {did_you_mean(rest[0], present)}")
        return (part, present.index(rest[0]), *rest)
    if part in ("rules", "scorers") and rest:
        raise RecipeError(f"--set {setting}: this recipe has no {part}; choose a recipe that has, or write your own file")
    if part in ("source", "sampler", "loss") and isinstance(held, dict) and rest and rest[0] not in held:
        raise RecipeError(f"--set {setting}: this recipe has no {part}.{rest[0]}; {did_you_mean(rest[0], held)}")
    return tuple(names)
