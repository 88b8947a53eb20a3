"""What is said of pairs: events that the store keeps, and what they come to."""

from __future__ import annotations

from dataclasses import dataclass

from foils.estimating import Label

PAGE = "page"
"""Origin of a label that was given on the page; others name the file that was imported."""

WORDS = {Label.POSITIVE: "positive", Label.NEGATIVE: "negative", Label.UNSURE: "unsure", Label.SKIPPED: "skip"}
"""Labels as files and forms write them."""
BY_WORD = {word: label for label, word in WORDS.items()}


@dataclass(frozen=True)
class Event:
    """Something said of a pair.

    Attributes:
        token: of the request or row that said it; unique.
        anchor_id: of the pair.
        item_id: of the pair.
        label: from now on; None = none any more.
        note: from now on.
        seconds: how long it took, where that is known.
        origin: ``PAGE``, or the file.
    """

    token: str
    anchor_id: str
    item_id: str
    label: Label | None
    note: str = ""
    seconds: float | None = None
    origin: str = PAGE


@dataclass(frozen=True)
class State:
    """What holds of a pair now.

    Attributes:
        number: of its last event; 0 = nothing was said of it.
        label: None = none.
        note: of the last event.
    """

    number: int
    label: Label | None
    note: str


@dataclass(frozen=True)
class Given:
    """A pair that has a label."""

    anchor_id: str
    item_id: str
    label: Label
    note: str
    seconds: float | None
    at: str


@dataclass(frozen=True)
class Undone:
    """A label that is or was taken back: the number of its event, and its pair."""

    number: int
    anchor_id: str
    item_id: str
