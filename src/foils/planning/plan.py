"""Plan a run: check it as ``foils.mine`` would, measure a little of each stage, and scale up."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foils._cache import chosen_cache
from foils.collection import Collection
from foils.constraints import Constraint
from foils.encoders import Encoder
from foils.errors import InputError
from foils.mining.asking import budget_doubts, limits, remote
from foils.mining.budget import least_budget, require_memory
from foils.mining.encoded import named_models, opened_models
from foils.mining.identity import Execution, execution_of
from foils.mining.memory import anonymous_bytes
from foils.mining.mine import resolved_recipe
from foils.mining.prepare import Prepared, VectorSources, bind, check_request, check_window, prepare, vectors_by_name
from foils.mining.prepare import warnings as warnings_of
from foils.mining.sanity import complaints
from foils.planning import amounts
from foils.planning.approximate import Approximate, approximate_search
from foils.planning.encode import plan_encoding
from foils.planning.judge import plan_asking, plan_judging, without_cache
from foils.planning.parts import parts_of, probe_parts
from foils.planning.probe import Probe, probe
from foils.planning.result import Encoding, Judging, Plan, Stage
from foils.recipes import Recipe
from foils.search import MODEL, VectorSource
from foils.sources import Dense

UNKNOWN_DEPTH = (
    "how many units come out short and are searched deeper (up to {deepest} instead of {depth} candidates) shows only "
    "when {what} exist: mining may take longer, and the tables more room"
)
SIDES = {"anchors": "queries", "items": "corpus"}


def plan(
    collection: Collection,
    recipe: str | Path | Recipe,
    *,
    negatives: int,
    model: str | Encoder | Any | None = None,
    models: Mapping[str, str | Encoder | Any] | None = None,
    query_vectors: VectorSource | None = None,
    item_vectors: VectorSource | None = None,
    vectors: VectorSources | None = None,
    constraints: Sequence[Constraint] = (),
    split: str = "train",
    seed: int = 0,
    settings: Sequence[str] = (),
    execution: Execution | None = None,
    cache: str | Path | bool = True,
) -> Plan:
    """Say what ``foils.mine`` with the same arguments will take: time, memory, disk, texts to encode, pairs to judge.

    Each stage is measured for about a second, on this machine as busy as it is now, and scaled up. Nothing is mined,
    and no vector or score is kept, except a graph of neighbours that a plan has to build.

    Args:
        collection: see ``foils.mine``, as for all others.
        recipe: name or file of a recipe, or a loaded one.
        negatives: negatives per unit.
        model: encoder of the texts. What the cache holds is not counted; what it lacks is measured on a sample.
        models: further encoders by name.
        query_vectors: instead of a model, float[anchors, d] or an .npy file of them.
        item_vectors: float[items, d] or an .npy file of them.
        vectors: further encoders' vectors by name.
        constraints: which items an anchor may get at all.
        split: whose positives are mined for and excluded.
        seed: of the noise.
        settings: overrides of the recipe.
        execution: memory and threads.
        cache: folder where vectors and scores of texts are kept.

    Raises:
        InputError: what ``foils.mine`` would refuse, or a memory budget in which not even a block of one anchor and
            one item fits; the message names the smallest that works.
    """
    negatives, seed = check_request(negatives, split, seed)
    execution = execution_of(execution)
    given = vectors_by_name(query_vectors, item_vectors, vectors)
    if model is not None and MODEL in given:
        raise InputError("give a model, or query_vectors and item_vectors, not both")
    loaded = resolved_recipe(recipe, settings)
    bound = bind(constraints, collection)
    check_window(loaded.bound(len(collection.items)), negatives)
    folder = chosen_cache(choice=cache)
    before = anonymous_bytes()
    opened = opened_models(given, loaded, named_models(model, models), folder)
    encodings: list[Encoding] = []
    for name, encoder in opened.items():
        both, sides = plan_encoding(name, encoder, collection, folder)
        encodings += both
        given = {**given, name: sides}
    weights = max((anonymous_bytes() or 0) - (before or 0), 0) if opened else 0
    started = time.perf_counter()
    prepared = prepare(
        collection, loaded, given, negatives=negatives, split=split, seed=seed, execution=execution, constraints=bound,
        cache=folder,
    )  # fmt: skip
    checking = time.perf_counter() - started
    require_memory(prepared, execution)
    return _plan(_Start(prepared, execution, tuple(encodings), checking, weights))


@dataclass(frozen=True, eq=False)
class _Start:
    """A checked run, and what is known of it before the probe."""

    prepared: Prepared
    execution: Execution
    encodings: tuple[Encoding, ...]
    checking: float
    weights: int

    @property
    def unknown(self) -> bool:
        """Whether vectors do not exist yet."""
        return any(encoding.missing for encoding in self.encodings)


def _plan(start: _Start) -> Plan:
    prepared, execution = start.prepared, start.execution
    units = len(prepared.units)
    sizes = None if prepared.constraints.digests else parts_of(prepared.recipe, prepared.collection)
    if sizes is not None:
        probed = probe_parts(prepared, execution, sizes, first_look=start.unknown)
    else:
        probed = probe(prepared, execution, units=units, first_look=start.unknown)
    process = amounts.texts_bytes(prepared.collection) if probed.process_bytes is None else probed.process_bytes
    held = amounts.Held(max(process - start.weights, 0), start.weights)
    judgings, other = _judgings(probed, units), _approximate(start)
    return Plan(
        stages=(*_encoding_stages(start.encodings), *_mining_stages(start, probed, judgings)),
        encodings=start.encodings,
        judgings=judgings,
        memory=amounts.memory(prepared, execution, probed, start.encodings, held),
        budget=execution.memory_bytes,
        least_budget=least_budget(prepared, execution),
        tables=amounts.tables(prepared, probed),
        scratch=amounts.scratch(prepared, probed, start.encodings),
        units=units,
        probed_units=min(probed.units, units),
        calibration=(*_calibration(start, probed, partial=sizes is not None), *([str(other)] if other else ())),
        warnings=_warnings(start, probed),
    )


def _approximate(start: _Start) -> Approximate | None:
    """Look whether an approximate search would pay in place of an exact one."""
    prepared, source = start.prepared, start.prepared.recipe.source.fields
    if prepared.constraints.digests or not isinstance(source, Dense):
        return None
    return approximate_search(prepared.inputs, source, threads=start.execution.threads)


def _judgings(probed: Probe, units: int) -> tuple[Judging, ...]:
    found = []
    services = {name: fields for fields in remote(probed.run.recipe) for name in fields.columns()}
    for column, judge in probed.judges.items():
        pairs = probed.asked[column]
        if column in services:
            band = services[column].band
            if band is not None and band.column in probed.asked:  # what lies in the band shows when that judge is asked
                pairs = probed.asked[band.column]
            total = round(len(pairs[0]) * units / probed.units)
            collection = probed.run.collection
            found.append(plan_asking(services[column], judge, collection, pairs, total, column))
            continue
        name, scorer = without_cache(probed.run.recipe, column, probed.run.inputs)
        found.append(plan_judging(name, judge, scorer, pairs, round(len(pairs[0]) * units / probed.units)))
    return tuple(found)


def _encoding_stages(encodings: Sequence[Encoding]) -> list[Stage]:
    stages = []
    for one in encodings:
        by = "" if one.model == MODEL else f" by {one.model}"
        does = "encoding the" if one.missing else "reading kept vectors of the"
        stages.append(Stage(f"{does} {SIDES[one.side]}{by}", one.missing or one.texts, "texts", one.seconds))
    return stages


def _mining_stages(start: _Start, probed: Probe, judgings: Sequence[Judging]) -> list[Stage]:
    units, items = len(start.prepared.units), len(start.prepared.collection.items)
    return [
        Stage("checking and hashing", items, "items", start.checking),
        Stage("opening sources and indexes", items, "items", probed.opening_seconds),
        Stage("mining", units, "units", probed.unit_seconds * units),
        *(_judging_stage(one) for one in judgings),
        Stage("writing and joining", units, "units", probed.writing_seconds * units),
    ]


def _judging_stage(one: Judging) -> Stage:
    timed = "" if one.calls is None else ", not timed"
    return Stage(f"judging by {one.column}{timed}", one.pairs - one.known, "pairs", one.seconds)


def _calibration(start: _Start, probed: Probe, *, partial: bool) -> tuple[str, ...]:
    units = len(start.prepared.units)
    new = [one for one in start.encodings if one.missing]
    texts = [f"{one.probed:,} of {one.missing:,} texts of the {SIDES[one.side]} encoded" for one in new]
    said = [*texts, f"{min(probed.units, units):,} of {units:,} units mined"]
    if partial:
        said.append(f"indexes built for parts of the {len(start.prepared.collection.items):,} items, and carried on")
    return tuple(said)


def _warnings(start: _Start, probed: Probe) -> tuple[str, ...]:
    prepared = start.prepared
    negatives = prepared.identity.negatives
    said = [
        *(limits(fields) for fields in remote(prepared.recipe)),
        *budget_doubts(prepared.collection, prepared.recipe, negatives=negatives, split=prepared.identity.split),
        *([] if start.unknown else complaints(prepared.separations())),
        *warnings_of(prepared.recipe, prepared.units, negatives, prepared.constraints.facts),
        *probed.warnings,
    ]
    depth, deepest = prepared.recipe.source.fields.depths(negatives)
    if probed.first_look and deepest > depth and prepared.recipe.rules:
        what = "the vectors" if start.unknown else "the judgements"
        said.append(UNKNOWN_DEPTH.format(depth=f"{depth:,}", deepest=f"{deepest:,}", what=what))
    return tuple(said)
