"""``foils advise``."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from foils import advising
from foils.advising import AdviceSettings
from foils.advising.text import describe
from foils.cli.console import note, progress_of_stages, say, say_json
from foils.cli.data import AS_THEY_ARE, Columns, Data, Split, read, require_positives
from foils.cli.options import Json, Memory, Seed, Threads, Whole, memory_bytes
from foils.cli.vectors import NOWHERE, Cache, NoCache, VectorsOf, check_files, choose_cache
from foils.mining import Execution

DEFAULT = AdviceSettings()

Kinds = Annotated[
    Literal["static", "adapter"],
    Parameter(help="What is trained. [default: adapter with a model or vectors, else static]"),
]
Anchors = Annotated[Whole, Parameter(help="Queries that are used at most; a third of them to evaluate.")]
Items = Annotated[Whole, Parameter(help="Items that are used at most, those that are judged first.")]
Seeds = Annotated[Whole, Parameter(help="Trainings per kind of negatives.")]
Negatives = Annotated[Whole, Parameter(help="Negatives per query.")]
Effect = Annotated[float, Parameter(help="Smallest difference of nDCG@10 that would be worth the work.")]


def advise(
    data: Data,
    /,
    *,
    kind: Kinds | None = None,
    vectors: VectorsOf = NOWHERE,
    anchors: Anchors = DEFAULT.anchors,
    items: Items = DEFAULT.items,
    seeds: Seeds = DEFAULT.seeds,
    negatives: Negatives = DEFAULT.negatives,
    smallest_effect: Effect = DEFAULT.smallest_effect,
    split: Split = "train",
    named: Columns = AS_THEY_ARE,
    seed: Seed = 0,
    memory: Memory = "2GB",
    threads: Threads = 2,
    cache: Cache | None = None,
    no_cache: NoCache = False,
    json: Json = False,
) -> None:
    r"""Try out on a sample whether mining pays here, and which recipe.

    Trains with in-batch negatives only, then with uniform, nearest and
    checked nearest ones beside them, from the same start, several times, and
    compares on queries that were held out. "Mining does not pay here" is one
    of the answers, "this sample cannot tell" is another.

    Examples:
        foils advise scifact

        foils advise scifact --model minilm --seeds 10

        foils advise scifact --query-vectors q.npy --corpus-vectors c.npy \
          --anchors 2000 --smallest-effect 0.02
    """
    settings = AdviceSettings(seeds, negatives, anchors, items, smallest_effect)
    execution = Execution(memory_bytes=memory_bytes(memory), threads=threads)
    kept = choose_cache(cache, no_cache=no_cache)
    vectors.check()
    check_files(*vectors.files)
    advising.chosen_kind(kind, frozen=vectors.model is not None or vectors.query_vectors is not None)
    encoder = vectors.open(kept)
    collection = read(data, named)
    require_positives(collection, split)
    if encoder is not None and kept is not None:
        note(f"vectors are kept in {kept}; what is there is not encoded again")
    with progress_of_stages() as report:
        advice = advising.advise(
            collection, kind=kind, model=encoder, query_vectors=vectors.query_vectors,
            item_vectors=vectors.corpus_vectors, split=split, settings=settings, seed=seed, execution=execution,
            cache=kept or False, progress=report,
        )  # fmt: skip
    if json:
        say_json(advice.data())
        return
    say(describe(advice))
    if advice.recipe is not None:
        note(f"next: foils plan DATA --recipe {advice.recipe} --negatives {negatives}, then foils mine")
