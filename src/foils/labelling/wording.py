"""An estimate in plain words: the same on the page and in the terminal."""

from __future__ import annotations

from foils.labelling.measure import Look, Measured

GIVEN = {"skip": "skipped"}
"""Words of labels that read otherwise once they are given."""


def percent(share: float) -> str:
    """Write a share as a percentage, without its sign: one decimal, none from 10 on.

    >>> [percent(share) for share in (0.031, 0.2, 0.0004, 0.0, 0.0996, 1.0)]
    ['3.1', '20', '<0.1', '0', '10', '100']
    """
    value = 100 * share
    if 0 < value < 0.05:
        return "<0.1"
    written = f"{value:.1f}"
    return written if value and float(written) < 10 else f"{value:.0f}"


def look_words(look: Look) -> list[str]:
    """Say what a look found, the rate first."""
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
    if look.to_halve:
        said.append(f"About {look.to_halve:,} more labels would halve the interval.")
    return said


def measured_words(measured: Measured) -> list[str]:
    """Say how far the labels of a result are and, at the last look, what they say."""
    counts = ", ".join(f"{count:,} {GIVEN.get(word, word)}" for word, count in measured.counts.items())
    said = [f"{measured.labels:,} of {measured.asked:,} labelled: {counts}"]
    if measured.look is not None:
        said.append(f"after {measured.look.labels:,} labels: {' '.join(look_words(measured.look))}")
    upcoming = [look for look in measured.looks if look > measured.labels]
    if upcoming:
        left = upcoming[0] - measured.labels
        said.append(f"next look: at {upcoming[0]:,} labels, {left:,} more; estimates are shown at looks only")
    return said
