"""Mine again where items were appended: the result of a fresh run, without searching again what was searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foils._cache import chosen_cache
from foils.collection import Collection, require_collection
from foils.constraints import Constraint, Resolved
from foils.encoders import Encoder
from foils.errors import DataError, FolderError, InputError
from foils.mining.appended import Bool, Earlier, Extended, items_within, rows_of
from foils.mining.asking import announce, before_start
from foils.mining.budget import require_memory
from foils.mining.encoded import named_models, with_encoded
from foils.mining.folder import chosen_or_temporary, refuse_foreign
from foils.mining.identity import Execution, differences
from foils.mining.mined import Mined
from foils.mining.prepare import Prepared, VectorSources, bind, prepare, vectors_by_name
from foils.mining.run import Progress, run
from foils.mining.shard import all_rows
from foils.mining.stored import Result
from foils.positives import Relation
from foils.records import Records
from foils.search import VectorSource
from foils.sources import Dense


def extend(
    mined: Mined,
    collection: Collection,
    *,
    model: str | Encoder | Any | None = None,
    models: Mapping[str, str | Encoder | Any] | None = None,
    query_vectors: VectorSource | None = None,
    item_vectors: VectorSource | None = None,
    vectors: VectorSources | None = None,
    constraints: Sequence[Constraint] = (),
    out: str | Path | None = None,
    execution: Execution | None = None,
    cache: str | Path | bool = True,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Mined:
    """Mine for a collection that has grown at its end: the tables of ``mine``, byte for byte, for less work.

    Recipe, negatives, split and seed are those of the result. Its items must be the first of the collection, with the
    same ids, texts and vectors. The appended items are searched and merged with the stored candidates. An anchor is
    searched in full where it is newly mined for, has a new positive among the first items, or is short of candidates
    that were never searched for.

    Args:
        mined: the result to take up, of a recipe whose source is ``dense``.
        collection: the same anchors, the same items and others behind them, more positives or none.
        model: as given to ``mine``, of all items; what the cache holds is not encoded again.
        models: as given to ``mine``.
        query_vectors: as given to ``mine``.
        item_vectors: as given to ``mine``, of all items.
        vectors: as given to ``mine``.
        constraints: as given to ``mine``.
        out: folder of the new result; default: a temporary one.
        execution: memory, threads and blocks; none changes the result.
        cache: as given to ``mine``.
        fresh: discard what an earlier run of ours left in ``out``.
        progress: called with (units done, units in all).

    Raises:
        InputError: the recipe cannot be extended, or the data is not what was mined before with items appended.
    """
    result, execution, folder = mined.result, execution or Execution(), chosen_cache(choice=cache)
    path, temporary = chosen_or_temporary(out)
    refuse_foreign(path)
    if path.resolve() == result.path.resolve():
        raise InputError(f"{path} is the result that is to be extended; give another folder for the new one")
    require_extendable(result, require_collection(collection))
    bound = bind(constraints, collection)
    given = vectors_by_name(query_vectors, item_vectors, vectors)
    given = with_encoded(given, result.recipe, collection, named_models(model, models), folder)
    prepared = _prepare(result, collection, given, bound, execution, folder)
    require_memory(prepared, execution)
    identity = prepared.identity
    announce(before_start(collection, prepared.recipe, negatives=identity.negatives, split=identity.split))
    earlier = Earlier.of(result, _changed(prepared, _before(prepared, result, constraints, execution)))
    search = prepared.search()
    source = Extended.of(search.source, earlier, execution.search)  # type: ignore[arg-type]

    def providers(span: slice) -> Any:
        shard = search.of(span)
        return [(replace(shard, source=source.within(shard.units)), all_rows(span))]

    facts = replace(search, source=source).facts  # type: ignore[arg-type]
    run(prepared.job(providers, facts, search.stop), path, execution, fresh=fresh, progress=progress)
    return Mined(Result(path), collection, prepared, execution, temporary)


def _prepare(
    result: Result,
    collection: Collection,
    vectors: VectorSources,
    constraints: Resolved,
    execution: Execution,
    cache: Path | None,
) -> Prepared:
    """Prepare a run as that of the result was, on other data."""
    identity = result.identity
    return prepare(
        collection, result.recipe, vectors, negatives=identity.negatives, split=identity.split, seed=identity.seed,
        execution=execution, constraints=constraints, cache=cache,
    )  # fmt: skip


def require_extendable(result: Result, collection: Collection) -> None:
    """Check, before long work, that a result can be extended to the items of a collection, as far as ids tell.

    Raises:
        InputError: what its source finds for a pair follows from other items too.
        DataError: its items are not the first of the collection.
    """
    source = result.recipe.source
    if not isinstance(source.fields, Dense):
        raise InputError(
            f"{result.path} was mined from the source {source.name}, which gives other candidates or scores when items "
            "are appended; only dense can be extended. Mine again, into another folder"
        )
    before, now = result.names.items, collection.items.ids
    if len(now) < len(before):
        raise DataError(
            f"the collection has {len(now):,} items, and {result.path} was mined from {len(before):,}; items may only "
            "be appended. Mine again where some are gone"
        )
    same = pc.equal(now.slice(0, len(before)), before.cast(pa.large_string())).to_numpy(zero_copy_only=False)
    if not same.all():
        row = int(np.argmin(same))
        raise DataError(
            f"item {row} (from 0) is {now[row].as_py()!r:.60}, and {before[row].as_py()!r:.60} in {result.path}; items "
            "may only be appended, behind those that were there. Restore their order, or mine again"
        )


def _before(prepared: Prepared, result: Result, constraints: Sequence[Constraint], execution: Execution) -> Prepared:
    """Prepare the run of the result again, from the first items of the data.

    A digest tells equality and nothing else. So what the result was mined from is rebuilt of what is given now: the
    items that it had, without positives that it did not know. If its digests come out, it was this.

    Raises:
        FolderError: they do not, or something else was other than now; names what.
    """
    collection, count = prepared.collection, len(result.names.items)
    units, judged, split = result.units, prepared.collection.judgements, result.identity.split
    known = Relation.from_pairs(units.pair_anchors(), units.positives, len(collection.anchors))
    positive = (judged.grades > 0) & (judged.splits == judged.split_names.index(split))
    kept = (judged.items < count) & (~positive | known.contains(judged.anchors, judged.items))
    columns = {name: getattr(judged, name)[kept] for name in ("anchors", "items", "grades", "splits")}
    first = replace(
        collection,
        items=_first(collection.items, count),
        judgements=replace(judged, **columns),
        item_groups=None if collection.item_groups is None else collection.item_groups[:count],
    )
    matrices = {
        name: (anchors, rows_of(items, 0, count)) for name, (anchors, items) in prepared.inputs.matrices.items()
    }
    try:
        bound = bind(constraints, first)
    except DataError as error:
        raise DataError(f"among the {count:,} items of {result.path}, constraints do not hold: {error}") from error
    before = _prepare(result, first, matrices, bound, execution, None)
    changed = differences(msgspec.structs.replace(result.identity, derived=None).data(), before.identity.data())
    if changed:
        listed = "\n  ".join(changed)
        raise FolderError(
            f"{result.path} cannot be extended; of its {count:,} items, and of all anchors, this differs:\n  {listed}\n"
            "ids, texts, vectors and judged pairs must be those that it was mined from, but for new positives: give "
            "them, or mine again"
        )
    return before


def _first(records: Records, count: int) -> Records:
    """Keep the first records, without a copy."""
    texts, titles, payloads = (
        None if column is None else column.slice(0, count)
        for column in (records.texts, records.titles, records.payloads)
    )
    fields = {name: column.slice(0, count) for name, column in records.fields.items()}
    return Records(records.ids.slice(0, count), texts, titles, payloads, fields, records.payload_folder)


def _changed(prepared: Prepared, before: Prepared) -> Bool:
    """Tell the anchors to which other items are forbidden than before, among the first: bool[A]."""
    was, every = before.inputs.forbidden.known, prepared.inputs.forbidden.known
    now = items_within(every, 0, before.inputs.forbidden.n_items)
    changed = np.zeros(len(now.indptr) - 1, bool)
    for one, other in ((was, now), (now, was)):
        rows, items = one.coordinates()
        changed[rows[~other.contains(rows, items)]] = True
    return changed
