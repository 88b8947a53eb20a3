"""A recipe: parts by name with their fields, checked as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from foils.calibrators import Calibrator
from foils.candidates import RESERVED, Kind, Referring
from foils.errors import RecipeError, did_you_mean
from foils.ranks import bound
from foils.recipes.document import Path
from foils.rules import MaxScore, Rule
from foils.samplers import Resample, Sampler
from foils.scorers import Banded, Scorer
from foils.sources import Source

T = TypeVar("T")


@runtime_checkable
class Partial(Protocol):
    """A source that may give a column scores of only some of its candidates."""

    partial: ClassVar[bool]


class Part(NamedTuple, Generic[T]):
    """A part and the name it is registered under."""

    name: str
    fields: T


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a method was published."""

    title: str
    year: int


class Shortfall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to a unit with fewer negatives than asked for, after the search went as deep as it may.

    ``short`` keeps what there is; ``relax`` applies the steps one after another, each a change to fields of the
    recipe's rules, until the unit has enough. (``drop`` is a choice at export.)
    """

    policy: Literal["short", "relax"] = "short"
    steps: tuple[dict[str, dict[str, Any]], ...] = ()


class Recipe(msgspec.Struct, frozen=True):
    """A method as data.

    Attributes:
        name: name of the recipe, or the path of its file.
        summary: one sentence.
        per: what gets its own negatives, an ``anchor`` with all its positives or a ``pair``.
        source: where candidates come from.
        scorers: what else is said about them.
        rules: which may be used.
        sampler: which are used.
        relaxations: the rules after each step of relaxing; empty under the policy ``short``.
        loss: the loss of the paper; not applied when mining.
        shortfall: what happens to units that come out short.
        paper: where the method was published.
        fidelity: what is approximated.
        evidence: what was measured of the paper's claim, and where it is written down; None = unmeasured.
        p_positive: how scores become the probability of an unlabelled positive; None = uncalibrated.
    """

    name: str
    summary: str
    per: Literal["anchor", "pair"]
    source: Part[Source]
    scorers: tuple[Part[Scorer], ...]
    rules: tuple[Part[Rule], ...]
    sampler: Part[Sampler]
    relaxations: tuple[tuple[Part[Rule], ...], ...]
    loss: Part[msgspec.Struct] | None
    shortfall: Shortfall
    paper: Paper | None
    fidelity: str | None
    evidence: str | None
    p_positive: Part[Calibrator] | None = None

    def resolved(self) -> dict[str, Any]:
        """Give the recipe with every default filled in, as JSON-ready data; what identifies a run."""
        part = _part_data
        return {
            "per": self.per,
            "source": part(self.source),
            "scorers": [part(scorer) for scorer in self.scorers],
            **({} if self.p_positive is None else {"p_positive": part(self.p_positive)}),
            "rules": [part(rule) for rule in self.rules],
            "sampler": part(self.sampler),
            "shortfall": msgspec.json.decode(msgspec.json.encode(self.shortfall)),
        }

    def bound(self, n_items: int) -> Recipe:
        """Write numbers for shares of the items: the recipe for a collection of this size.

        Raises:
            RecipeError: a window holds no rank of so few items.
        """
        source = Part(self.source.name, _bound("source", self.source, n_items))
        sampler = Part(self.sampler.name, _bound("sampler", self.sampler, n_items))
        return msgspec.structs.replace(self, source=source, sampler=sampler)

    def reads(self) -> tuple[str, ...]:
        """Name the encoders whose vectors its parts read, in order, once each."""
        parts: tuple[Part[Any], ...] = (self.source, *self.scorers)
        return tuple(dict.fromkeys(name for part in parts for name in part.fields.reads()))

    def columns(self) -> dict[str, Kind]:
        """Name the score columns of the candidates with their kinds, in the order they are added."""
        given = (self.source.fields.columns(), *(scorer.fields.columns() for scorer in self.scorers))
        return {name: kind for columns in given for name, kind in columns.items()}

    def likenesses(self) -> list[str]:
        """Name the columns that nobody should order candidates by unless they say so."""
        return [name for part in self.scorers if not part.fields.relevance for name in part.fields.columns()]

    def ordered_by(self) -> str:
        """Name the column that the sampler orders by: what the table of negatives holds as ``scores``."""
        column = self.sampler.fields.column
        return next(reversed(self.columns()), "rank") if column is None else column


def _part_data(part: Part[Any]) -> dict[str, Any]:
    return {part.name: msgspec.json.decode(msgspec.json.encode(part.fields))}


def _bound(family: str, part: Part[T], n_items: int) -> T:
    try:
        return bound(part.fields, n_items)
    except RecipeError as error:
        raise RecipeError(f"{family}.{part.name}: in a collection of {n_items:,} items, {error}") from None


def check_columns(recipe: Recipe, where: Callable[[Path], str]) -> None:
    """Check that every rule and the sampler find a column of the kind that they need.

    Args:
        recipe: the recipe.
        where: says where an entry of the recipe stands.

    Raises:
        RecipeError: a column is missing, given twice or of a lesser kind; or ``reference: pair`` without ``per: pair``.
    """
    names = [*recipe.source.fields.columns(), *(name for part in recipe.scorers for name in part.fields.columns())]
    if len(set(names)) < len(names) or RESERVED & set(names):
        problem = f"columns need names of their own: {', '.join(names)} (reserved: {', '.join(sorted(RESERVED))})"
        raise RecipeError(f"{where(('scorers',))}: {problem}; set another name, or leave one out")
    _check_bands(recipe, where)
    _check_calibrator(recipe, where)
    sampler = recipe.sampler.fields
    if recipe.source.fields.random and sampler.window().counts_ranks:
        problem = f"a window of ranks needs a source that ranks, and {recipe.source.name} draws in random order"
        raise RecipeError(f"{where(('sampler', recipe.sampler.name))}: {problem}; leave the window out")
    for number, rule in enumerate(recipe.rules):
        _check_part(recipe, where(("rules", number, rule.name)), rule.fields)
    for step, rules in enumerate(recipe.relaxations):
        for rule in rules:
            _check_part(recipe, where(("shortfall", "steps", step, rule.name)), rule.fields)
    _check_part(recipe, where(("sampler", recipe.sampler.name)), recipe.sampler.fields)
    if isinstance(sampler, Resample):
        _check_part(recipe, where(("sampler", recipe.sampler.name, "base")), sampler.base.fields)


def _check_bands(recipe: Recipe, where: Callable[[Path], str]) -> None:
    """Check that a scorer that is asked about a band finds the band's column before its own."""
    earlier = dict(recipe.source.fields.columns())
    for number, part in enumerate(recipe.scorers):
        band = part.fields.band if isinstance(part.fields, Banded) else None
        if band is not None:
            at = where(("scorers", number, part.name, "band"))
            if band.column not in earlier:
                hint = did_you_mean(band.column, earlier) if earlier else "the source gives none"
                raise RecipeError(f"{at}: there is no column {band.column!r} before this scorer's own; {hint}")
            if not earlier[band.column].gives(band.needs):
                raise RecipeError(
                    f"{at}: a band in units of score needs a column of kind {band.needs}, and {band.column!r} gives "
                    f"{earlier[band.column]} only; set unit: deviations"
                )
        earlier.update(part.fields.columns())


def _check_calibrator(recipe: Recipe, where: Callable[[Path], str]) -> None:
    """Check that a calibrator finds its columns, and the positives that it measures from."""
    if recipe.p_positive is None:
        return
    at, columns = where(("p_positive", recipe.p_positive.name)), recipe.columns()
    for entry in recipe.p_positive.fields.inputs():
        if entry.column not in columns:
            hint = did_you_mean(entry.column, columns) if columns else "the recipe has none; add a scorer"
            raise RecipeError(f"{at}: there is no column {entry.column!r}; {hint}")
        if entry.reference == "pair" and recipe.per != "pair":
            raise RecipeError(
                f"{at}: reference pair needs 'per: pair' at the top of the recipe; or use min, max or mean"
            )


def _check_part(recipe: Recipe, where: str, fields: Rule | Sampler) -> None:
    if fields.column == "p_positive":
        return _check_use_of_p_positive(recipe, where, fields)
    columns = {"rank": Kind.RANK, **recipe.columns()}
    source = recipe.source.fields
    partial = isinstance(source, Partial) and source.partial and not recipe.scorers
    if partial and fields.column is None and "column" in getattr(fields, "__struct_fields__", ()):
        raise RecipeError(
            f"{where}: no column is named, and a column of this {recipe.source.name} has scores only for what its own "
            f"source found; add a scorer, as in scorers: [{{vectors: {{}}}}], or name one: {', '.join(columns)}"
        )
    name = next(reversed(columns)) if fields.column is None else fields.column
    if fields.column is None and name in recipe.likenesses():
        others = [column for column in columns if column not in recipe.likenesses()]
        raise RecipeError(
            f"{where}: no column is named, and the last one, {name!r}, tells how alike two texts are, not how well "
            f"they match; name one, as in column: {others[-1]}"
        )
    if name not in columns:
        raise RecipeError(f"{where}: there is no column {name!r}; {did_you_mean(name, columns)}")
    if fields.needs is not None and not columns[name].gives(fields.needs):
        raise RecipeError(
            f"{where}: needs a column of kind {fields.needs}, and {name!r} gives {columns[name]} only; "
            "add a scorer, for instance scorers: [{vectors: {}}]"
        )
    if isinstance(fields, MaxScore) and fields.otherwise is not None:
        if fields.otherwise not in columns:
            raise RecipeError(
                f"{where}.otherwise: there is no column {fields.otherwise!r}; {did_you_mean(fields.otherwise, columns)}"
            )
        if not columns[fields.otherwise].gives(fields.needs):
            raise RecipeError(
                f"{where}.otherwise: needs a column of kind {fields.needs}, and {fields.otherwise!r} gives "
                f"{columns[fields.otherwise]} only; name another"
            )
    if isinstance(fields, Referring) and fields.reference == "pair" and recipe.per != "pair":
        raise RecipeError(
            f"{where}: reference pair needs 'per: pair' at the top of the recipe; or use min, max or mean"
        )


def _check_use_of_p_positive(recipe: Recipe, where: str, fields: Rule | Sampler) -> None:
    """Check that somebody says how likely a candidate is a positive, and that the part asks for no more than that."""
    if recipe.p_positive is None:
        raise RecipeError(
            f"{where}: needs a calibrated p_positive, and this recipe has no calibrator: fit one to labels by "
            "foils calibrate RESULT --out calibration.json, and give --calibration calibration.json"
        )
    if fields.needs is None or isinstance(fields, Referring):
        raise RecipeError(
            f"{where}: p_positive is no score to draw by or to measure from a positive; name a score column: "
            f"{', '.join(recipe.columns())}"
        )
