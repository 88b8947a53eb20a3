"""``foils plan``."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foils import planning, recipes
from foils.cli import limits
from foils.cli.calibrate import Calibrated, with_calibration
from foils.cli.console import note, say, say_json
from foils.cli.data import AS_THEY_ARE, Columns, Data, Split, read, require_positives
from foils.cli.found import FoundFile, overlaid
from foils.cli.mine import Memory, Negatives, Recipes, Settings, Threads
from foils.cli.options import Json, Model, Search, Seed, memory_bytes
from foils.cli.out import check_result_folder
from foils.cli.vectors import (
    Cache,
    CorpusPrompt,
    CorpusVectors,
    Encoders,
    NoCache,
    PrecisionOf,
    QueryPrompt,
    QueryVectors,
    choose_cache,
    choose_vectors,
)
from foils.mining import Execution
from foils.planning import Plan, Stage
from foils.planning.text import describe, size

PlannedOut = Annotated[Path, Parameter(help="Where the result would go; nothing is written, only its room is checked.")]


def plan(
    data: Data,
    /,
    *,
    recipe: Recipes,
    negatives: Negatives,
    out: PlannedOut | None = None,
    model: Model | None = None,
    query_vectors: QueryVectors | None = None,
    corpus_vectors: CorpusVectors | None = None,
    encoder: Encoders | None = None,
    query_prompt: QueryPrompt | None = None,
    corpus_prompt: CorpusPrompt | None = None,
    precision: PrecisionOf = "auto",
    same: limits.Sames | None = None,
    different: limits.Differents | None = None,
    before: limits.Befores | None = None,
    after: limits.Afters | None = None,
    allow: limits.Allows | None = None,
    deny: limits.Denies | None = None,
    found: FoundFile | None = None,
    calibration: Calibrated | None = None,
    split: Split = "train",
    named: Columns = AS_THEY_ARE,
    seed: Seed = 0,
    set: Settings | None = None,
    memory: Memory = "2GB",
    threads: Threads = 2,
    search: Search = "auto",
    cache: Cache | None = None,
    no_cache: NoCache = False,
    json: Json = False,
) -> None:
    r"""Say what foils mine would take, before it runs: time, memory, disk, judges.

    Takes the options of foils mine. Each stage is carried out for about a
    second on a little of the data and scaled up; nothing is mined or written.
    What the cache holds already is not counted again.

    Examples:
        foils plan scifact --recipe nv-retriever --model minilm --negatives 8

        foils plan scifact --recipe naive-top-k --negatives 8 --memory 500MB \
          --query-vectors q.npy --corpus-vectors c.npy --json
    """
    execution = Execution(memory_bytes=memory_bytes(memory), threads=threads, search=search)
    loaded = recipes.load(recipe, with_calibration(set or (), calibration))
    if out is not None:
        check_result_folder(out)
    kept = choose_cache(cache, no_cache=no_cache)
    files, encoders = choose_vectors(
        loaded, model, query_vectors, corpus_vectors, encoders=encoder or (), query_prompt=query_prompt,
        corpus_prompt=corpus_prompt, precision=precision, cache=kept,
    )  # fmt: skip
    started = time.perf_counter()
    collection = overlaid(read(data, named, split=split), found, split)
    reading = Stage("reading the data", len(collection.items), "items", time.perf_counter() - started)
    require_positives(collection, split)
    limited = limits.constraints(same=same, different=different, before=before, after=after, allow=allow, deny=deny)
    planned = planning.plan(
        collection, loaded, negatives=negatives, models=encoders, query_vectors=files[0], item_vectors=files[1],
        constraints=limited, split=split, seed=seed, execution=execution, cache=kept or False,
    ).after([reading])  # fmt: skip
    if json:
        say_json(planned.data())
        return
    say(describe(planned))
    if out is not None:
        _note_room(planned, out)


def _note_room(planned: Plan, out: Path) -> None:
    """Say whether the result fits on its disk."""
    nearest = next(path for path in (out, *out.absolute().parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    fits = "which is enough" if free > planned.disk_bytes else "which is TOO LITTLE"
    note(f"free where {out} would be: {size(free)}, {fits}")
