"""``foils mine``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from foils import mining, recipes
from foils.cli.console import note, progress, say, say_json
from foils.cli.options import Data, Json, Model, Seed, Split, encode, memory_bytes, read, require_positives
from foils.cli.out import Fresh, Out, check_result_folder, check_same_run
from foils.encoders import Encoder, open_encoder
from foils.errors import DataError, InputError
from foils.mining import Execution
from foils.recipes import Recipe

Recipes = Annotated[str, Parameter(help="Name of a recipe (see: foils recipes), or a .yaml file.")]
Negatives = Annotated[int, Parameter(help="Negatives per query.", validator=Number(gte=1, lte=1_000_000))]
QueryVectors = Annotated[Path, Parameter(help=".npy file; row i belongs to the i-th line of queries.jsonl.")]
CorpusVectors = Annotated[Path, Parameter(help=".npy file; row i belongs to the i-th line of corpus.jsonl.")]
Settings = Annotated[
    list[str],
    Parameter(name="--set", negative=(), help="Change a field of the recipe: part.name.field=value. May be repeated."),
]
Memory = Annotated[str, Parameter(help="For blocks of vectors, scores and candidates: a size such as 500MB.")]
Threads = Annotated[int, Parameter(help="Worker threads.", validator=Number(gte=1))]


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
    set: Settings | None = None,  # noqa: A002 - the option's name
    memory: Memory = "2GB",
    threads: Threads = 2,
    fresh: Fresh = False,
    json: Json = False,
) -> None:
    """Mine hard negatives for every query that has a positive, and check them.

    The recipe says where candidates come from, which are rejected and which
    are drawn. Most recipes compare vectors: give a model, or two files of
    vectors. Only the positives of the split are known to the miner.

    An interrupted run goes on where it stopped when the same command is given
    again.

    Examples:
        foils mine scifact --recipe nv-retriever --model minilm \\
          --negatives 8 --out runs/a

        foils mine scifact --recipe naive-top-k --negatives 8 --out runs/b \\
          --query-vectors q.npy --corpus-vectors c.npy \\
          --set source.dense.similarity=dot --set source.dense.k=200
    """
    execution = Execution(memory_bytes=memory_bytes(memory), threads=threads)
    loaded = recipes.load(recipe, set or ())
    check_result_folder(out)
    files, encoder = _vectors(loaded, model, query_vectors, corpus_vectors)
    if loaded.loss is not None:
        note(f"the recipe's loss ({loaded.loss.name}) is for training; mining does not use it")
    collection = read(data)
    require_positives(collection, split)
    if encoder is not None and not fresh:
        known = {"recipe": loaded.resolved(), "negatives": negatives, "split": split, "seed": seed}
        check_same_run(out, known)
    queries, items = files if encoder is None else encode(encoder, collection)
    with progress("mining") as report:
        mined = mining.mine(
            collection, loaded, negatives=negatives, query_vectors=queries, item_vectors=items, split=split, seed=seed,
            out=out, execution=execution, fresh=fresh, progress=report,
        )  # fmt: skip
    if json:
        say_json({"out": str(out), "stats": mined.stats, "identity": mined.identity.data()})
        return
    say(f"{mined.summary()}\nwritten to {out}: negatives.parquet, and why each candidate was kept or rejected")
    given, written = shlex.quote(str(data)), shlex.quote(str(out))
    note(f"next: foils train {given} --mined {written} --split {split} --kind static --out MODEL")


def _vectors(
    recipe: Recipe, model: str | None, queries: Path | None, corpus: Path | None
) -> tuple[tuple[Path | None, Path | None], Encoder | None]:
    """Choose the files of vectors, or the encoder, or neither where the recipe compares no vectors.

    Raises:
        InputError: none are given where the recipe needs some, one of two is missing, or both ways are used.
    """
    if model is not None and (queries is not None or corpus is not None):
        raise InputError("give --model, or --query-vectors and --corpus-vectors, not both")
    if (queries is None) != (corpus is None):
        given, missing = ("query", "corpus") if corpus is None else ("corpus", "query")
        raise InputError(f"--{given}-vectors is given without --{missing}-vectors; give both, of the same encoder")
    if not recipe.columns():
        if model is not None or queries is not None:
            note(f"the recipe {recipe.name} compares no vectors; those given are not used")
        return (None, None), None
    if model is None and queries is None:
        raise InputError(
            f"the recipe {recipe.name} compares vectors; give --model, or --query-vectors and --corpus-vectors"
        )
    for name, path in (("query", queries), ("corpus", corpus)):
        if path is not None and not _is_file(path):
            raise DataError(f"--{name}-vectors {path}: there is no such file; check the path")
    return (queries, corpus), None if model is None else open_encoder(model)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False
