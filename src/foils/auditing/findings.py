"""What the figures allow to say: sentences chosen by rules, faults first.

A fault is certain: a known positive among the negatives, a copy of one, a positive of another split. What is only
likely (scores above the positive, near-copies, short units) is worth a look. What is normal is no finding against the
data: users and entities stand in all splits, and who draws without knowing test must draw some of its positives.
Everything else is not said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from foils.auditing.duplicates import Duplicates
from foils.auditing.hardness import Hardness
from foils.auditing.hidden import Hidden
from foils.auditing.leakage import Leak
from foils.auditing.measured import Measured
from foils.auditing.measured_text import prediction_words, rate_words
from foils.auditing.near import NearDuplicates
from foils.auditing.report import About, Finding, Level
from foils.auditing.shortfall import Shortfall
from foils.mining.sanity import Separation
from foils.reporting.text import rate

HIGH_HIDDEN, HIGH_ABOVE, HIGH_SHORT, HIGH_NEAR, HIGH_LATER, HIGH_REPEATS = 0.02, 0.01, 0.01, 0.005, 0.02, 0.005
"""Shares above which a figure is worth a look."""
WORSE = 0.02
"""Short units' positives score lower than the others' by more than this: worth saying."""
ORDER = {"fault": 0, "look": 1, "fine": 2}


def findings(
    about: About,
    *,
    hardness: Hardness | None,
    duplicates: Duplicates,
    near: NearDuplicates | None,
    shortfall: Shortfall,
    leaks: list[Leak] | None,
    hidden: Hidden | None,
    separations: Mapping[str, Separation],
    measured: Measured | None,
) -> list[Finding]:
    """Give the sentences, faults first."""
    found = [
        *_separation(separations),
        *_measured(measured, about),
        *_duplicates(duplicates),
        *_leaks(leaks, about),
        *_hidden(hidden),
        *_hardness(hardness, about),
        *_shortfall(shortfall),
        *_near(near),
        *_repeats(duplicates, about),
        *_shared(leaks, about),
        *_unmatched(about),
    ]
    return sorted(found, key=lambda finding: ORDER[finding.level])


def headline(found: list[Finding], about: About, measured: Measured | None) -> str:
    """Give what matters most, in one sentence: what is certainly wrong, else the measured rate, else what is likely."""
    worst = next((finding for finding in found if finding.level != "fine"), None)
    if measured is not None and measured.shown is not None and (worst is None or worst.level != "fault"):
        return rate_words(measured)[0].rstrip(".")
    if worst is None:
        return f"Nothing wrong was found in {about.negatives:,} negatives"
    return re.sub(r" \(.*?\)", "", worst.text.partition(". ")[0]).rstrip(".")


def _separation(separations: Mapping[str, Separation]) -> Iterator[Finding]:
    for vectors, found in separations.items():
        if found.suspicious:
            said = found.complaint(vectors)
            yield Finding("look", f"{said[0].upper()}{said[1:]}.")


def _measured(measured: Measured | None, about: About) -> Iterator[Finding]:
    if measured is None:
        return
    found = measured.rate
    high = found is not None and found.estimate > HIGH_HIDDEN
    yield Finding("look" if high else "fine", " ".join(rate_words(measured, about.name)))
    predicted = measured.predicted
    if predicted is not None and not predicted.fits:
        yield Finding("look", prediction_words(predicted))


def _unmatched(about: About) -> Iterator[Finding]:
    lost = about.unmatched
    if lost is not None and lost.anchors + lost.negatives + lost.positives:
        counts = ((lost.anchors, "anchor"), (lost.negatives, "negative"), (lost.positives, "positive"))
        what = " and ".join(_count(n, noun) for n, noun in counts if n)
        yield Finding("look", f"The file names {what} that the data does not hold. They are left out here.")


def _duplicates(duplicates: Duplicates) -> Iterator[Finding]:
    known, copies = duplicates.known_positives, duplicates.copies_of_positives or 0
    if known:
        yield Finding("fault", f"{_count(known, 'negative')} {_are(known, 'known positive')} of the same anchor.")
    if copies:
        yield Finding(
            "fault", f"{_count(copies, 'negative')} {_are(copies, 'exact copy')} of a positive of the anchor."
        )
    if duplicates.positives_of_twins:
        n = duplicates.positives_of_twins
        text = f"{_count(n, 'negative')} {_are(n, 'positive')} of another anchor with the same text."
        yield Finding("fault", text)
    if duplicates.the_anchor_itself:
        n = duplicates.the_anchor_itself
        yield Finding("fault", f"{_count(n, 'negative')} {'is' if n == 1 else 'are'} the text of the anchor itself.")
    if not known and not copies and duplicates.copies_of_positives is not None and not duplicates.positives_of_twins:
        yield Finding("fine", "No negative is a known positive of its anchor or an exact copy of one.")


def _repeats(duplicates: Duplicates, about: About) -> Iterator[Finding]:
    n = duplicates.copies_of_each_other
    if n:
        level: Level = "look" if n > HIGH_REPEATS * about.negatives else "fine"
        yield Finding(
            level, f"{_count(n, 'negative')} repeat{'s' * (n == 1)} the text of another one of the same unit."
        )


def _leaks(leaks: list[Leak] | None, about: About) -> Iterator[Finding]:
    for leak in leaks or ():
        n = leak.positives_of_same_anchor
        if not n:
            continue
        text = f"{_count(n, 'negative')} {_are(n, 'positive')} of the same anchor in {leak.split}."
        if not leak.anchors_shared_by_design:
            yield Finding("fault", text)
            continue
        share = n / about.negatives
        known = f" {rate(100 * share)} of 100: some are normal, as whoever draws must not know {leak.split}."
        many = " So many mean that hard negatives are tomorrow's positives: look less deep, or skip the first ranks."
        yield Finding(*("look", text + known + many) if share > HIGH_LATER else ("fine", text + known))
    if leaks and not any(leak.positives_of_same_anchor for leak in leaks):
        names = ", ".join(leak.split for leak in leaks)
        yield Finding("fine", f"No negative is a positive of its anchor in another split ({names}).")


def _shared(leaks: list[Leak] | None, about: About) -> Iterator[Finding]:
    for leak in leaks or ():
        shared = leak.anchors_in_split + leak.anchors_with_equal_text
        text = f"{shared:,} of {about.anchors:,} anchors stand in {leak.split} as well"
        if shared and leak.anchors_shared_by_design:
            yield Finding("fine", f"{text}, as users and entities do.")
        elif shared:
            yield Finding(
                "look",
                f"{text}, by id or by text: what {leak.split} measures is partly trained on. Take them out of one.",
            )


def _hidden(hidden: Hidden | None) -> Iterator[Finding]:
    if hidden is None:
        return
    level: Level = "look" if hidden.rate.estimate > HIGH_HIDDEN else "fine"
    low, high = rate(1000 * hidden.rate.low), rate(1000 * hidden.rate.high)
    of = "negatives"
    if hidden.partial:
        of += f" of the {_count(hidden.anchors, 'judged anchor')}"
    text = (
        f"{rate(1000 * hidden.rate.estimate)} of 1,000 {of} are positives by the fuller judgements "
        f"(95 % interval {low} to {high}). This is a lower bound: what nobody judged counts as negative."
    )
    if hidden.partial:
        text += (
            f" Over all {hidden.all_anchors:,} anchors, with what is not judged taken as right, it is "
            f"{rate(1000 * hidden.rate_of_all.estimate)} of 1,000."
        )
    yield Finding(level, text)


def _hardness(hardness: Hardness | None, about: About) -> Iterator[Finding]:
    if hardness is None:
        return
    gap = hardness.gap("mean")
    one = "its positive" if hardness.one_positive else "the mean of its anchor’s positives"
    their = "their positive" if hardness.one_positive else "the mean of their anchor’s positives"
    above = gap.at_or_above.estimate
    compared, all_of = "", ""
    if hardness.negatives < about.negatives:
        compared = "compared "
        all_of = (
            f" {hardness.negatives:,} of {about.negatives:,} could be compared: the others have no score, or their "
            "positives have none."
        )
    if above == 0:
        yield Finding("fine", f"No {compared}negative scores as high as {one}.{all_of}")
    else:
        low, high = rate(100 * gap.at_or_above.low), rate(100 * gap.at_or_above.high)
        level: Level = "look" if above > HIGH_ABOVE else "fine"
        yield Finding(
            level,
            f"{rate(100 * above)} of 100 {compared}negatives score at or above {their} "
            f"(95 % interval {low} to {high}). Many such negatives are positives that nobody labelled.{all_of}",
        )


def _near(near: NearDuplicates | None) -> Iterator[Finding]:
    if near is not None and near.rate.estimate > HIGH_NEAR:
        yield Finding(
            "look",
            f"{rate(100 * near.rate.estimate)} of 100 negatives nearly repeat a positive (Jaccard similarity of "
            f"{near.threshold} or more, {near.sampled:,} looked at). To leave them out, put into the recipe "
            f"scorers: [{{near_duplicate: {{}}}}] and rules: [{{max_score: {{column: near_duplicate, threshold: "
            f"{near.threshold}}}}}], and name the sampler's column.",
        )


def _shortfall(shortfall: Shortfall) -> Iterator[Finding]:
    if not shortfall.short_units:
        yield Finding("fine", f"No unit has fewer negatives than asked for ({shortfall.asked}).")
        return
    share, low, high = shortfall.share_short.estimate, *_scores(shortfall)
    than = f"fewer than {shortfall.asked} negatives"
    empty = f" ({shortfall.empty_units:,} of them none)" if shortfall.empty_units else ""
    text = f"{shortfall.short_units:,} of {shortfall.units:,} units have {than}{empty}."
    worse = low is not None and high is not None and low < high - WORSE
    if worse:
        text += f" Their positives score {low:.3f} on average and the others’ {high:.3f}: the model is worst at them."
    yield Finding("look" if share > HIGH_SHORT else "fine", text)


def _scores(shortfall: Shortfall) -> tuple[float | None, float | None]:
    return shortfall.mean_positive_score_short, shortfall.mean_positive_score_others


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'s' * (n != 1)}"


def _are(n: int, noun: str) -> str:
    if n == 1:
        return f"is {'an' if noun[0] in 'aeiou' else 'a'} {noun}"
    return f"are {noun[:-1]}ies" if noun.endswith("y") else f"are {noun}s"
