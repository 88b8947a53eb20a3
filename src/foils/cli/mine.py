"""``foils mine``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foils import mining, recipes
from foils.cli.console import note, progress, say, say_json
from foils.cli.options import Data, Fresh, Json, Out, Seed, Split, encode, memory_bytes, read
from foils.errors import InputError
from foils.mining import Execution
from foils.mining.folder import refuse_foreign


def mine(
    data: Data,
    /,
    *,
    recipe: Annotated[str, Parameter(help="Name of a recipe (see: foils recipes), or a .yaml file.")],
    negatives: Annotated[int, Parameter(help="Negatives per anchor.")],
    out: Out,
    model: Annotated[str | None, Parameter(help="Folder of a static encoder, or minilm.")] = None,
    query_vectors: Annotated[Path | None, Parameter(help=".npy file; row i is the i-th line of queries.jsonl.")] = None,
    corpus_vectors: Annotated[Path | None, Parameter(help=".npy file; row i is the i-th line of corpus.jsonl.")] = None,
    split: Split = "train",
    seed: Seed = 0,
    set: Annotated[  # noqa: A002 - the option's name
        list[str] | None,
        Parameter(name="--set", negative=(), help="Change a field of the recipe: part.name.field=value. May be repeated."),
    ] = None,
    memory: Annotated[str, Parameter(help="Budget for blocks of vectors, scores and candidates.")] = "2GB",
    threads: Annotated[int, Parameter(help="Worker threads.")] = 2,
    fresh: Fresh = False,
    json: Json = False,
) -> None:
    """Mine hard negatives for every query that has a positive, and check them by the recipe's rules.

    Examples:
        foils mine scifact --recipe nv-retriever --model minilm --negatives 8 --out runs/a

        foils mine scifact --recipe naive-top-k --query-vectors q.npy --corpus-vectors c.npy --negatives 8 --out runs/b
        --set source.dense.similarity=dot

    An interrupted run goes on where it stopped when the same command is given again.
    """
    if model is not None and (query_vectors is not None or corpus_vectors is not None):
        raise InputError("give --model, or --query-vectors and --corpus-vectors, not both")
    execution = Execution(memory_bytes=memory_bytes(memory), threads=threads)
    loaded = recipes.load(recipe, set or ())
    refuse_foreign(out)
    collection = read(data)
    queries, items = (query_vectors, corpus_vectors) if model is None else encode(model, collection)
    with progress("mining") as report:
        mined = mining.mine(
            collection, loaded, negatives=negatives, query_vectors=queries, item_vectors=items, split=split, seed=seed,
            out=out, execution=execution, fresh=fresh, progress=report,
        )  # fmt: skip
    if loaded.loss is not None:
        note(f"not applied when mining: loss {loaded.loss.name}")
    if json:
        say_json({"out": str(out), "stats": mined.stats, "identity": mined.identity.data()})
    else:
        say(f"{mined.summary()}\nwritten to {out} (negatives.parquet, candidates.parquet, items.parquet)")
