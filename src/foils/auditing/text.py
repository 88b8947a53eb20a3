"""An audit in a few lines, for a terminal."""

from __future__ import annotations

from foils.auditing.gradients import Gradients
from foils.auditing.intervals import Estimate
from foils.auditing.measured import Measured
from foils.auditing.measured_text import (
    bins_words,
    compared_words,
    difference_words,
    interval,
    look_words,
    prediction_words,
)
from foils.auditing.report import Report
from foils.auditing.scorer_quality import Scorer
from foils.estimating import Share
from foils.reporting.text import percent, rate, shown

MARKS = {"fault": "✗", "look": "!", "fine": "✓"}
MOST_USED = 3
TENTH = 0.1
"""Share of the negatives to give up for which a score's worth is told here; the page and the JSON have more."""
TOLD = ("BCE", "OHEM, hardest 10%", "InfoNCE, t = 0.05", "InfoNCE, t = 0.01")
"""Losses of the terminal; the page and the JSON have them all."""


def summarise(report: Report) -> str:
    """Say what was audited, what was found, and how the corpus is used."""
    about, covered = report.about, report.coverage
    recipe = f", recipe {about.recipe}" if about.recipe else f", read as {about.form}"
    lines = [
        f"{about.name}: {about.negatives:,} negatives of {about.units:,} units ({about.split}{recipe})",
        *(f"  {MARKS[finding.level]} {finding.text}" for finding in report.findings),
        f"  items: {covered.used:,} of {covered.items:,} used ({covered.share_of_corpus:.0%}); "
        f"the most used 1 % make {covered.share_of_top_percent:.0%} of the negatives",
    ]
    if report.ranks is not None:
        lines.append(f"  {report.ranks.meaning}: median {report.ranks.median:,.0f}, deepest {report.ranks.deepest:,}")
    if report.measured is not None:
        lines += _measured(report.measured)
    for found in report.gradients:
        lines += _gradients(found)
    if report.about.unmatched is not None:
        lines += [f"  not in the data: {example}" for example in report.about.unmatched.examples]
    if report.comparison is not None:
        lines += ["", *_comparison(report)]
    return "\n".join([*lines, *(f"  – {note}" for note in report.notes)])


def _measured(found: Measured) -> list[str]:
    """Say what the labels are of, and how well each score finds the positives."""
    recipe = found.mined_false_negative_rate.recipe.look
    lines = [f"  labels: {line}" for line in look_words(found)]
    if recipe is not None:
        lines.append(f"  what this recipe mines for anchors like these: {interval(recipe)} are really positives")
    if found.predicted is not None and found.predicted.fits:
        lines.append(f"  {prediction_words(found.predicted)}")
    if found.predicted is not None:
        lines.append(f"  {bins_words(found.predicted)}")
    return [*lines, *(_scorer(one) for one in found.scorers)]


def _scorer(found: Scorer) -> str:
    auc = found.quality.auc
    if auc is None:
        return f"  {shown(found.column)} against the labels: too few positives or negatives with this score"
    said = f"  {shown(found.column)} against the labels: AUC {auc.estimate:.2f} [{auc.low:.2f}, {auc.high:.2f}]"
    at = min(found.quality.thresholds, key=lambda one: abs(one.called - TENTH), default=None)
    if at is None or at.recall is None:
        return said
    return f"{said}; {_share(at.recall)} of the positives are among the highest-scored {percent(at.called)} %"


def _gradients(found: Gradients) -> list[str]:
    """Say what share of some losses' gradient falls on suspects, and of which losses that is not known."""
    shares = [found.of(loss) for loss in TOLD]
    told = "; ".join(f"{_share(one.share)} for {one.loss}" for one in shares if not one.is_open)
    left_out = "; ".join(one.loss for one in shares if one.is_open)
    suspects = {"hidden positives": "hidden positives", "labels": "positives by the labels"}.get(
        found.evidence, "positives by p_positive"
    )
    base = _share(found.share_of_negatives)
    lines = [f"  negative gradient on {suspects}, {base} of the negatives: {told or 'too uncertain to say'}"]
    if left_out:
        lines.append(f"    not shown, with an interval over more than half of the scale: {left_out}")
    return lines


def _share(found: Estimate | Share) -> str:
    return f"{percent(found.estimate)} % [{percent(found.low)}, {percent(found.high)}]"


def _comparison(report: Report) -> list[str]:
    compared = report.comparison
    if compared is None:
        return []
    kept = "" if compared.kept_share is None else f", {rate(100 * compared.kept_share.estimate)} of 100 negatives kept"
    lines = [f"compared with {compared.other}: {compared.units_in_both:,} units in both{kept}"]
    for change in compared.changes:
        difference = "" if change.difference is None else f"  difference {change.difference.signed}"
        before, now = (f"{value:8.3f}".replace("-", "−") for value in (change.before, change.now))
        lines.append(f"  {change.figure:<30} {before} → {now}{difference}")
    if compared.rates is not None:
        lines.append(f"  {compared_words(compared.rates)}")
        if compared.rates.of_recipes is not None:
            moved = difference_words(compared.rates.of_recipes)
            lines.append(f"  difference of the two recipes, in percentage points: {moved}")
    return [*lines, *(f"  ! {note}." for note in compared.notes)]
