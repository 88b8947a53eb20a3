"""The story of one unit: its positives, its candidates, what the rules said of each, and what was drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from foils.collection import Collection, Records
from foils.errors import InputError, did_you_mean, printable
from foils.mining.stored import Result

SHOWN = 25
"""Candidates that the text of an explanation shows."""
NEAREST_OF = 1000
"""Unit ids that a wrong one is compared with."""
WIDTH = 60
"""Characters of a hint, and of a text."""


@dataclass(frozen=True)
class Pair:
    """One item of a unit: a positive or a candidate.

    Attributes:
        item: its id.
        score: in the column that the sampler ordered by; None = not scored.
        rank: in the source; None for a positive.
        reason: ``kept``, or why a rule rejected it; None for a positive.
        drawn: whether it was drawn as a negative.
        p_positive: probability that it is an unlabelled positive; None = uncalibrated, or a positive.
        text: its text, where the collection is at hand.
    """

    item: str
    score: float | None
    rank: int | None = None
    reason: str | None = None
    drawn: bool = False
    p_positive: float | None = None
    text: str | None = None


@dataclass(frozen=True)
class Explanation:
    """What happened to one unit; printing it tells the story."""

    unit: str
    anchor_text: str | None
    asked: int
    searched_depth: int
    exhausted: bool
    relaxed: int
    excluded_positives: int
    forbidden_items: int
    score: str
    positives: list[Pair]
    candidates: list[Pair]

    def __str__(self) -> str:
        """Tell the story in plain text, with control characters of the data escaped."""
        drawn = sum(pair.drawn for pair in self.candidates)
        lines = [
            f"unit {printable(self.unit)}: {drawn} of {self.asked} negatives",
            *([f"  {printable(self.anchor_text)}"] if self.anchor_text else []),
            f"positives (score: {self.score})",
            *(f"  {_number(pair.score)}  {_label(pair)}" for pair in self.positives),
            f"candidates: {len(self.candidates)} at depth {self.searched_depth}"
            f"{' (the source has no more)' if self.exhausted else ''}, {self.excluded_positives} known positives "
            f"and exact duplicates excluded"
            f"{f', {self.forbidden_items:,} items forbidden by constraints' if self.forbidden_items else ''}"
            f"{f', rules relaxed {self.relaxed} times' if self.relaxed else ''}",
        ]
        calibrated = any(pair.p_positive is not None for pair in self.candidates)
        for pair in self.candidates[:SHOWN]:
            fate = "drawn" if pair.drawn else pair.reason
            likely = f"p {_number(pair.p_positive)}  " if calibrated else ""
            lines.append(f"  {pair.rank:>4}  {_number(pair.score)}  {likely}{fate:<16} {_label(pair)}")
        if len(self.candidates) > SHOWN:
            lines.append(f"  … {len(self.candidates) - SHOWN} more")
        return "\n".join(lines)


def explain(result: Result, unit: str, collection: Collection | None) -> Explanation:
    """Gather what the tables say of one unit.

    Raises:
        InputError: there is no such unit, or candidates were not stored.
    """
    ids = result.candidates(["unit_id"])["unit_id"]
    row = pc.index(ids, str(unit)).as_py()
    if row < 0:
        if collection is not None and collection.anchors.rows([str(unit)])[0] >= 0:
            split = result.identity.split
            raise InputError(f"{unit!r} has no positive in the split {split!r}, so nothing was mined for it")
        near = printable(did_you_mean(str(unit), ids[:NEAREST_OF].to_pylist()))
        raise InputError(f"there is no unit {unit!r}; {near}")
    number, place = divmod(row, result.identity.shard_units)
    story: dict[str, Any] = result.shard(number).slice(place, 1).to_pylist()[0]
    names, score = result.names.items, result.identity.scores
    drawn = set(result.drawn(number)["negative_ids"][place].as_py())

    def pairs(rows: list[int], column: str, **others: list[Any]) -> list[Pair]:
        scores: list[float] = story.get(f"{column}.{score}", [math.nan] * len(rows))
        return [
            Pair(
                item=names[item].as_py(),
                score=None if math.isnan(value) else value,
                text=None if collection is None else _text(collection.items, item),
                **{name: values[rank] for name, values in others.items()},
            )
            for rank, (item, value) in enumerate(zip(rows, scores, strict=True))
        ]

    return Explanation(
        unit=unit,
        anchor_text=None if collection is None else _text(collection.anchors, story["anchor"]),
        asked=result.identity.negatives,
        searched_depth=story["searched_depth"],
        exhausted=story["exhausted"],
        relaxed=story["relaxed"],
        excluded_positives=story["excluded_positives"],
        forbidden_items=story["forbidden_items"],
        score=score,
        positives=pairs(story["positives"], "positive_score"),
        candidates=pairs(
            story["items"],
            "score",
            rank=list(range(1, len(story["items"]) + 1)),
            reason=story["reason"],
            drawn=[names[item].as_py() in drawn for item in story["items"]],
            p_positive=[None if math.isnan(value) else value for value in story["p_positive"]],
        ),
    )


def _text(records: Records, row: int) -> str | None:
    return None if records.texts is None else records.full_texts(row, row + 1)[0]


def _number(value: float | None) -> str:
    return "     –" if value is None else f"{value:6.3f}"


def _label(pair: Pair) -> str:
    text = printable(pair.text or "")
    return f"{printable(pair.item)}  {text[:WIDTH]}{'…' if len(text) > WIDTH else ''}".rstrip()
