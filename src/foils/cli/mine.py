"""``foils mine``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from foils import mining, recipes
from foils.cli import limits
from foils.cli.calibrate import Calibrated, note_other_inputs, note_other_scores, with_calibration
from foils.cli.console import note, progress, say, say_json, without_log
from foils.cli.data import AS_THEY_ARE, Columns, Data, Split, note_evaluation_split, read, require_positives
from foils.cli.found import FoundFile, overlaid
from foils.cli.options import Json, Model, Search, Seed, Whole, encode, memory_bytes
from foils.cli.out import Fresh, Out, check_result_folder, check_same_run
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
from foils.collection import Collection
from foils.encoders import Encoder
from foils.errors import FolderError
from foils.mining import Execution, Mined, asking
from foils.mining.extend import require_extendable
from foils.mining.identity import differences
from foils.mining.prepare import bind, check_window
from foils.recipes import Recipe
from foils.search import MODEL

Recipes = Annotated[str, Parameter(help="Name of a recipe (see: foils recipes), or a .yaml file.")]
Negatives = Annotated[Whole, Parameter(help="Negatives per query.", validator=Number(gte=1, lte=1_000_000))]
Settings = Annotated[
    list[str],
    Parameter(name="--set", negative=(), help="Change a field of the recipe: part.name.field=value. May be repeated."),
]
Extended = Annotated[
    Path,
    Parameter(help="Result to take up, of the same recipe and the first of these items; only new ones are searched."),
]
Memory = Annotated[str, Parameter(help="For blocks of vectors, scores and candidates: a size such as 500MB.")]
Threads = Annotated[Whole, Parameter(help="Worker threads.", validator=Number(gte=1))]


def mine(
    data: Data,
    /,
    *,
    recipe: Recipes,
    negatives: Negatives,
    out: Out,
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
    split: Split = "train",
    named: Columns = AS_THEY_ARE,
    seed: Seed = 0,
    set: Settings | None = None,
    calibration: Calibrated | None = None,
    extend: Extended | None = None,
    memory: Memory = "2GB",
    threads: Threads = 2,
    search: Search = "auto",
    cache: Cache | None = None,
    no_cache: NoCache = False,
    fresh: Fresh = False,
    json: Json = False,
) -> None:
    r"""Mine hard negatives for every query that has a positive, and check them.

    The recipe says where candidates come from, which are rejected and which
    are drawn. Most recipes compare vectors: give a model, or two files of
    vectors. Only the positives of the split are known to the miner.

    Constraints decide which items a query may get at all, before anything is
    ranked: of the same tenant, published before the question was asked.

    An interrupted run goes on where it stopped when the same command is given
    again. Where items were appended to the data, --extend takes up the result
    of those before, and gives what mining all of them gives.

    Examples:
        foils mine scifact --recipe nv-retriever --model minilm \
          --negatives 8 --out runs/a

        foils mine scifact --recipe naive-top-k --negatives 8 --out runs/b \
          --query-vectors q.npy --corpus-vectors c.npy \
          --set source.dense.similarity=dot --set source.dense.k=200

        foils mine tickets --recipe nv-retriever --model minilm \
          --negatives 8 --out runs/c --same language --before date \
          --deny reviewed.tsv

        foils mine grown --recipe nv-retriever --model minilm \
          --negatives 8 --out runs/d --extend runs/a
    """
    execution = Execution(memory_bytes=memory_bytes(memory), threads=threads, search=search)
    loaded = recipes.load(recipe, with_calibration(set or (), calibration))
    note_other_scores(calibration, loaded)
    check_result_folder(out)
    kept = choose_cache(cache, no_cache=no_cache)
    files, encoders = choose_vectors(
        loaded, model, query_vectors, corpus_vectors, encoders=encoder or (), query_prompt=query_prompt,
        corpus_prompt=corpus_prompt, precision=precision, cache=kept,
    )  # fmt: skip
    if loaded.loss is not None and (recipe not in recipes.names() or any(one.startswith("loss") for one in set or ())):
        note(f"the recipe's loss ({loaded.loss.name}) is for training; mining does not use it")
    collection = overlaid(read(data, named, split=split), found, split)
    require_positives(collection, split)
    note_evaluation_split(split, "these negatives come")
    limited = limits.constraints(same=same, different=different, before=before, after=after, allow=allow, deny=deny)
    bound = bind(limited, collection)
    check_window(loaded.bound(len(collection.items)), negatives)
    chosen = {"negatives": negatives, "split": split, "seed": seed}
    if encoders and not fresh:
        known = {"recipe": loaded.resolved(), "collection": collection.digest(split), "constraints": bound.digests}
        check_same_run(out, {**chosen, **known})
    earlier = None if extend is None else _earlier(extend, collection, loaded, chosen)
    for line in asking.before_start(collection, loaded.bound(len(collection.items)), negatives=negatives, split=split):
        note(line)
    vectors = _encoded(encoders, collection, kept)
    mined, worked = _mined(
        earlier, collection, {"recipe": loaded, **chosen}, query_vectors=files[0], item_vectors=files[1],
        vectors=vectors, constraints=limited, out=out, execution=execution, fresh=fresh, cache=kept or False,
    )  # fmt: skip
    note_other_inputs(calibration, mined.identity.inputs)
    if not worked:
        note(f"{out} is finished already; nothing was mined again")
    if json:
        say_json({"out": str(out), "stats": mined.stats, "identity": mined.identity.data()})
        return
    say(f"{mined.summary()}\nwritten to {out}: negatives.parquet, and why each candidate was kept or rejected")
    given, written = shlex.quote(str(data)) + named.words(), shlex.quote(str(out))
    if collection.anchors.texts is None or collection.items.texts is None:
        note(f"next: foils export {written} --columns id --format triplet --out FILE")
        return
    of_split = "" if split == "train" else f" --split {shlex.quote(split)}"
    of_split += "" if found is None else f" --found {shlex.quote(str(found))}"
    note(f"next: foils train {given} --mined {written}{of_split} --kind static --out MODEL")


def _encoded(encoders: dict[str, Encoder], collection: Collection, kept: Path | None) -> dict[str, tuple[Any, Any]]:
    """Encode by every model, and say where the vectors are kept."""
    if encoders and kept is not None:
        note(f"vectors are kept in {kept}; what is there is not encoded again")
    names = {name: "" if name == MODEL else name for name in encoders}
    return {name: encode(encoder, collection, kept, name=names[name]) for name, encoder in encoders.items()}


def _earlier(path: Path, collection: Collection, recipe: Recipe, chosen: Mapping[str, Any]) -> Mined:
    """Open a result that is to be extended.

    Raises:
        FolderError: it is no result, or was mined in another way than this run; says in what they differ.
        InputError: it cannot be extended.
    """
    mined = Mined.open(path)
    require_extendable(mined.result, collection)
    now = {"recipe": recipe.bound(len(collection.items)).resolved(), **chosen}
    there = mined.identity.data()
    changed = differences({name: there[name] for name in now}, now)
    if changed:
        listed = "\n  ".join(changed)
        raise FolderError(f"--extend {path} was mined otherwise:\n  {listed}\ngive the same, or leave --extend out")
    return mined


def _mined(
    earlier: Mined | None, collection: Collection, chosen: Mapping[str, Any], **options: Any
) -> tuple[Mined, bool]:
    """Mine or extend with progress, and tell whether there was anything left to do."""
    worked = False
    with progress("mining", before="finished before") as report, without_log(asking.LOGGER):  # it was said already

        def step(done: int, total: int) -> None:
            nonlocal worked
            worked = True
            report(done, total)

        if earlier is None:
            mined = mining.mine(collection, progress=step, **chosen, **options)
        else:
            mined = mining.extend(earlier, collection, progress=step, **options)
    return mined, worked
