"""The pages as HTML; whatever comes from the data is escaped by the template."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from foils.estimating import Label
from foils.labelling import Look, next_look
from foils.labelling.drawn import prefix_labels, words
from foils.labelling.events import BY_WORD, State
from foils.labelling.wording import look_words
from foils.reporting.page import fill, prepared
from foils.reviewing.guard import HERE, new_token

if TYPE_CHECKING:
    from foils.reviewing.app import Review

PAGE, ENTRY = HERE / "review.html.j2", HERE / "entry.html.j2"
OPEN_POSITIVES = 2
"""Known positives that are shown at once; the others are folded."""
RECENT = 30
"""Labels whose median time tells how long the rest will take."""
NOTICES = {
    "stale": "This pair was labelled elsewhere since the page was opened, so nothing was changed.",
    "undone": "Taken back. This is the pair again.",
    "nothing": "There was nothing left to take back.",
}


def entry(home: str) -> str:
    """Write the page that sets the cookie and goes on."""
    return fill(ENTRY, {}, {"home": home})


def writer() -> Callable[[Mapping[str, Any]], str]:
    """Make what writes the page of a pair from what ``facts`` tells."""
    return prepared(PAGE, {"thousands": lambda number: f"{number:,}"})


def facts(
    review: Review, place: str, states: list[State], position: int, said: str, look: Look | None
) -> dict[str, Any]:
    """Tell what stands on the page of one pair, or on the last one where all are labelled.

    Args:
        review: what is labelled.
        place: first part of its addresses.
        states: of all pairs of the design.
        position: of the pair, from 0; their number = all are labelled.
        said: key of a notice, or nothing.
        look: the last that was reached.
    """
    shown = None if position == len(states) else review.pairs
    known, unshown = ([], 0) if shown is None else shown.known(position)
    return {
        "place": place,
        "labels": BY_WORD,
        "position": position + 1,
        "notice": NOTICES.get(said),
        "progress": _progress(review, states, look),
        "anchor": None if shown is None else shown.anchor(position),
        "candidate": None if shown is None else shown.candidate(position),
        "known": known,
        "unshown": unshown,
        "open_positives": OPEN_POSITIVES,
        "state": None if shown is None else states[position],
        "again": _again(states) if shown is None else [],
        "token": new_token(),
        "undo_token": new_token(),
        "undoable": review.store.undoable(),
        "since": int(time.time() * 1000),
    }


def _progress(review: Review, states: list[State], look: Look | None) -> dict[str, Any]:
    labels = prefix_labels(states)
    done, n = len(labels), len(states)
    upcoming = next_look(review.drawn, done)
    return {
        "done": done,
        "n": n,
        "looks": [number for number in review.drawn.facts.looks if number <= n],
        "next": upcoming,
        "left": None if upcoming is None else upcoming - done,
        "pace": _pace(review.store.seconds(), None if upcoming is None else upcoming - done),
        "look": None if look is None else look.labels,
        "estimate": None if look is None else look_words(look, n, str(review.store.path.parent)),
        "counts": {label.name.lower(): count for label, count in words(labels).items()},
    }


def _pace(seconds: list[float], left: int | None) -> str | None:
    """Say how long a label takes, and how long those to the next look will."""
    if not seconds:
        return None
    each = statistics.median(seconds[-RECENT:])
    text = f"{each:.0f} s a label" if each >= 1.5 else f"{each:.1f} s a label"
    if not left:
        return text
    minutes = each * left / 60
    return f"{text}, about {max(minutes, 1):.0f} min to go" if minutes >= 0.75 else f"{text}, less than a minute to go"


def _again(states: list[State]) -> list[dict[str, Any]]:
    """List the pairs that are worth a second look: skipped and unsure ones."""
    asked = {Label.SKIPPED: "skipped", Label.UNSURE: "unsure"}
    return [
        {"position": position + 1, "label": asked[state.label]}
        for position, state in enumerate(states)
        if state.label in asked
    ]
