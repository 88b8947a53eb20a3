"""``foils mine``."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from foils import mining, recipes
from foils.cli.console import note, progress, say, say_json
from foils.cli.options import Data, Json, Model, Seed, Split, Whole, encode, memory_bytes, read, require_positives
from foils.cli.out import Fresh, Out, check_result_folder, check_same_run
from foils.cli.vectors import CorpusVectors, QueryVectors, choose_vectors
from foils.collection import Collection
from foils.mining import Execution, Mined
from foils.recipes import Recipe

Recipes = Annotated[str, Parameter(help="Name of a recipe (see: foils recipes), or a .yaml file.")]
Negatives = Annotated[Whole, Parameter(help="Negatives per query.", validator=Number(gte=1, lte=1_000_000))]
Settings = Annotated[
    list[str],
    Parameter(name="--set", negative=(), help="Change a field of the recipe: part.name.field=value. May be repeated."),
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
    split: Split = "train",
    seed: Seed = 0,
    set: Settings | None = None,
    memory: Memory = "2GB",
    threads: Threads = 2,
    fresh: Fresh = False,
    json: Json = False,
) -> None:
    r"""Mine hard negatives for every query that has a positive, and check them.

    The recipe says where candidates come from, which are rejected and which
    are drawn. Most recipes compare vectors: give a model, or two files of
    vectors. Only the positives of the split are known to the miner.

    An interrupted run goes on where it stopped when the same command is given
    again.

    Examples:
        foils mine scifact --recipe nv-retriever --model minilm \
          --negatives 8 --out runs/a

        foils mine scifact --recipe naive-top-k --negatives 8 --out runs/b \
          --query-vectors q.npy --corpus-vectors c.npy \
          --set source.dense.similarity=dot --set source.dense.k=200
    """
    execution = Execution(memory_bytes=memory_bytes(memory), threads=threads)
    loaded = recipes.load(recipe, set or ())
    check_result_folder(out)
    files, encoder = choose_vectors(loaded, model, query_vectors, corpus_vectors)
    if loaded.loss is not None:
        note(f"the recipe's loss ({loaded.loss.name}) is for training; mining does not use it")
    collection = read(data)
    require_positives(collection, split)
    if encoder is not None and not fresh:
        chosen = {"recipe": loaded.resolved(), "negatives": negatives, "split": split, "seed": seed}
        check_same_run(out, {**chosen, "collection": collection.digest(split)})
    queries, items = files if encoder is None else encode(encoder, collection)
    mined, worked = _mined(
        collection, loaded, negatives=negatives, query_vectors=queries, item_vectors=items, split=split, seed=seed,
        out=out, execution=execution, fresh=fresh,
    )  # fmt: skip
    if not worked:
        note(f"{out} is finished already; nothing was mined again")
    if json:
        say_json({"out": str(out), "stats": mined.stats, "identity": mined.identity.data()})
        return
    say(f"{mined.summary()}\nwritten to {out}: negatives.parquet, and why each candidate was kept or rejected")
    given, written = shlex.quote(str(data)), shlex.quote(str(out))
    named = "" if split == "train" else f" --split {shlex.quote(split)}"
    note(f"next: foils train {given} --mined {written}{named} --kind static --out MODEL")


def _mined(collection: Collection, recipe: Recipe, **options: Any) -> tuple[Mined, bool]:
    """Mine with progress, and tell whether there was anything left to do."""
    worked = False
    with progress("mining") as report:

        def step(done: int, total: int) -> None:
            nonlocal worked
            worked = True
            report(done, total)

        mined = mining.mine(collection, recipe, progress=step, **options)
    return mined, worked
