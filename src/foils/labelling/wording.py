"""An estimate in plain words: the same on the page and in the terminal."""

from __future__ import annotations

import shlex

from foils.labelling.measure import Look, Measured
from foils.reporting.text import percent

GIVEN = {"skip": "skipped"}
"""Words of labels that read otherwise once they are given."""
FOLDER = "FOLDER"
"""Stands in a command for a folder whose name is not known."""


def look_words(look: Look, asked: int, folder: str = FOLDER) -> list[str]:
    """Say what a look found, the rate first.

    Args:
        look: the last one.
        asked: labels of its design.
        folder: of the result, for a command.
    """
    rate = look.rate
    low, high, all_of_them = percent(rate.low), percent(rate.high), f"Of the {rate.size:,} negatives in this result"
    undecided = rate.unsure + rate.skipped
    if rate.positives:
        said = [f"{all_of_them}, {percent(rate.estimate)} % [{low}, {high}] are really positives."]
    else:
        said = [f"{all_of_them}, at most {high} % are really positives: none of those labelled was found to be one."]
    if undecided == 1:
        said.append("The interval allows for the one unsure or skipped label to be positive or negative.")
    elif undecided:
        said.append(f"The interval allows for each of the {undecided:,} unsure or skipped to be positive or negative.")
    if look.to_halve != 0:  # with 0 all is known
        said.append(halving_words(look.to_halve, look.labels, asked, folder))
    return said


def halving_words(more: int | None, labels: int, asked: int, folder: str = FOLDER) -> str:
    """Say how many more labels would halve the interval, and where they cannot be had of this design.

    Args:
        more: labels to add; None = labelling all would not do.
        labels: those that the interval rests on.
        asked: those of the design, which cannot grow.
        folder: of the result, for a command.
    """
    if more is None:
        return "Labelling all would not halve the interval."
    said = f"About {more:,} more labels would halve the interval"
    if labels + more <= asked:
        return f"{said}."
    return (
        f"{said}; they need a new, larger design, as this one of {asked:,} cannot grow (foils review "
        f"{shlex.quote(folder)} --labels {labels + more} says how to draw anew and keep the labels)."
    )


def measured_words(measured: Measured, folder: str = FOLDER) -> list[str]:
    """Say how far the labels of a result (in a folder) are and, at the last look, what they say."""
    counts = ", ".join(f"{count:,} {GIVEN.get(word, word)}" for word, count in measured.counts.items())
    said = [f"{measured.labels:,} of {measured.asked:,} labelled: {counts}"]
    if measured.look is not None:
        words = look_words(measured.look, measured.asked, folder)
        said.append(f"after {measured.look.labels:,} labels: {' '.join(words)}")
    upcoming = [look for look in measured.looks if look > measured.labels]
    if upcoming:
        left = upcoming[0] - measured.labels
        said.append(f"next look: at {upcoming[0]:,} labels, {left:,} more; estimates are shown at looks only")
    return said
