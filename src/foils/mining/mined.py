"""A mined result: read it, export it, draw again, change its rules, ask it why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from foils.collection import Collection
from foils.errors import FolderError, InputError
from foils.mining import export, rejudge
from foils.mining.explain import Explanation, explain
from foils.mining.folder import Temporary, chosen_or_temporary
from foils.mining.identity import Execution, Identity, differences
from foils.mining.prepare import Prepared, VectorSource, VectorSources, prepare, vectors_by_name
from foils.mining.run import Progress
from foils.mining.stored import Result
from foils.mining.summary import summarise
from foils.positives import Int64
from foils.recipes import Recipe


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
        execution: Execution | None = None,
    ) -> Mined:
        """Open a result folder.

        Args:
            path: the folder.
            collection: what it was mined from; needed for texts and for ``deepen``.
            query_vectors: as given to ``mine``; needed for ``deepen``.
            item_vectors: as given to ``mine``.
            vectors: as given to ``mine``.
            execution: memory and threads.

        Raises:
            FolderError: no finished result is there, or it was mined from other data or vectors.
        """
        result, execution = Result(Path(path)), execution or Execution()
        if collection is None:
            return cls(result, None, None, execution)
        identity = result.identity
        _refuse_other(result, {"collection": collection.digest(identity.split)})
        given = vectors_by_name(query_vectors, item_vectors, vectors)
        if result.recipe.columns() and not given:
            return cls(result, collection, None, execution)
        prepared = prepare(
            collection, result.recipe, given, negatives=identity.negatives, split=identity.split,
            seed=identity.seed, execution=execution,
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

    def to(
        self,
        format: Literal["triplet", "n-tuple"],
        *,
        columns: Literal["text", "id"] = "text",
        shortfall: Literal["short", "drop"] = "short",
        epoch: int = 0,
    ) -> pa.Table:
        """Give training rows.

        Args:
            format: ``triplet`` = (anchor, positive, negative), one row per positive and negative;
                ``n-tuple`` = (anchor, positive, negative_1 … negative_M), one row per positive.
            columns: ``text`` (title and text of the collection; rows whose positive has empty text are left out) or
                ``id``.
            shortfall: what to do with units that have fewer negatives than asked for: ``short`` keeps what there is
                (an n-tuple holds nulls), ``drop`` leaves them out.
            epoch: whose draw to use.

        Raises:
            InputError: ``text`` without a collection.
        """
        if columns not in ("text", "id"):
            raise InputError(f"there are no columns {columns!r}; use text or id")
        table = self.negatives if epoch == 0 else self.sample(epoch)
        rows = export.training_rows(table, format, self.identity.negatives, shortfall)
        if columns == "id":
            return rows
        if self.collection is None:
            raise InputError(
                "this result was opened without its collection, so there are no texts; "
                "give it to Mined.open, or ask for columns='id'"
            )
        return export.with_texts(rows, self.collection)

    def rows(self, collection: Collection) -> tuple[Int64, Int64]:
        """Give the negatives as rows of the collection: int64[U] anchors, int64[U, M] items, −1 = absent.

        Raises:
            InputError: it is not the collection that they were mined from.
        """
        if self.identity.inputs["collection"] != collection.digest(self.identity.split):
            raise InputError(f"{self.path} was mined from other data than this; give the data that it was mined from")
        return export.negative_rows(self.negatives, collection, self.identity.negatives)

    def sample(self, epoch: int) -> pa.Table:
        """Draw for another epoch from the stored survivors, without mining again; epoch 0 is ``negatives``.

        A sampler without noise (``top_k``) gives the same in every epoch, and so does a pool that holds no more than
        the negatives asked for (``uniform`` and ``popularity`` by default: give them a larger ``k``).
        """
        return rejudge.sample(self.result, epoch)

    def rethreshold(
        self, settings: Sequence[str], out: str | Path | None = None, progress: Progress | None = None
    ) -> Mined:
        """Judge the stored candidates by other rules, into a new folder; ``needs_deeper`` names what it cannot decide.

        Args:
            settings: overrides, ``part.name.field=value``.
            out: the new folder; default: a temporary one.
            progress: called with (units done, units in all).

        Raises:
            RecipeError: a setting is not valid, or changes where candidates come from.
        """
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
                "to search deeper, open the result with its collection and vectors: "
                "Mined.open(path, collection, query_vectors=…, item_vectors=…)"
            )
        path, temporary = chosen_or_temporary(out)
        rejudge.deepen(self.result, self.prepared, path, self.execution, progress)
        return replace(self, result=Result(path), temporary=temporary)

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
    changed = differences(mined_from, inputs)
    if changed:
        listed = "\n  ".join(changed)
        raise FolderError(f"{result.path} was mined from other data:\n  {listed}\ngive what it was mined from")
