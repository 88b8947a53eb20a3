"""Where vectors come from, a model or two files, and where they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foils._cache import cache_folder
from foils.cli.options import Model
from foils.encoders import Encoder, open_encoder
from foils.encoders.precision import Precision
from foils.errors import DataError, InputError
from foils.mining.encoded import memo_of

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


@Parameter(name="*")
@dataclass(frozen=True)
class VectorsOf:
    """A model to encode by, or files of vectors."""

    model: Model | None = None
    query_vectors: QueryVectors | None = None
    corpus_vectors: CorpusVectors | None = None
    query_prompt: QueryPrompt | None = None
    corpus_prompt: CorpusPrompt | None = None
    precision: PrecisionOf = "auto"

    @property
    def files(self) -> Files:
        """The files."""
        return self.query_vectors, self.corpus_vectors

    @property
    def prompts(self) -> tuple[str | None, str | None]:
        """What stands before queries, and before items."""
        return self.query_prompt, self.corpus_prompt

    def check(self) -> None:
        """Check that vectors come from a model or from two files, and that prompts are a model's.

        Raises:
            InputError: they do not go together.
        """
        check_pairing(self.model, *self.files)
        if self.model is None and self.prompts != (None, None):
            raise InputError("--query-prompt and --corpus-prompt are for --model; give it, or leave them out")

    def open(self, cache: Path | None) -> Encoder | None:
        """Open the model; None without one."""
        if self.model is None:
            return None
        query, corpus = self.prompts
        return open_encoder(
            self.model, query_prompt=query, corpus_prompt=corpus, precision=self.precision, memo=memo_of(cache)
        )


NOWHERE = VectorsOf()


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


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() or path.is_dir()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False
