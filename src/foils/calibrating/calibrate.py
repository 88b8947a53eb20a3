"""Fit a calibrator to the candidates of a result, and measure it on anchors that it has not seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from foils._array import Key, counter_uniform
from foils.calibrating.calibration import Calibration, Measure
from foils.calibrating.choices import choose_columns, choose_inputs
from foils.calibrating.fit import Method, fit
from foils.calibrating.pairs import Float64, Labels, Pairs, answered_pairs, labelled_pairs
from foils.calibrating.reached import reached
from foils.calibrating.reliability import reliability
from foils.calibrators import Calibrator, Input
from foils.candidates import Kind, Reference
from foils.errors import InputError
from foils.mining import Mined
from foils.positives import Int64
from foils.recipes import Recipe

FOLDS = 5
LEAST = 10
"""Positives, and negatives, below which nothing is fitted."""
SCARCE = 30
"""Below this many of either, a note says that the numbers are rough."""


def calibrate(
    mined: Mined,
    labels: Labels | None = None,
    *,
    column: str | None = None,
    method: Method = "isotonic",
    columns: Sequence[str] | None = None,
    measure: Measure = "score",
    reference: Reference = "min",
    seed: int = 0,
) -> Calibration:
    """Learn from labels, or from a stronger scorer, how likely a score makes a candidate an unlabelled positive.

    Labels that a design drew count 1/pi each, so that the fit is one to all negatives. How well it does is measured on
    the anchors of each of five parts by a calibrator that was fitted to the other four.

    Args:
        mined: a result; its stored scores are what is calibrated.
        labels: as ``foils.labelling.read_labels`` gives them.
        column: instead of labels, a column of probabilities (of a reranker, of an LLM) to learn from where it answered.
        method: ``isotonic`` (a rising curve) or ``platt`` (a logistic curve) on one column, ``stacker`` (a logistic
            regression) on several, or ``cascade`` (a rising curve on each, the last that has a score wins).
        columns: what to calibrate; by default the column added last, for stacker and cascade all, in their order.
        measure: scores as they stand (``score``), less that of the reference positive (``margin``), as raw scores
            differ from anchor to anchor, or ``both``, for a stacker.
        reference: which positive of a unit margins are measured from.
        seed: of the parts that anchors are cut into.

    Raises:
        InputError: no such method or column, too few positives or negatives, or candidates were not stored.
    """
    recipe = mined.recipe
    if (labels is None) == (column is None):
        raise InputError("give labels, or column='…' of a stronger scorer to learn from; one of the two")
    chosen = choose_columns(recipe, method, columns, column)
    inputs = choose_inputs(recipe, method, chosen, measure, reference)
    pairs = answered_pairs(mined.result, str(column)) if labels is None else labelled_pairs(mined.result, labels)
    for one in [[entry] for entry in inputs] if method == "cascade" else [inputs]:
        _require_enough(one, pairs)
    fitted, weighing = fit(method, inputs, pairs), (pairs.targets, pairs.weights, pairs.anchors)
    there = reached(mined.result, fitted)
    return Calibration(
        p_positive={method: msgspec.json.decode(msgspec.json.encode(fitted))},
        method=method,
        columns=chosen,
        measure=measure,
        reference=reference,
        learnt_from="labels" if column is None else column,
        positives=float(pairs.targets.sum()),
        negatives=float((1 - pairs.targets).sum()),
        anchors=len(np.unique(pairs.anchors)),
        weighted=pairs.designed,
        left_out=pairs.left_out,
        before=reliability(_taken_for_probabilities(recipe, pairs, chosen[-1]), *weighing),
        after=reliability(out_of_fold(method, inputs, pairs, seed), *weighing),
        fitted_on={part: recipe.resolved()[part] for part in ("source", "scorers")},
        fitted_inputs=dict(mined.identity.inputs),
        notes=(*_notes(pairs, inputs, column), *(there.notes() if column is None else ())),
        lowest=None if math.isnan(there.least) else there.least,
    )


def out_of_fold(method: Method, inputs: Sequence[Input], pairs: Pairs, seed: int) -> Float64:
    """Say of every pair what a calibrator says that was fitted to other anchors only: float64[P]."""
    folds = folds_of(pairs.anchors, seed)
    said = np.full(len(pairs), np.nan)
    for fold in np.unique(folds):
        inside = np.flatnonzero(folds == fold)
        others = fit(method, inputs, pairs.take(np.flatnonzero(folds != fold)))
        said[inside] = _said(others, pairs.take(inside))
    return said


def folds_of(anchors: Int64, seed: int) -> Int64:
    """Cut anchors into parts of about equal size, all pairs of an anchor in one: int64[P]."""
    every, of = np.unique(anchors, return_inverse=True)
    noise = counter_uniform(Key(seed, "calibrating folds", 0), every, np.zeros_like(every))
    folds = np.empty(len(every), np.int64)
    folds[np.argsort(noise, kind="stable")] = np.arange(len(every)) % FOLDS
    return folds[of]


def _said(calibrator: Calibrator, pairs: Pairs) -> Float64:
    return np.asarray(calibrator(pairs.candidates), np.float64)[:, 0]


def _taken_for_probabilities(recipe: Recipe, pairs: Pairs, column: str) -> Float64:
    """Give scores as if they were probabilities, cut to 0 … 1; NaN where their numbers do not mean that much."""
    values = np.asarray(pairs.candidates.columns[column].values, np.float64)[:, 0]
    return np.clip(values, 0, 1) if recipe.columns()[column].gives(Kind.RATIO) else np.full(len(values), np.nan)


def _require_enough(inputs: Sequence[Input], pairs: Pairs) -> None:
    """Check that there is something to learn from.

    Raises:
        InputError: there are too few positives, negatives or anchors; says how many more it takes.
    """
    scored = ~np.all([np.isnan(np.asarray(one.values(pairs.candidates))[:, 0]) for one in inputs], axis=0)
    positives, total = float(pairs.targets[scored].sum()), int(scored.sum())
    negatives, anchors = total - positives, len(np.unique(pairs.anchors[scored]))
    if min(positives, negatives) >= LEAST and anchors >= FOLDS:
        return
    names = ", ".join(dict.fromkeys(one.column for one in inputs))
    few, what = min((positives, "positives"), (negatives, "negatives"))
    if few >= LEAST:
        what, more = "anchors", f"labels of {FOLDS - anchors} more anchors"
    elif few:
        more = f"about {math.ceil((LEAST - few) / (few / total)):,} more labels at this rate"
    else:
        kind = "positive" if positives < negatives else "negative"
        harder = "harder negatives, or import positives" if kind == "positive" else "easier negatives, or import some"
        more = (
            f"none of {total:,} is {kind}, so how many more cannot be told; label a result with {harder} "
            "(foils review RESULT --import FILE)"
        )
    needs = f"it takes {LEAST} positives, {LEAST} negatives and {FOLDS} anchors at least"
    raise InputError(
        f"of the {total:,} pairs with a score of {names}, {positives:,.0f} are positive and {negatives:,.0f} negative, "
        f"of {anchors:,} anchors: too few {what} to calibrate by; {needs}: {more}"
    )


def _notes(pairs: Pairs, inputs: Sequence[Input], teacher: str | None) -> Iterator[str]:
    """Say what to know before relying on it."""
    positives = float(pairs.targets.sum())
    few, wanted = min(positives, len(pairs) - positives), SCARCE * len(inputs)
    if few < wanted:
        yield f"fitted to {few:,.0f} of the rarer kind of pairs, which is rough; {wanted:,} would do"
    if teacher is None and not pairs.designed:
        yield (
            "not all pairs were drawn by a design, and those count alike: the fit is one to these pairs, not to all "
            "negatives, unless they were chosen at random; draw them by foils review"
        )
    if teacher is not None:
        yield f"learnt from {teacher}: as right as that model's probabilities are; check them with labels"
