"""The measured rate: how many of the negatives are really positives, from the labels beside them.

Whoever labels until the number looks good gets a number that looks good. So what is shown rests on the labels of the
last *look*, a number that was fixed before the first label, and its interval allows for all looks: it holds whenever
one stops. The interval of all labels so far is narrower, and holds where their number was fixed beforehand.

Rates of parts (bands of ranks, sources) are many numbers at once. Their intervals hold together: with B parts each is
of level 1 − 0.05 / B (Bonferroni).
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from foils.auditing.reliability import bins_of
from foils.auditing.scorer_quality import Scorer, scorers_of
from foils.auditing.subject import Subject
from foils.errors import FolderError
from foils.estimating import Rate, at_look, estimate_rate, labels_to_halve
from foils.labelling import FILE, Counted, LabelStore, counted
from foils.labelling.drawn import words
from foils.labelling.events import WORDS
from foils.mining.stored import Result

LEVEL = 0.95


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """One rate."""

    look: Rate | None
    """At the last look: honest whenever labelling stopped. None before the first look."""
    fixed: Rate
    """Of all labels that count: honest where their number was fixed beforehand."""
    to_halve: int | None
    """About how many labels more than at the look (without one, than now) halve its interval, those beyond the
    design's in a new, larger one; None: more labels of these negatives cannot."""


class Targets(msgspec.Struct, frozen=True):
    """What a rate is of."""

    file: Measurement
    """These very negatives."""
    recipe: Measurement
    """What the recipe mines for anchors like these."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the negatives."""

    label: str
    negatives: int
    labels: int
    rate: Rate | None
    """Of the file. The intervals of all parts of a kind hold together with 95 %. None where no label falls into it."""


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Negatives of about the same ``p_positive``."""

    low: float
    """The lowest ``p_positive`` in it."""
    high: float
    """The highest."""
    negatives: int
    labels: int
    mean: float
    """Of their ``p_positive``: the rate it says."""
    rate: Rate | None
    """The measured one. The intervals of all bins hold together with 95 %. None where no label falls into it."""

    @property
    def beyond(self) -> float:
        """Tell how far outside the interval the mean lies; 0 = inside, or there is no interval."""
        return 0.0 if self.rate is None else max(self.rate.low - self.mean, self.mean - self.rate.high, 0.0)


class Predicted(msgspec.Struct, frozen=True, kw_only=True):
    """What a calibrated ``p_positive`` predicts, beside what the labels say."""

    negatives: int
    """That have one."""
    mean: float
    """Of their ``p_positive``: the predicted rate."""
    rate: Rate
    """The measured one, of the same negatives, at the last look."""
    bins: list[Bin]
    """The same negatives by their ``p_positive``, ascending."""

    @property
    def fits(self) -> bool:
        """Tell whether the interval holds the prediction."""
        return self.rate.low <= self.mean <= self.rate.high


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What the labels of a result say."""

    labels: int
    """In the order of the design, up to the first pair without one: those that count."""
    asked: int
    """Pairs of the design."""
    counts: dict[str, int]
    """Of ``labels``: by label."""
    looks: list[int]
    """Numbers of labels, fixed beforehand, at which the interval may be looked at."""
    shown: int | None
    """The look that was reached last: what the sentences, the parts and the scorers rest on; None = none yet."""
    scorer: str | None
    """The column that guided the draw."""
    mined_false_negative_rate: Targets
    bands: list[Part]
    """By rank in the source; empty before the first look."""
    sources: list[Part]
    scorers: list[Scorer]
    """How well each stored score finds the positives; empty before the first look."""
    predicted: Predicted | None
    """None without a calibrated ``p_positive``, or before the first look."""

    @property
    def rate(self) -> Rate | None:
        """The rate of these negatives at the last look."""
        return self.mined_false_negative_rate.file.look

    @property
    def next_look(self) -> int | None:
        """The number of labels at which it may be looked at next."""
        return next((look for look in self.looks if look > self.labels), None)


def labels_of(result: Result) -> tuple[Counted | None, str | None]:
    """Read the labels beside a result.

    Returns:
        those that count, None where there are none; and, where there are some that cannot be used, why.
    """
    if not LabelStore.of(result.path).exists:
        return None, None
    try:
        found = counted(result)
    except FolderError as error:
        return None, f"The labels were not used. {error}."
    command = f"foils review {result.path} --data DATA"
    if found is None:
        return None, f"The labels in {FILE} belong to no design, so no rate follows from them; draw one with: {command}"
    if not len(found.labels):
        return None, f"Pairs were drawn to be labelled, and the first has no label yet; label with: {command}"
    return found, None


def measured(result: Result, subject: Subject, found: Counted) -> Measured:
    """Measure.

    Args:
        result: whose labels.
        subject: the same, as it is audited.
        found: its labels.
    """
    shown = shown_look(found)
    return Measured(
        labels=len(found.labels),
        asked=len(found.drawn),
        counts={WORDS[label]: count for label, count in words(found.labels).items()},
        looks=list(found.drawn.facts.looks),
        shown=shown,
        scorer=found.drawn.facts.scorer,
        mined_false_negative_rate=Targets(_measurement(found, "file"), _measurement(found, "recipe")),
        bands=_parts(found, found.negatives.population.bands, found.negatives.band_names),
        sources=_parts(found, found.negatives.sources, found.negatives.source_names),
        scorers=[] if shown is None else scorers_of(result, subject, found, shown),
        predicted=_predicted(found, shown, subject),
    )


def shown_look(found: Counted) -> int | None:
    """Give the last look that was reached."""
    return max((look for look in found.drawn.facts.looks if look <= len(found.labels)), default=None)


def _measurement(found: Counted, target: Literal["file", "recipe"]) -> Measurement:
    population, design = found.negatives.population, found.drawn.design
    at = shown_look(found)
    return Measurement(
        look=at_look(population, design, found.labels, target=target, level=LEVEL),
        fixed=estimate_rate(population, design, found.labels, target=target, level=LEVEL),
        to_halve=labels_to_halve(population, design, found.labels[:at], target=target, level=LEVEL),
    )


def _parts(found: Counted, part_of: npt.NDArray[np.integer], names: tuple[str, ...]) -> list[Part]:
    """Measure each part; a negative is in none where ``part_of`` is -1."""
    shown = shown_look(found)
    if shown is None:
        return []
    labels = found.labels[:shown]
    drawn = part_of[found.drawn.design.order[:shown]]
    known = np.bincount(drawn[drawn >= 0], minlength=len(names))
    sizes = np.bincount(part_of[part_of >= 0], minlength=len(names))
    level = 1 - (1 - LEVEL) / max(int((known > 0).sum()), 1)
    parts = []
    for code, name in enumerate(names):
        rate = None
        if known[code]:
            population, design = found.negatives.population, found.drawn.design
            rate = estimate_rate(population, design, labels, within=part_of == code, level=level)
            together = f"{rate.method}, together with {len(names) - 1} others"
            rate = msgspec.structs.replace(rate, level=LEVEL, method=together)
        parts.append(Part(label=name, negatives=int(sizes[code]), labels=int(known[code]), rate=rate))
    return parts


def _predicted(found: Counted, shown: int | None, subject: Subject) -> Predicted | None:
    p = subject.p_positive
    if shown is None or p is None or not subject.calibrated:
        return None
    said = ~np.isnan(p)
    if not said[found.drawn.design.order[:shown]].any():
        return None
    rate = at_look(found.negatives.population, found.drawn.design, found.labels, within=said, level=LEVEL)
    if rate is None:
        return None
    exact = p.astype(np.float64)
    return Predicted(negatives=int(said.sum()), mean=float(exact[said].mean()), rate=rate, bins=_bins(found, exact))


def _bins(found: Counted, p: npt.NDArray[np.float64]) -> list[Bin]:
    bin_of = bins_of(p)
    parts = _parts(found, bin_of, tuple(str(number) for number in range(bin_of.max() + 1)))
    inside = [p[bin_of == number] for number in range(len(parts))]
    return [
        Bin(
            low=float(one.min()),
            high=float(one.max()),
            negatives=part.negatives,
            labels=part.labels,
            mean=float(one.mean()),
            rate=part.rate,
        )
        for one, part in zip(inside, parts, strict=True)
    ]
