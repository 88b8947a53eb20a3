"""Audit: look at negatives from every side, and say what was found."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from foils import _extras as extras
from foils.auditing import page
from foils.auditing.compared_rates import compare_measured
from foils.auditing.comparison import Hits, compare
from foils.auditing.coverage import coverage
from foils.auditing.duplicates import duplicates
from foils.auditing.examples import find_examples
from foils.auditing.findings import findings, headline
from foils.auditing.from_file import file_subject, rescored
from foils.auditing.from_result import nearest_rejected, result_subject
from foils.auditing.gradients import Gradients, all_gradients
from foils.auditing.groups import by_rank, by_source
from foils.auditing.hardness import hardness
from foils.auditing.hidden import Hidden, Truth, hidden
from foils.auditing.leakage import leakage, splits_in
from foils.auditing.measured import Measured, labels_of, measured
from foils.auditing.measured_gradients import EVIDENCE, labelled_gradients
from foils.auditing.near import near_duplicates
from foils.auditing.report import REPORT, About, Effort, Report, Unknown
from foils.auditing.shortfall import shortfall
from foils.auditing.subject import Bool, Subject
from foils.auditing.text import summarise
from foils.auditing.truth import truth_of
from foils.collection import Collection
from foils.errors import InputError
from foils.mining import Mined
from foils.mining.memory import PeakMemory
from foils.mining.sanity import Separation, separation
from foils.mining.stored import Result
from foils.reporting.files import check_folder, write_files
from foils.search import MODEL, VectorSource, open_sides

Progress = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""

EXTRA = ("jinja2", "matplotlib")
"""What the extra ``report`` brings."""
STEPS = 7


@dataclass(frozen=True, eq=False)
class Audit:
    """A finished audit.

    Attributes:
        report: all figures, as plain data.
    """

    report: Report

    def __repr__(self) -> str:
        """Say what was audited and what matters most."""
        return f"Audit({self.report.about.name!r}: {self.report.headline})"

    def __str__(self) -> str:
        """Tell what was found in a few lines."""
        return self.summary()

    def summary(self) -> str:
        """Tell what was found in a few lines."""
        return summarise(self.report)

    def data(self) -> dict[str, Any]:
        """Give all figures as JSON-ready data; docs/how-to/audit.md says what each is."""
        return self.report.data()

    def html(self) -> str:
        """Make the self-contained page.

        Raises:
            MissingExtraError: the extra ``report`` is not installed.
        """
        extras.require("report", EXTRA)
        return page.render(self.report)

    def write(self, out: str | Path) -> list[Path]:
        """Write report.json and, where the extra ``report`` is installed, report.html.

        Raises:
            FolderError: the folder cannot be written, or holds a report of something else.
        """
        check_folder(Path(out), REPORT)
        return write_files(Path(out), self.data(), None if missing_extra() else self.html())


def missing_extra() -> list[str]:
    """Name the packages of the extra ``report`` that are not installed."""
    return extras.missing(EXTRA)


def audit(
    subject: Mined | Collection,
    file: str | Path | None = None,
    *,
    split: str = "train",
    truth: Collection | str | Path | None = None,
    compare_with: Mined | None = None,
    query_vectors: VectorSource | None = None,
    item_vectors: VectorSource | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Audit a result of foils, or anybody's negatives of a collection.

    Where labels lie in the folder of a result (``foils review``), the rate of positives among the negatives is measured
    from them.

    Args:
        subject: a result (opened with its collection, it is audited more fully), or a collection.
        file: with a collection: a file of negatives; triplets, n-tuples, labelled pairs or lists of
            sentence-transformers, Tevatron's and FlagEmbedding's JSON Lines, a table of ids, a TREC run.
        split: with a file: whose positives count as known.
        truth: fuller judgements, to count hidden positives: a collection, a BEIR folder, or a file of judgements.
        compare_with: another result of the same data, such as that of an earlier run.
        query_vectors: float[A, d] or an .npy file: scores are then cosines of these vectors.
        item_vectors: float[I, d] or an .npy file.
        out: folder for report.json and, where the extra ``report`` is installed, report.html.
        progress: called between the steps.

    Raises:
        InputError: something that was given cannot be used.
    """
    if out is not None:
        check_folder(Path(out), REPORT)
    if (query_vectors is None) != (item_vectors is None):
        raise InputError("give query vectors and item vectors together; one of the two was left out")
    if truth is not None and not isinstance(truth, Collection | str | os.PathLike):
        raise InputError(
            f"truth is {truth!r:.80}; expected a Collection, the path of a data set, or that of a file of judgements"
        )
    started = time.perf_counter()
    tell = progress or (lambda _what, _done, _total: None)
    with PeakMemory() as memory:
        tell("reading", 0, STEPS)
        looked_at = _subject(subject, file, split)
        other = None if compare_with is None else _other(compare_with, subject)
        if query_vectors is not None and item_vectors is not None:
            looked_at = rescored(looked_at, query_vectors, item_vectors)
            other = None if other is None else rescored(other, query_vectors, item_vectors)
        separations = _separations(subject, looked_at, query_vectors, item_vectors)
        result = subject.result if isinstance(subject, Mined) else None
        report = _report(result, looked_at, other, compare_with, truth, separations, tell)
        effort = Effort(time.perf_counter() - started, memory.lap().peak_anonymous_bytes)
    finished = Audit(msgspec.structs.replace(report, effort=effort))
    if out is not None:
        finished.write(out)
    tell("done", STEPS, STEPS)
    return finished


def _other(other: Mined, subject: Mined | Collection) -> Subject:
    """Read the other result; the texts and rows of the data are its own only if it was mined from the same."""
    collection = subject.collection if isinstance(subject, Mined) else subject
    identity = other.result.identity
    same = collection is not None and identity.inputs.get("collection") == collection.digest(identity.split)
    return result_subject(other.result, collection if same else None)


def _subject(subject: Mined | Collection, file: str | Path | None, split: str) -> Subject:
    if isinstance(subject, Mined):
        if file is not None:
            raise InputError("give a result, or a collection and a file of negatives, not a result and a file")
        return result_subject(subject.result, subject.collection)
    if not isinstance(subject, Collection):
        raise InputError(f"expected a Mined or a Collection, found {subject!r:.80}; open one with Mined.open(path)")
    if file is None:
        raise InputError("a collection alone has no negatives; name a file of them: foils.audit(collection, file)")
    subject.judgements.select((split,))  # is there such a split?
    return file_subject(subject, Path(file), split)


def _separations(
    given: Mined | Collection, subject: Subject, queries: VectorSource | None, corpus: VectorSource | None
) -> dict[str, Separation]:
    """Measure whether positives score above random items by the vectors given, or read what mining measured."""
    if queries is not None and corpus is not None and subject.collection is not None:
        sides = open_sides(queries, corpus, subject.collection)
        found = separation(subject.collection, subject.collection.positives((subject.split,)), *sides)
        return {} if found is None else {MODEL: found}
    stored = given.stats.get("separation", {}) if isinstance(given, Mined) else {}
    return {name: msgspec.convert(facts, Separation) for name, facts in stored.items()}


def _report(
    result: Result | None,
    subject: Subject,
    other: Subject | None,
    compare_with: Mined | None,
    truth: Collection | str | Path | None,
    separations: dict[str, Separation],
    tell: Progress,
) -> Report:
    if not len(subject.items):
        raise InputError(f"{subject.name} holds no negative, so there is nothing to audit")
    tell("duplicates and leakage", 1, STEPS)
    counted, wrong = duplicates(subject)
    known = None if truth is None else truth_of(subject, truth)
    leaks, leaking = leakage(subject, known)
    near, nearly = near_duplicates(subject)
    tell("hidden positives", 2, STEPS)
    found, hits = _found(subject, known, wrong)
    tell("hardness, coverage, shortfall", 3, STEPS)
    hard, covered, missing = hardness(subject), coverage(subject), shortfall(subject)
    about = _about(subject, result)
    tell("labels", 4, STEPS)
    rates, by_labels, unused = _measured(subject, result)
    said = findings(
        about, hardness=hard, duplicates=counted, near=near, shortfall=missing, leaks=leaks, hidden=found,
        separations=separations, measured=rates,
    )  # fmt: skip
    tell("comparison", 5, STEPS)
    changed = None
    if other is not None:
        paired = None if hits is None or truth is None else (hits, _hits(other, truth))
        both = None if result is None or compare_with is None else compare_measured(result, compare_with.result)
        changed = compare(subject, other, covered, paired, both)
    tell("examples", 6, STEPS)
    rejected = None if result is None else nearest_rejected(result)
    none = np.zeros(len(subject.items), bool)
    return Report(
        about=about,
        headline=headline(said, about, rates),
        findings=said,
        separation=separations,
        hardness=hard,
        ranks=by_rank(subject, *(hits or (None, None))),
        coverage=covered,
        duplicates=counted,
        near_duplicates=near,
        shortfall=missing,
        sources=by_source(subject, *(hits or (None, None))),
        verdicts=None if subject.verdicts is None else dict(subject.verdicts),
        leakage=leaks,
        hidden=found,
        measured=rates,
        gradients=sorted([*all_gradients(subject, hits), *by_labels], key=lambda one: EVIDENCE.index(one.evidence)),
        comparison=changed,
        examples=find_examples(subject, none if hits is None else hits[0], wrong | leaking, nearly, rejected),
        notes=[*_notes(subject, known, has_scores=hard is not None), *unused],
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={package: version(package) for package in ("foils", "numpy", "pyarrow")},
        effort=Effort(0.0, None),
    )


def _measured(subject: Subject, result: Result | None) -> tuple[Measured | None, list[Gradients], list[str]]:
    """Measure by the labels beside a result: the rates, where gradients fall, and why labels were not used."""
    if result is None:
        return None, [], []
    found, unused = labels_of(result)
    if found is None:
        return None, [], [] if unused is None else [unused]
    rates = measured(result, subject, found)
    by_labels = labelled_gradients(subject, found, rates.shown)
    return rates, [] if by_labels is None else [by_labels], []


def _found(subject: Subject, known: Truth | None, wrong: Bool) -> tuple[Hidden | None, Hits | None]:
    """Count hidden positives, and mark them and the negatives of judged anchors; None where there is no truth."""
    if known is None:
        return None, None
    found, hit, judged = hidden(subject, known, wrong)
    return found, (hit, judged)


def _hits(other: Subject, truth: Collection | str | Path) -> Hits:
    _, wrong = duplicates(other)
    _, hit, judged = hidden(other, truth_of(other, truth), wrong)
    return hit, judged


def _about(subject: Subject, result: Result | None) -> About:
    lost = subject.unmatched
    return About(
        name=subject.name,
        form=subject.form,
        recipe=None if result is None else result.recipe.name,
        split=subject.split,
        units=subject.n_units,
        anchors=int(subject.clusters.max()) + 1,
        items=len(subject.item_ids),
        negatives=len(subject.items),
        asked=subject.asked,
        unmatched=None
        if lost is None
        else Unknown(
            anchors=lost.anchors, negatives=lost.negatives, positives=lost.positives, examples=list(lost.examples)
        ),
    )


def _notes(subject: Subject, truth: Truth | None, *, has_scores: bool) -> list[str]:
    notes = []
    if not has_scores:
        notes.append("Hardness was not measured: there are no scores. Give the vectors of an encoder to measure it.")
    if truth is None:
        notes.append("Hidden positives were not counted: that needs fuller judgements (truth).")
    elif names := splits_in(subject, truth):
        notes.append(f"{', '.join(names)}: given as truth, and so not looked at as leakage.")
    if subject.collection is None:
        notes.append("Duplicates, leakage and texts were not looked at: that needs the data that was mined.")
    return notes
