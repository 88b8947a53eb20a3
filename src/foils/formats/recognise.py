"""What a folder or file holds, told by the names of its files and the columns of the first one."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from foils.collection import Collection
from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.folder import listed
from foils.formats.lines import numbered_lines
from foils.formats.messages import MOST_NAMES, quoted, shown
from foils.formats.parquets import parquet_columns
from foils.formats.parts import SPLITS, tables_in
from foils.formats.tables import READERS
from foils.formats.trec_folder import trec_files
from foils.formats.triples import HEADERS
from foils.formats.tsvs import first_cells

SHAPES = (
    "a BEIR folder (corpus.jsonl, queries.jsonl, qrels/), interactions (train.tsv with user and item), triples "
    "(train.tsv with head, relation and tail), labelled texts (train.jsonl with text and label or labels), a table "
    "with anchor and positive, a folder of such a table, pairs.csv, and further items, corpus.csv, or a TREC folder "
    "(queries.tsv, collection.tsv, qrels.txt)"
)
PAIRS = "pairs"
SPREADSHEET = "save it as .csv, in UTF-8 and separated by commas"
KINDS = {
    ".json": "write one JSON object per line, and call it .jsonl",
    ".xlsx": SPREADSHEET,
    ".xls": SPREADSHEET,
    ".ods": SPREADSHEET,
}
"""What to do with files of kinds that people have and foils does not read."""


def read_any(path: Path) -> Collection:
    """Read what is there; see ``Collection.from_path``."""
    if not os.path.lexists(path):
        raise DataError(f"{shown(str(path))}: there is no such folder or file; check the path")
    reader = recognised(path)
    if reader is None:
        raise DataError(
            f"{shown(str(path))}: is no data set that can be told by its files (found {_found(path)}); expected "
            f"{SHAPES}. "
            "Where the columns of pairs or interactions are called otherwise, name them: --anchor COLUMN --positive "
            "COLUMN (of users and of items, with --min-value); in Python, Collection.from_pairs, from_interactions and "
            "from_labels take such names"
        )
    return reader(path)


def _found(path: Path) -> str:
    if path.is_dir():
        first = first_split(tables_in(path))
        columns = [] if first is None else sorted(_columns(first))
        said = f"; the first line of {shown(first.path.name)} is taken as its header" if columns and first else ""
        return f"{listed(tables_in(path))}{said}{': ' * bool(said)}{', '.join(map(quoted, columns[:MOST_NAMES]))}"
    columns = sorted(_columns(Source(path)))
    if len(columns) == 1 and ";" in columns[0]:
        return f"the column {quoted(columns[0])}; separate by commas instead of semicolons"
    if "" in columns:
        return f"a first line with empty names of columns: {', '.join(map(quoted, columns))}; write a name over each"
    return f"the columns {', '.join(map(quoted, columns))}" if columns else "a file of another kind"


def recognised(path: Path) -> Callable[[Path], Collection] | None:
    """Choose the reader; None = nothing fits.

    Raises:
        DataError: it is a file of a kind that is not read.
    """
    if not path.is_dir():
        if Source(path).suffixes[0] not in READERS:
            _refuse_kind(path)
            return Collection.from_beir  # an archive, or nothing that is there
        return Collection.from_pairs if {"anchor", "positive"} <= _columns(Source(path)) else _by_columns(Source(path))
    tables = tables_in(path)
    if PAIRS in tables and "queries" not in tables:
        return read_pairs_folder
    trec = trec_files(path, tables)
    if trec is not None:
        return lambda _: Collection.from_trec(trec.queries, trec.documents, trec.qrels)
    if "corpus" in tables or "queries" in tables or (path / "qrels").is_dir():
        return Collection.from_beir
    return _by_columns(first_split(tables))


def read_pairs_folder(folder: Path, *, anchor: str = "anchor", positive: str = "positive") -> Collection:
    """Read pairs, and further items where there is a table ``corpus``.

    Args:
        folder: the folder.
        anchor: name of the column of anchors.
        positive: name of the column of positives.

    Raises:
        DataError: there is no table of pairs, or it is not what docs/input.md says.
    """
    tables = tables_in(folder)
    if PAIRS not in tables:
        raise DataError(
            f"{shown(str(folder))}: there is no table of pairs, such as pairs.csv (found {listed(tables)}); give the "
            "table itself"
        )
    corpus = tables.get("corpus")
    further = None if corpus is None else corpus.path
    return Collection.from_pairs(tables[PAIRS].path, anchor=anchor, positive=positive, corpus=further)


def _refuse_kind(path: Path) -> None:
    """Refuse a file that is neither a table nor an archive, in words that fit its kind."""
    suffix = Source(path).suffixes[0]
    if not path.is_file() or suffix == ".zip" or (suffix not in KINDS and zipfile.is_zipfile(path)):
        return
    mend = KINDS.get(suffix, "give a folder, a .zip, or a table as .csv, .tsv, .jsonl (also .gz) or .parquet")
    raise DataError(f"{shown(str(path))}: is a file of a kind that is not read ({suffix or 'no suffix'}); {mend}")


def first_split(tables: Mapping[str, Source]) -> Source | None:
    """Give the first table of a split, by whose columns a folder is told; None where there is none."""
    names = [name for name in SPLITS if name in tables]
    others = [name for name in sorted(tables) if tables[name].suffixes[0] == ".jsonl"]
    return tables[(names + others)[0]] if names or others else None


def _by_columns(source: Source | None) -> Callable[[Path], Collection] | None:
    columns = set() if source is None else _columns(source)
    if {"user", "item"} <= columns:
        return Collection.from_interactions
    if any(set(header) == columns for header in HEADERS):
        return Collection.from_triples
    if columns & {"label", "labels"}:
        return Collection.from_labels
    return None


def _columns(source: Source) -> set[str]:
    """Give the names of the columns of a table; none where they cannot be told."""
    suffix = source.suffixes[0]
    if suffix == ".tsv":
        return {cell.strip() for cell in first_cells(source)}
    if suffix == ".csv":
        return {cell.strip().strip('"') for cell in ",".join(first_cells(source)).split(",")}
    if suffix == ".jsonl":
        line = next((line for _, line in numbered_lines(source)), b"{}")
        try:
            return set(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
        except msgspec.MsgspecError:
            return set()
    return set(parquet_columns(source)) if suffix == ".parquet" else set()
