"""A TREC collection as a folder: topics, documents and qrels, told by the names of its files.

queries.tsv      or topics.tsv; also .jsonl, each also .gz
collection.tsv   or corpus, documents, docs
qrels.txt        the split train; or qrels.train.txt, qrels.test.txt …, or a folder qrels of train.txt, test.txt …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.folder import listed
from foils.formats.messages import shown
from foils.formats.parts import SPLITS

QUERIES, DOCUMENTS, QRELS = ("queries", "topics"), ("collection", "corpus", "documents", "docs"), "qrels"
QRELS_SUFFIXES = (".txt", ".tsv", ".qrels", ".qrel")
SPLIT = "train"
SHAPE = (
    "a TREC folder holds queries (or topics), collection (or corpus, documents, docs), as .tsv or .jsonl, and "
    "qrels.txt, or qrels.train.txt, qrels.test.txt and the like"
)


@dataclass(frozen=True)
class TrecFiles:
    """The files of a TREC collection.

    Attributes:
        queries: the topics.
        documents: the documents.
        qrels: split → judgements of four columns.
    """

    queries: Path
    documents: Path
    qrels: Mapping[str, Path]


def trec_files(folder: Path, tables: Mapping[str, Source]) -> TrecFiles | None:
    """Find the files of a TREC collection; None where the folder holds none, or a BEIR data set.

    Args:
        folder: the folder.
        tables: its tables by name; see ``tables_in``.

    Raises:
        DataError: it looks like a TREC collection, and a file is missing or there twice.
    """
    top = dict(_splits(folder, prefix=QRELS))
    if not (top or _has_tsv(tables)) or _is_beir(folder, tables):
        return None
    qrels = _either(folder, top, dict(_splits(folder / QRELS, prefix="")))
    queries, documents = (_one(folder, tables, names) for names in (QUERIES, DOCUMENTS))
    if queries is None or documents is None or not qrels:
        missing = "topics" if queries is None else "documents" if documents is None else "qrels"
        names = sorted(place.name for place in folder.iterdir())
        raise DataError(f"{shown(str(folder))}: there are no {missing} (found {listed(names)}); {SHAPE}")
    return TrecFiles(queries, documents, qrels)


def _has_tsv(tables: Mapping[str, Source]) -> bool:
    """Tell whether topics or documents are tables with tabs, which BEIR's never are, and no splits lie beside them."""
    if any(name in tables for name in SPLITS):
        return False
    return any(name in tables and tables[name].suffixes[0] == ".tsv" for name in (*QUERIES, *DOCUMENTS))


def _is_beir(folder: Path, tables: Mapping[str, Source]) -> bool:
    records = all(name in tables and tables[name].suffixes[0] == ".jsonl" for name in ("corpus", "queries"))
    return records and (folder / QRELS).is_dir()


def _splits(folder: Path, *, prefix: str) -> Iterator[tuple[str, Path]]:
    """List judgements by split: ``qrels.dev.txt`` is dev, ``qrels.txt`` train; without a prefix, ``dev.txt`` is dev."""
    places = sorted(folder.iterdir()) if folder.is_dir() else []
    for place in places:
        name = place.name.removesuffix(".gz")
        stem, suffix = Path(name).stem, Path(name).suffix
        if not place.is_file() or name.startswith(".") or suffix not in QRELS_SUFFIXES or not stem.startswith(prefix):
            continue
        yield stem.removeprefix(prefix).lstrip("._-") or SPLIT, place


def _either(folder: Path, top: Mapping[str, Path], inner: Mapping[str, Path]) -> Mapping[str, Path]:
    if top and inner:
        raise DataError(
            f"{shown(str(folder))}: holds both {listed(path.name for path in top.values())} and a folder qrels; remove "
            "what is not meant"
        )
    return top or inner


def _one(folder: Path, tables: Mapping[str, Source], names: Sequence[str]) -> Path | None:
    found = [tables[name].path for name in names if name in tables]
    if len(found) > 1:
        raise DataError(
            f"{shown(str(folder))}: holds both {' and '.join(shown(path.name) for path in found)}; remove the one that "
            "is not meant, or name the files: Collection.from_trec(queries, corpus, qrels)"
        )
    return found[0] if found else None
