"""What judges said of the stored candidates: the positives that they found, and the pairs that they left unscored."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils.candidates import Kind
from foils.errors import InputError, did_you_mean
from foils.found import found_table
from foils.mining.stored import Result
from foils.positives import Int64
from foils.scorers import Remote


def found_positives(result: Result, column: str, threshold: float, provenance: Literal["llm", "human"]) -> pa.Table:
    """List the candidates with a probability at or above a threshold; see ``Mined.found_positives``."""
    kinds = result.recipe.columns()
    if column not in kinds:
        raise InputError(f"this result has no column {column!r}; {did_you_mean(column, kinds)}")
    if kinds[column] is not Kind.PROBABILITY:
        others = ", ".join(name for name, kind in kinds.items() if kind is Kind.PROBABILITY)
        raise InputError(
            f"the column {column!r} is a {kinds[column]}, and positives are found by a probability; "
            + (f"name one: {others}" if others else "this result has none: mine by a recipe with a judge, such as rlhn")
        )
    if not 0 < threshold <= 1:
        raise InputError(f"threshold is {threshold}; expected a probability above 0 and at most 1")
    anchors, items, p = [], [], []
    for candidates in result.blocks():
        scores = candidates.columns[column].values
        trusted = candidates.columns["p_positive"].values == 0
        rows, places = np.nonzero((scores >= np.float32(threshold)) & ~trusted & (candidates.items >= 0))
        anchors.append(candidates.units.anchors[rows])
        items.append(candidates.items[rows, places])
        p.append(scores[rows, places])
    return _named(result, *_once(np.concatenate(anchors), np.concatenate(items), np.concatenate(p)), provenance)


def unscored(result: Result) -> pa.Table:
    """List the pairs that a service was to judge and left without a score; see ``Mined.unscored``."""
    first = result.recipe.source.fields.depths(result.identity.negatives)[0]
    remote = [part.fields for part in result.recipe.scorers if isinstance(part.fields, Remote)]
    parts = [pa.table({name: pa.array([], pa.string()) for name in ("column", "anchor_id", "item_id", "role")})]
    for candidates in result.blocks() if remote else ():
        units = candidates.units
        for fields in remote:
            of_candidates, of_positives = fields.unanswered(candidates, first)
            rows, places = np.nonzero(of_candidates)
            sides = (units.anchors[rows], candidates.items[rows, places])
            parts.append(_unscored(result, next(iter(fields.columns())), sides, "candidate"))
            sides = (units.pair_anchors()[of_positives], units.positives[of_positives])
            parts.append(_unscored(result, next(iter(fields.columns())), sides, "positive"))
    return pa.concat_tables(parts).combine_chunks()


def _unscored(result: Result, column: str, pairs: tuple[Int64, Int64], role: str) -> pa.Table:
    names, count = result.names, len(pairs[0])
    return pa.table(
        {
            "column": pa.array([column] * count, pa.string()),
            "anchor_id": names.anchor_ids(pairs[0]),
            "item_id": names.item_ids(pairs[1]),
            "role": pa.array([role] * count, pa.string()),
        }
    )


def _once(anchors: Int64, items: Int64, p: npt.NDArray[np.float32]) -> tuple[Int64, Int64, npt.NDArray[np.float32]]:
    """Keep each pair once, with its highest probability, by anchor and item row: units of pairs share candidates."""
    order = np.lexsort((-p, items, anchors))
    anchors, items, p = anchors[order], items[order], p[order]
    first = np.ones(len(order), bool)
    first[1:] = (anchors[1:] != anchors[:-1]) | (items[1:] != items[:-1])
    return anchors[first], items[first], p[first]


def _named(result: Result, anchors: Int64, items: Int64, p: npt.NDArray[np.float32], provenance: str) -> pa.Table:
    names = result.names
    grades = np.ones(len(p), np.float32)
    return found_table(names.anchor_ids(anchors), names.item_ids(items), grades, provenance, p)
