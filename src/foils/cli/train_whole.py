"""``foils train --kind full`` and ``--kind reranker``."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import msgspec

from foils.cli.console import note, progress, say, say_json
from foils.cli.train_given import NEGATIVES, Given
from foils.integrations.sentence_transformers import (
    Evaluated,
    FittedModel,
    FullSettings,
    RerankerSettings,
    fit_full,
    fit_reranker,
)
from foils.integrations.sentence_transformers.prepare import TrainedKind, require_packages, trainable


def train_full(given: Given, settings: FullSettings) -> None:
    """Fine-tune a retriever, save it and say how it went."""
    fitted = _fitted("full", fit_full, given, settings)
    _say(given, "full", fitted, f" with {NEGATIVES[settings.negatives]}", {"negatives": settings.negatives})


def train_reranker(given: Given, settings: RerankerSettings) -> None:
    """Fine-tune a reranker, save it and say how it went."""
    fitted = _fitted("reranker", fit_reranker, given, settings)
    _say(given, "reranker", fitted, " on pairs", {})


def _fitted(
    kind: TrainedKind, fit: Callable[..., FittedModel], given: Given, settings: FullSettings | RerankerSettings
) -> FittedModel:
    """Look at all that needs no data first, then read and train."""
    require_packages()
    trainable(given.required_model(), kind)
    opened = given.open_mined()
    collection = given.read()
    with progress("training") as report:
        return fit(
            collection, given.required_model(), out=given.out, mined=opened, split=given.split, dev=given.dev,
            settings=settings, seed=given.seed, progress=lambda done, total, loss: report(done, total),
            on_evaluation=_say_evaluation,
        )  # fmt: skip


def _say_evaluation(evaluated: Evaluated) -> None:
    what = "before training" if evaluated.step == 0 else f"step {evaluated.step:,}"
    note(f"{what}: held-out nDCG@10 {evaluated.quality:.4f}")


def _say(given: Given, kind: str, fitted: FittedModel, how: str, facts: dict[str, Any]) -> None:
    evaluations = fitted.evaluations
    if given.as_json:
        say_json({
            "out": str(given.out), "kind": kind, **facts, "steps": fitted.steps, "best": fitted.best,
            "loss": fitted.loss, "held_out": fitted.held_out, "evaluations": msgspec.to_builtins(evaluations),
        })  # fmt: skip
        return
    last = "" if fitted.loss is None else f"; loss at the end {fitted.loss:.3f}"
    lines = [f"{fitted.steps:,} steps{how}{last}"]
    if evaluations:
        best = max(one.quality for one in evaluations)
        lines.append(
            f"best: step {fitted.best:,}; nDCG@10 of {fitted.held_out:,} held-out queries: "
            f"{evaluations[0].quality:.4f} before, {best:.4f} after"
        )
        if not fitted.best:
            lines.append("no evaluation was better than the model as it was, so that is what is written")
    say("\n".join([*lines, f"written to {given.out} (sentence-transformers format)"]))
    given.note_few(fitted.steps)
    if kind == "full":
        given.note_next()
    else:
        data, out = shlex.quote(str(given.data)) + given.columns.words(), shlex.quote(str(given.out))
        note(f"next: foils eval {data} --model FIRST --rerank {out} --against FIRST")
