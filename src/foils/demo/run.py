"""Run the demo: read, label, split, run the seeds, estimate, conclude, report."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import foils
from foils._threads import one_thread
from foils.demo.bench import prepare
from foils.demo.bm25 import evaluate_bm25
from foils.demo.clock import Clock, Progress
from foils.demo.conclusion import conclude
from foils.demo.docstrings import DocstringCorpus, extract_docstrings
from foils.demo.examples import find_examples
from foils.demo.experiment import Outcome, run_seed
from foils.demo.report import check_possible, write_report
from foils.demo.result import DemoResult, Example
from foils.demo.rows import table_rows
from foils.demo.settings import METRIC, PLAIN, DemoSettings
from foils.demo.truth import tell_truth


def run_demo(out: Path, *, settings: DemoSettings | None = None, progress: Progress | None = None) -> DemoResult:
    """Run the demo and write report.html and report.json; when interrupted, nothing is written.

    Args:
        out: folder of the two files.
        settings: how much is done.
        progress: called with what is being done, the steps done and the steps in all.

    Raises:
        MissingExtraError: the extra ``demo`` is not installed.
        FolderError: the folder cannot be written, or is not ours.
        DataError: the installation's documentation cannot be read.
    """
    settings = settings or DemoSettings()
    check_possible(out)
    clock = Clock(settings.steps, progress)
    with clock.work("reading docstrings"):
        corpus = extract_docstrings(max_anchors=settings.max_anchors)
    result = experiment(corpus, settings, clock)
    with clock.work("report"):
        write_report(result, out)
    return result


def experiment(corpus: DocstringCorpus, settings: DemoSettings, clock: Clock) -> DemoResult:
    """Do all that follows from a corpus; the same corpus and settings give the same numbers on one machine."""
    # One thread per product, so that the threads of mining and training do not get in each other's way.
    with one_thread():
        with clock.work("tokenising"):
            truth = tell_truth(corpus)
            bench = prepare(truth, settings)
        with clock.work("BM25"):
            bm25 = evaluate_bm25(bench.evaluation, METRIC)
        outcomes: list[Outcome] = []
        examples: list[Example] = []
        for seed in range(settings.seeds):
            outcome, encoder = run_seed(bench, settings, seed, clock)
            outcomes.append(outcome)
            if not examples:
                vectors = encoder.pool(bench.bags.anchors), encoder.pool(bench.bags.items)
                examples = find_examples(truth, outcome.hidden[PLAIN], *vectors)
        with clock.work("estimating"):
            rows = table_rows(truth, outcomes, bm25)
    return DemoResult(
        rows=rows,
        conclusion=conclude(rows),
        example_recipe=PLAIN,
        examples=examples,
        counts=truth.counts(),
        left_out=corpus.skipped,
        settings=settings,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"foils": foils.__version__, **corpus.versions},
        stages=clock.stages(),
    )
