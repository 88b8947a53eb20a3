"""Triples (head, relation, tail), as of a knowledge graph: two anchors each, (h, r, ?) and (?, r, t).

Items are the entities. An anchor's id is a JSON array, ``[h,r,"?"]`` or ``["?",r,t]``. Where entities have names, an
anchor has a text: the entity's name, the relation's name, and a question mark in the place of what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils.collection import Collection, Records
from foils.errors import DataError
from foils.formats.described import by_appearance, read_described
from foils.formats.files import Source
from foils.formats.judged import Float32, Int16, Place, in_split_order, once_per_pair
from foils.formats.known import Known
from foils.formats.parts import Parts, require_ids, split_tables, stacked, tables_in
from foils.formats.rows import Field, Rows
from foils.formats.tables import read_table
from foils.formats.tsvs import first_cells, read_tsv
from foils.positives import Int64, Judgements
from foils.triples import HEAD, TAIL, Triples

COLUMNS = ("head", "relation", "tail")
HEADERS = (COLUMNS, ("h", "r", "t"), ("subject", "predicate", "object"), ("source", "relation", "target"))
FIELDS = [Field(name, "id") for name in COLUMNS]
NEGATIVES = "_negatives"
MISSING = "?"
SEPARATOR = " | "
SHAPE = "a folder of triples holds train.tsv, valid.tsv and test.tsv with head, relation and tail, each plain or .gz"


@dataclass(frozen=True, eq=False)
class _Statements:
    """Triples that are said to be true (grade 1) or false (grade 0), by rows."""

    heads: Int64
    relations: Int64
    tails: Int64
    grades: Float32
    splits: Int16
    split_names: tuple[str, ...]
    place: Place


@dataclass(frozen=True, eq=False)
class _Anchors:
    """The distinct questions, by side, relation and entity; and the question that each statement answers per side."""

    sides: npt.NDArray[np.int8]
    relations: Int64
    entities: Int64
    of_heads: Int64
    of_tails: Int64


def read_triples(path: Path) -> Collection:
    """Read a folder of splits, or one table.

    Args:
        path: a folder with train.tsv, valid.tsv, test.tsv (head, relation, tail), optionally entities.tsv,
            relations.tsv, and false triples in valid_negatives.tsv and the like; or one table.

    Raises:
        DataError: a file or row is not what docs/input.md says.
    """
    tables = tables_in(path) if path.is_dir() else {"train": Source(path)}
    splits = split_tables(path, tables, SHAPE)
    parts = _read(tables, splits)
    require_ids(parts.rows, *COLUMNS)
    columns = parts.rows.columns
    entities = _known("entity", tables.get("entities"), pa.concat_arrays([columns["head"], columns["tail"]]))
    relations = _known("relation", tables.get("relations"), columns["relation"])
    if entities.holds(MISSING):
        raise DataError(
            f"{entities.file}: an entity has the id {MISSING!r}, which marks what an anchor lacks; rename it"
        )
    return _collection(_statements(parts, entities, relations), entities.records, relations.records)


def _read(tables: Mapping[str, Source], splits: list[str]) -> Parts:
    """Read true triples, then false ones."""
    names = [*in_split_order(splits), *(f"{name}{NEGATIVES}" for name in splits if f"{name}{NEGATIVES}" in tables)]
    return stacked([(name, _read_table(tables[name])) for name in names])


def _read_table(source: Source) -> Rows:
    """Read a table; a .tsv may have a header line or none."""
    if source.suffixes[0] != ".tsv":
        return read_table(source, FIELDS)
    found = first_cells(source)
    if len(found) != len(COLUMNS):
        raise DataError(
            f"{source.name}: the first line has {len(found)} columns; expected 3, separated by tabs: head, relation "
            "and tail"
        )
    titled = tuple(cell.strip().casefold() for cell in found) in HEADERS
    rows = read_tsv(source, [Field(name) for name in found]) if titled else read_tsv(source, FIELDS, header=COLUMNS)
    if not len(rows):
        raise DataError(f"{source.name}: holds no triple; add lines of head, relation and tail, or remove the file")
    return Rows(dict(zip(COLUMNS, rows.columns.values(), strict=True)), rows.place)


def _known(what: str, source: Source | None, ids: pa.Array) -> Known:
    if source is None:
        return Known(what, by_appearance(ids), "the triples")
    return Known(what, read_described(source, ("id", what, "_id")), source.name)


def _statements(parts: Parts, entities: Known, relations: Known) -> _Statements:
    columns, place = parts.rows.columns, parts.rows.place
    names = tuple(name for name in parts.names if not name.endswith(NEGATIVES))
    of_part = np.array([names.index(name.removesuffix(NEGATIVES)) for name in parts.names], np.int16)
    true = np.array([not name.endswith(NEGATIVES) for name in parts.names], np.float32)
    return _Statements(
        entities.rows(columns["head"], place),
        relations.rows(columns["relation"], place),
        entities.rows(columns["tail"], place),
        true[parts.codes],
        of_part[parts.codes],
        names,
        place,
    )


def _collection(said: _Statements, entities: Records, relations: Records) -> Collection:
    anchors = _anchors(said, len(entities), len(relations))
    count = len(said.heads)
    judgements = Judgements(
        np.concatenate([anchors.of_tails, anchors.of_heads]),
        np.concatenate([said.tails, said.heads]),
        np.tile(said.grades, 2),
        np.tile(said.splits, 2),
        said.split_names,
    )
    triples = _triples(said, anchors, relations)
    return Collection(
        _records(anchors, entities, relations),
        entities,
        once_per_pair(judgements, lambda row: said.place(row % count)),
        # Ids tell entities apart, also where two have the same name.
        item_groups=np.full(len(entities), -1, np.int64),
        triples=triples,
    )


def _anchors(said: _Statements, n_entities: int, n_relations: int) -> _Anchors:
    given = np.concatenate([said.tails, said.heads])  # (?, r, t) gives the tail
    sides = np.repeat(np.array([HEAD, TAIL]), len(said.heads))
    key = (sides * n_relations + np.tile(said.relations, 2)) * n_entities + given
    kept, rows = np.unique(key, return_inverse=True)
    of_heads, of_tails = np.split(rows.astype(np.int64), 2)
    upper, entity = np.divmod(kept, n_entities)
    side, relation = np.divmod(upper, n_relations)
    return _Anchors(side.astype(np.int8), relation, entity, of_heads, of_tails)


def _triples(said: _Statements, anchors: _Anchors, relations: Records) -> Triples:
    """Keep the true triples, each once per split."""
    true = np.flatnonzero(said.grades > 0)
    # A triple is an answer to a question.
    key = np.stack([said.splits[true], anchors.of_tails[true], said.tails[true]])
    keep = true[np.sort(np.unique(key, axis=1, return_index=True)[1])]
    return Triples(
        said.heads[keep],
        said.relations[keep],
        said.tails[keep],
        said.splits[keep],
        relations.ids,
        anchors.of_tails[keep],
        anchors.of_heads[keep],
        anchors.sides,
        anchors.entities,
        anchors.relations,
    )


def _records(anchors: _Anchors, entities: Records, relations: Records) -> Records:
    """Name the anchors, and word them where there are words."""
    entity, relation = pa.array(anchors.entities), pa.array(anchors.relations)
    names = entities.ids.take(entity).to_pylist(), relations.ids.take(relation).to_pylist()
    tail = (anchors.sides == TAIL).tolist()
    questions = [[e, r, MISSING] if t else [MISSING, r, e] for e, r, t in zip(*names, tail, strict=True)]
    ids = msgspec.json.Encoder().encode_lines(questions).decode().split("\n")[:-1]  # JSON escapes line breaks
    called = entities.titles if entities.titles is not None else entities.texts
    if called is None:
        return Records(pa.array(ids, pa.large_string()))
    verbs = _verbs(relations).take(relation)
    known = called.take(entity)
    missing, between = (pa.scalar(text, pa.large_string()) for text in (MISSING, SEPARATOR))
    asks_tail = pc.binary_join_element_wise(known, verbs, missing, between)
    asks_head = pc.binary_join_element_wise(missing, verbs, known, between)
    return Records(pa.array(ids, pa.large_string()), pc.if_else(pa.array(tail), asks_tail, asks_head))


def _verbs(relations: Records) -> pa.LargeStringArray:
    called = relations.titles if relations.titles is not None else relations.texts
    return relations.ids if called is None else called
