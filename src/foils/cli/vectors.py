"""Where a run's vectors come from: two files, a model, or nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foils.cli.console import note
from foils.encoders import Encoder, open_encoder
from foils.errors import DataError, InputError
from foils.recipes import Recipe
from foils.search import MODEL

Files = tuple[Path | None, Path | None]
"""The .npy files of queries and corpus, or None."""

QueryVectors = Annotated[Path, Parameter(help=".npy file; row i belongs to record i of queries.jsonl.")]
CorpusVectors = Annotated[Path, Parameter(help=".npy file; row i belongs to record i of corpus.jsonl.")]


def choose_vectors(
    recipe: Recipe, model: str | None, queries: Path | None, corpus: Path | None
) -> tuple[Files, Encoder | None]:
    """Choose the files of vectors, or the encoder, or neither where the recipe compares no vectors.

    Raises:
        InputError: none are given where the recipe needs some, one of two is missing, or both ways are used.
    """
    if model is not None and (queries is not None or corpus is not None):
        raise InputError("give --model, or --query-vectors and --corpus-vectors, not both")
    if (queries is None) != (corpus is None):
        given, missing = ("query", "corpus") if corpus is None else ("corpus", "query")
        raise InputError(f"--{given}-vectors is given without --{missing}-vectors; give both, of the same encoder")
    reads = {*recipe.source.fields.reads(), *(name for scorer in recipe.scorers for name in scorer.fields.reads())}
    if others := sorted(reads - {MODEL}):
        raise InputError(
            f"the recipe {recipe.name} reads the vectors {', '.join(map(repr, others))}, which only Python can give: "
            "foils.mine(…, vectors={name: (queries, items)})"
        )
    if not reads:
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
