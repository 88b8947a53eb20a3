"""An audit in a few lines, for a terminal."""

from __future__ import annotations

from foils.auditing.gradients import Gradients
from foils.auditing.report import Report
from foils.reporting.text import rate

MARKS = {"fault": "✗", "look": "!", "fine": "✓"}
MOST_USED = 3
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
    lines += [_gradients(one) for one in report.gradients]
    if report.about.unmatched is not None:
        lines += [f"  not in the data: {example}" for example in report.about.unmatched.examples]
    if report.comparison is not None:
        lines += ["", *_comparison(report)]
    return "\n".join([*lines, *(f"  – {note}" for note in report.notes)])


def _gradients(found: Gradients) -> str:
    """Say what share of some losses' gradient falls on suspects."""
    told = ", ".join(f"{found.of(loss).share.estimate:.1%} for {loss}" for loss in TOLD)
    base = f"{found.share_of_negatives.estimate:.1%}"
    suspects = "hidden positives" if found.evidence == "hidden positives" else "positives by p_positive"
    return f"  negative gradient on {suspects}, {base} of the negatives: {told}"


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
    return [*lines, *(f"  ! {note}." for note in compared.notes)]
