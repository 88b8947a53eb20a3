"""A mined result: read it, export it, draw again, change its rules, ask it why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import pyarrow as pa

from foils._cache import chosen_cache
from foils.collection import Collection
from foils.constraints import Constraint
from foils.errors import FolderError, InputError
from foils.formats.frames import required
from foils.mining import answers, card, export, rejudge
from foils.mining.blocks import Shortfall, blocks, default_scores
from foils.mining.encoded import named_models, with_encoded
from foils.mining.explain import Explanation, explain
from foils.mining.fitted import warn_of_others
from foils.mining.folder import Temporary, chosen_or_temporary
from foils.mining.identity import GIVEN, Execution, Identity, differences
from foils.mining.layouts import layout
from foils.mining.prepare import Prepared, VectorSources, bind, prepare, vectors_by_name
from foils.mining.run import Progress
from foils.mining.stored import Result
from foils.mining.summary import summarise
from foils.mining.weighing import Float32, negative_log_weights
from foils.positives import Int64
from foils.recipes import Recipe
from foils.search import VectorSource
from foils.weights import Weight

Format = Literal["triplet", "n-tuple", "labeled-pair", "labeled-list", "tevatron", "flagembedding"]


class RowOptions(TypedDict, total=False):
    """What ``Mined.to`` and its kin take."""

    columns: Literal["text", "id"]
    shortfall: Shortfall
    scores: bool | str
    epoch: int


@dataclass(frozen=True, eq=False, repr=False)
class Mined:
    """A finished result folder.

    Attributes:
        result: its files.
        collection: what it was mined from, for texts; None where it was opened without.
        prepared: the data it was mined from, for searching deeper; None where it was opened without.
        execution: memory and threads for further work.
        temporary: keeps a folder that was not asked for.
    """

    result: Result
    collection: Collection | None = None
    prepared: Prepared | None = None
    execution: Execution = field(default_factory=Execution)
    temporary: Temporary | None = None

    @classmethod
    def open(
        cls,
        path: str | Path,
        collection: Collection | None = None,
        *,
        query_vectors: VectorSource | None = None,
        item_vectors: VectorSource | None = None,
        vectors: VectorSources | None = None,
        model: Any | None = None,
        models: Mapping[str, Any] | None = None,
        constraints: Sequence[Constraint] = (),
        execution: Execution | None = None,
        cache: str | Path | bool = True,
    ) -> Mined:
        """Open a result folder.

        Args:
            path: the folder.
            collection: what it was mined from; needed for texts and for ``deepen``.
            query_vectors: as given to ``mine``; needed for ``deepen``.
            item_vectors: as given to ``mine``.
            vectors: as given to ``mine``.
            model: as given to ``mine``; what the cache holds is not encoded again.
            models: as given to ``mine``.
            constraints: as given to ``mine``; needed for ``deepen`` if there were some.
            execution: memory and threads.
            cache: as given to ``mine``.

        Raises:
            FolderError: no finished result is there, or it was mined from other data or vectors.
        """
        result, execution = Result(Path(path)), execution or Execution()
        if collection is None:
            return cls(result, None, None, execution)
        identity, digest = result.identity, collection.digest(result.identity.split)
        if identity.inputs.get(GIVEN) == digest:  # for its texts; what was found lies not over it
            return cls(result, collection, None, execution)
        _refuse_other(result, {"collection": digest})
        given, folder = vectors_by_name(query_vectors, item_vectors, vectors), chosen_cache(choice=cache)
        bound = bind(constraints, collection)
        if constraints:
            _refuse(result, differences({"constraints": identity.constraints}, {"constraints": bound.digests}))
        given = with_encoded(given, result.recipe, collection, named_models(model, models), folder)
        if (result.recipe.reads() and not given) or (identity.constraints and not constraints):
            return cls(result, collection, None, execution)
        prepared = prepare(
            collection, result.recipe, given, negatives=identity.negatives, split=identity.split,
            seed=identity.seed, execution=execution, constraints=bound, cache=folder,
        )  # fmt: skip
        _refuse_other(result, prepared.identity.inputs)
        return cls(result, collection, prepared, execution)

    def __repr__(self) -> str:
        """Say what was mined and where, without its data."""
        return f"Mined({str(self.path)!r}: {summarise(self.result).partition(chr(10))[0]})"

    @property
    def path(self) -> Path:
        """The folder."""
        return self.result.path

    @property
    def identity(self) -> Identity:
        """What the result follows from."""
        return self.result.identity

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return self.result.recipe

    @property
    def stats(self) -> dict[str, Any]:
        """Counts, warnings, time and memory."""
        return self.result.stats

    @property
    def negatives(self) -> pa.Table:
        """The table of negatives, one row per unit; columns as in docs/format.md."""
        return self.result.negatives()

    @property
    def needs_deeper(self) -> list[str]:
        """Units that the stored candidates are not deep enough for, by unit id."""
        table = self.result.candidates(["unit_id", "needs_deeper"])
        ids: list[str] = table.filter(table["needs_deeper"])["unit_id"].to_pylist()
        return ids

    def found_positives(
        self, column: str, threshold: float = 0.5, provenance: Literal["llm", "human"] = "llm"
    ) -> pa.Table:
        """List the candidates that a judge takes for positives, for ``Collection.with_found`` (RLHN's relabelling).

        Args:
            column: of probabilities; with two judges, the strong one's: what it was not asked about is not found.
            threshold: least probability.
            provenance: who says so.

        Returns:
            Columns anchor_id, item_id, grade (1), provenance and p; each pair once. Trusted negatives are left out.

        Raises:
            InputError: there is no such column of probabilities, or candidates were not stored.
        """
        return answers.found_positives(self.result, column, threshold, provenance)

    def unscored(self) -> pa.Table:
        """List the pairs that an LLM was to judge and gave no score: column, anchor_id, item_id, role.

        Raises:
            InputError: candidates were not stored.
        """
        return answers.unscored(self.result)

    def to(
        self,
        format: Format,
        *,
        columns: Literal["text", "id"] = "text",
        shortfall: Shortfall = "short",
        scores: bool | str = False,
        epoch: int = 0,
    ) -> pa.Table:
        """Give training rows as a PyArrow table.

        Args:
            format: ``triplet``, ``n-tuple``, ``labeled-pair``, ``labeled-list`` (as sentence-transformers reads them),
                ``tevatron`` or ``flagembedding``; docs/how-to/export.md shows the columns of each.
            columns: ``text`` (title and text of the collection; positives with empty text are left out) or ``id``.
            shortfall: what to do with units that have fewer negatives than asked for: ``short`` keeps what there is
                (an n-tuple holds nulls), ``drop`` leaves them out.
            scores: True = beside each text the score that the sampler ordered by, the positive's in the same units;
                or the name of another column of scores, as of a reranker.
            epoch: whose draw to use.

        Raises:
            InputError: ``text`` without a collection, or there are no such scores.
        """
        options = RowOptions(columns=columns, shortfall=shortfall, scores=scores, epoch=epoch)
        return pa.concat_tables(self.stream(format, **options))

    def stream(self, format: Format, **options: Unpack[RowOptions]) -> Iterator[pa.Table]:
        """Give training rows a shard at a time; options as of ``to``."""
        columns, scores = options.get("columns", "text"), options.get("scores", False)
        if columns not in ("text", "id"):
            raise InputError(f"there are no columns {columns!r}; use text or id")
        lay_out = layout(format)
        if columns == "text":
            self._require_texts()
        column = default_scores(self.result) if scores is True else scores or None
        units = blocks(
            self.result,
            self.collection if columns == "text" else None,
            epoch=options.get("epoch", 0),
            shortfall=options.get("shortfall", "short"),
            scores=column,
        )
        return (lay_out(block, self.identity.negatives) for block in units)

    def write(self, path: str | Path, format: Format, **options: Unpack[RowOptions]) -> int:
        """Write training rows to a .jsonl, .csv (both also .gz) or .parquet file, in memory for one shard.

        The file is there whole or not at all. Cells of CSV that a spreadsheet would run get an apostrophe in front.

        Args:
            path: the file; the folder is made where it is missing.
            format: as of ``to``.
            **options: as of ``to``.

        Returns:
            The number of rows.

        Raises:
            InputError: see ``to``; or the suffix is unknown, or CSV is to hold lists.
            FolderError: the file cannot be written.
        """
        return export.write_rows(self.stream(format, **options), Path(path))

    def write_card(
        self, path: str | Path, format: Format, licence: str, rows: int, **options: Unpack[RowOptions]
    ) -> Path:
        """Write README.md, a data-set card, beside a file of rows: recipe, counts, digests, how they were checked.

        Args:
            path: the file of rows.
            format: its format.
            licence: of the texts, such as ``cc-by-4.0``; yours to state.
            rows: how many rows it has, as ``write`` says.
            **options: as of ``to``.

        Raises:
            InputError: the licence is no name.
            FolderError: the folder has a README.md of somebody else.
        """
        return card.write_card(self.result, Path(path), licence, {"format": format, **options}, rows)

    def to_pandas(self, format: Format, **options: Unpack[RowOptions]) -> Any:
        """Give training rows as a pandas.DataFrame; options as of ``to``."""
        required("pandas")
        return self.to(format, **options).to_pandas()

    def to_polars(self, format: Format, **options: Unpack[RowOptions]) -> Any:
        """Give training rows as a polars.DataFrame; options as of ``to``."""
        return required("polars").from_arrow(self.to(format, **options))

    def to_datasets(self, format: Format, **options: Unpack[RowOptions]) -> Any:
        """Give training rows as a datasets.Dataset, as trainers take it; options as of ``to``."""
        return required("datasets").Dataset(self.to(format, **options))

    def rows(self, collection: Collection, split: str | None = None) -> tuple[Int64, Int64]:
        """Give the negatives as rows of the collection: int64[U] anchors, int64[U, M] items, −1 = absent.

        Args:
            collection: what they were mined from.
            split: the split that they must have been mined for; None = any.

        Raises:
            InputError: it is not the collection that they were mined from, or they were mined for another split.
        """
        if split not in (None, self.identity.split):
            raise InputError(f"{self.path} was mined for the split {self.identity.split!r}, not for {split!r}")
        if self.identity.inputs["collection"] != collection.digest(self.identity.split):
            raise InputError(
                f"{self.path} was mined from other data than this; give the data that it was mined from, "
                "and the same found positives, if there were some"
            )
        return export.negative_rows(self.negatives, collection, self.identity.negatives)

    def log_weights(self, weights: Weight) -> Float32:
        """Say how much each negative counts: float32[U, M], as ``rows``; 0 = full, −∞ = out, and where absent.

        Args:
            weights: see ``foils.weights``.

        Raises:
            InputError: ``p_positive`` is not calibrated, or candidates or scores that it needs are not stored.
        """
        return negative_log_weights(self.result, weights)

    def sample(self, epoch: int) -> pa.Table:
        """Draw for another epoch from the stored survivors, without mining again; epoch 0 is ``negatives``.

        A sampler without noise (``top_k``) gives the same in every epoch, and so does a pool that holds no more than
        the negatives asked for (``uniform`` and ``popularity`` by default: give them a larger ``k``).
        """
        return rejudge.sample(self.result, epoch)

    def rethreshold(
        self, settings: Sequence[str], out: str | Path | None = None, progress: Progress | None = None
    ) -> Mined:
        """Judge the stored candidates by other rules or another ``p_positive``, into a new folder.

        ``needs_deeper`` of the result names the units that it cannot decide.

        Args:
            settings: overrides, ``part.name.field=value``.
            out: the new folder; default: a temporary one.
            progress: called with (units done, units in all).

        Raises:
            RecipeError: a setting is not valid, or changes where candidates come from.
        """
        warn_of_others(settings, self.recipe, self.identity.inputs)
        path, temporary = chosen_or_temporary(out)
        rejudge.rethreshold(self.result, settings, path, self.execution, progress)
        result = Result(path)
        prepared = None if self.prepared is None else self.prepared.with_recipe(result.recipe)
        return replace(self, result=result, prepared=prepared, temporary=temporary)

    def deepen(self, out: str | Path | None = None, progress: Progress | None = None) -> Mined:
        """Search deeper for the units in ``needs_deeper``, into a new folder: the tables of a fresh run.

        Raises:
            InputError: it was opened without its collection or vectors.
        """
        if self.prepared is None:
            raise InputError(
                "to search deeper, open the result with its collection and vectors, and the constraints if there were "
                "some: Mined.open(path, collection, query_vectors=…, item_vectors=…, constraints=[…])"
            )
        path, temporary = chosen_or_temporary(out)
        rejudge.deepen(self.result, self.prepared, path, self.execution, progress)
        return replace(self, result=Result(path), temporary=temporary)

    def _require_texts(self) -> None:
        if self.collection is None:
            raise InputError(
                "this result was opened without its collection, so there are no texts; "
                "give it to Mined.open, or ask for columns='id'"
            )
        for what, records in (("anchors", self.collection.anchors), ("items", self.collection.items)):
            if records.texts is None and records.payloads is None:
                raise InputError(f"the {what} of this collection have no texts; ask for columns='id'")

    def explain(self, unit: str) -> Explanation:
        """Tell the story of one unit: its positives, its candidates, what the rules said, what was drawn.

        Raises:
            InputError: there is no such unit.
        """
        return explain(self.result, unit, self.collection)

    def summary(self) -> str:
        """Say in a few lines what was mined, what is short and how hard it is."""
        return summarise(self.result)


def _refuse_other(result: Result, inputs: dict[str, str]) -> None:
    """Raise a FolderError if the result was mined from other inputs than these."""
    mined_from = {name: result.identity.inputs.get(name) for name in inputs}
    _refuse(result, differences(mined_from, inputs))


def _refuse(result: Result, changed: list[str]) -> None:
    if changed:
        listed = "\n  ".join(changed)
        raise FolderError(f"{result.path} was mined from other data:\n  {listed}\ngive what it was mined from")
