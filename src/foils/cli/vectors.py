"""Where a run's vectors come from: two files, models, or nowhere; and where they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foils._cache import cache_folder
from foils.cli.console import note
from foils.encoders import Encoder, open_encoder
from foils.encoders.precision import Precision
from foils.errors import DataError, InputError
from foils.mining.encoded import memo_of
from foils.recipes import Recipe
from foils.search import MODEL

Files = tuple[Path | None, Path | None]
"""The .npy files of queries and corpus, or folders of them; or None."""

QueryVectors = Annotated[
    Path,
    Parameter(
        help=".npy file, or folder of them; row i is the vector of data.anchors.texts[i] of "
        "data = foils.Collection.from_path(DATA): in a BEIR folder, of record i of queries.jsonl."
    ),
]
CorpusVectors = Annotated[
    Path,
    Parameter(
        help=".npy file, or folder of them; row i is the vector of data.items.texts[i]: in a BEIR folder, of record i "
        "of corpus.jsonl."
    ),
]
QueryPrompt = Annotated[str, Parameter(help="What stands before a query, instead of what --model says.")]
CorpusPrompt = Annotated[str, Parameter(help="What stands before an item, instead of what --model says.")]
PrecisionOf = Annotated[
    Precision,
    Parameter(name="--precision", help="Of a model's products; auto is bfloat16 where that is fast and close enough."),
]
Encoders = Annotated[
    list[str],
    Parameter(
        name="--encoder",
        negative=(),
        help="A further model that the recipe reads, by name: guide=minilm. May be repeated.",
    ),
]
Cache = Annotated[
    Path,
    Parameter(
        help="Where vectors and scores of texts are kept for later runs. [default: $FOILS_CACHE, or your cache folder]"
    ),
]
NoCache = Annotated[bool, Parameter(negative=(), show_default=False, help="Keep nothing, and use nothing kept.")]


def choose_cache(cache: Path | None, *, no_cache: bool) -> Path | None:
    """Choose the folder of the cache; None = none.

    Raises:
        InputError: both options are given, or a file is in the way.
    """
    if no_cache and cache is not None:
        raise InputError("give --cache or --no-cache, not both")
    folder = None if no_cache else cache or cache_folder()
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError(f"--cache {folder}: is a file; give a folder")
    return folder


def choose_vectors(
    recipe: Recipe,
    model: str | None,
    queries: Path | None,
    corpus: Path | None,
    *,
    encoders: Sequence[str] = (),
    query_prompt: str | None = None,
    corpus_prompt: str | None = None,
    precision: Precision = "auto",
    cache: Path | None = None,
) -> tuple[Files, dict[str, Encoder]]:
    """Choose the files of vectors, and open the encoders; neither where the recipe compares no vectors.

    Raises:
        InputError: none are given where the recipe needs some, one of two is missing, or both ways are used.
    """
    reads = recipe.reads()
    named = _named(encoders, recipe)
    check_pairing(model, queries, corpus)
    if model is None and (query_prompt, corpus_prompt) != (None, None):
        raise InputError("--query-prompt and --corpus-prompt are for --model; give it, or leave them out")
    if model is None and not named and precision != "auto":
        raise InputError("--precision is for --model; give it, or leave this out")
    if missing := [name for name in reads if name != MODEL and name not in named]:
        listed = " ".join(f"--encoder {name}=MODEL" for name in missing)
        raise InputError(
            f"the recipe {recipe.name} reads the vectors {', '.join(map(repr, missing))} too; give {listed}"
        )
    if MODEL not in reads:
        if model is not None or queries is not None:
            what = "compares no vectors" if not reads else f"reads the vectors {', '.join(reads)} alone"
            note(f"the recipe {recipe.name} {what}; those given are not used")
        model = queries = corpus = None
    elif model is None and queries is None:
        raise InputError(
            f"the recipe {recipe.name} compares vectors; give --model, or --query-vectors and --corpus-vectors"
        )
    check_files(queries, corpus)
    memo = memo_of(cache)
    opened = {name: open_encoder(other, precision=precision, memo=memo) for name, other in named.items()}
    if model is not None:
        main = open_encoder(
            model, query_prompt=query_prompt, corpus_prompt=corpus_prompt, precision=precision, memo=memo
        )
        opened = {MODEL: main, **opened}
    return (queries, corpus), opened


def check_files(queries: Path | None, corpus: Path | None) -> None:
    """Check that the files or folders that are given are there.

    Raises:
        DataError: one is not.
    """
    for name, path in (("query", queries), ("corpus", corpus)):
        if path is not None and not _is_there(path):
            raise DataError(f"--{name}-vectors {path}: there is no such file or folder; check the path")


def check_pairing(model: str | None, queries: Path | None, corpus: Path | None) -> None:
    """Check that vectors come from a model or from two files.

    Raises:
        InputError: both ways are used, or one of the two files is missing.
    """
    if model is not None and (queries is not None or corpus is not None):
        raise InputError("give --model, or --query-vectors and --corpus-vectors, not both")
    if (queries is None) != (corpus is None):
        given, missing = ("query", "corpus") if corpus is None else ("corpus", "query")
        raise InputError(f"--{given}-vectors is given without --{missing}-vectors; give both, of the same encoder")


def _named(encoders: Sequence[str], recipe: Recipe) -> dict[str, str]:
    """Read NAME=MODEL."""
    named: dict[str, str] = {}
    for text in encoders:
        name, equals, model = text.partition("=")
        if not (name and equals and model):
            raise InputError(f"--encoder {text}: expected NAME=MODEL, as in guide=minilm")
        if name in named or name == MODEL:
            raise InputError(
                f"--encoder {text}: {name!r} is given twice" if name in named else f"--encoder {text}: that is --model"
            )
        if name not in recipe.reads():
            known = ", ".join(recipe.reads()) or "none"
            raise InputError(f"--encoder {text}: the recipe {recipe.name} does not read {name!r}; it reads: {known}")
        named[name] = model
    return named


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() or path.is_dir()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False
