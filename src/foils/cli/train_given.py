"""What a training was told on the command line, and what every kind of training does with it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from foils.cli.console import note
from foils.cli.data import Columns, note_evaluation_split, read
from foils.cli.found import overlaid
from foils.collection import Collection
from foils.errors import InputError
from foils.mining import Mined
from foils.training import MinedNegatives, as_rows
from foils.weights import REGISTRY, Weight, effective_sample_size

FEW_STEPS = 20
"""Below so many steps of the optimiser, a model is about what it was."""
FEW_WEIGHT = 0.2
"""Below so much weight on average, mined negatives hardly count."""
NEGATIVES = {"in_batch": "in-batch negatives", "mined": "mined negatives", "both": "mined and in-batch negatives"}


@dataclass(frozen=True)
class Given:
    """The options of a training.

    Attributes:
        data: the data set.
        columns: what its columns are called.
        out: new folder of the model.
        mined: a mined result, or None.
        weights: how much its negatives count, or None.
        split: what is trained on.
        found: positives that were found later, or None.
        dev: the split that says when to stop, or None.
        seed: of all random choices.
        settings: of the kind.
        model: what to begin with, or None.
        query_vectors: instead of a model.
        corpus_vectors: instead of a model.
        cache: folder of the cache of vectors; None = none.
        as_json: whether to print JSON.
    """

    data: Path
    columns: Columns
    out: Path
    mined: Path | None
    weights: Weight | None
    split: str
    found: Path | None
    dev: str | None
    seed: int
    settings: msgspec.Struct
    model: str | None
    query_vectors: Path | None
    corpus_vectors: Path | None
    cache: Path | None
    as_json: bool

    def read(self) -> Collection:
        """Read the data, and warn where what is evaluated on is trained on.

        Raises:
            InputError: it cannot be read, or has no such split.
        """
        collection = overlaid(read(self.data, self.columns, split=self.split), self.found, self.split)
        note_evaluation_split(self.split, "the model is trained on pairs")
        return collection

    def open_mined(self) -> Mined | None:
        """Open the mined result, and check that it was mined for the split, and holds any negative.

        Raises:
            InputError: it is no finished result, empty, or of another split.
        """
        if self.mined is None:
            return None
        opened = Mined.open(self.mined)
        if opened.identity.split != self.split:
            other = shlex.quote(opened.identity.split)
            raise InputError(
                f"{self.mined} was mined for the split {opened.identity.split!r}; train with --split {other}"
            )
        if not opened.stats["negatives"]:
            raise InputError(
                f"{self.mined} holds no negatives at all, so there is nothing to train with; mine again by other rules "
                "or another recipe, or leave --mined out"
            )
        note(f"{self.mined}: recipe {opened.stats['recipe']}, {opened.stats['negatives']:,} negatives")
        return opened

    def required_model(self) -> str:
        """Give the model to begin with.

        Raises:
            InputError: there is none.
        """
        if self.model is None:
            raise InputError("give the model to begin with: --model FOLDER, owner/name or minilm")
        return self.model

    def rows(self, opened: Mined | None, collection: Collection) -> MinedNegatives | None:
        """Give the mined negatives by rows, weighed where that was asked for; say how much they count.

        Raises:
            InputError: they were mined from other data, or the weights cannot be had of them.
        """
        rows = as_rows(opened, collection, self.split, self.weights)
        if self.weights is None or rows is None or rows.log_weights is None:
            return rows
        counts = np.exp(rows.log_weights[rows.items >= 0], dtype=np.float64)
        share = effective_sample_size(counts) / max(len(counts), 1)
        said = f"weights {weight_name(self.weights)}: a mined negative counts {counts.mean():.2f} on average"
        worth = f"{share:.0%}"
        if worth != "100%":
            said += f"; as some count more than others, they tell as much as {worth} of them would with equal weights"
        note(said)
        if counts.mean() < FEW_WEIGHT:
            note("that is next to nothing: training is nearly in-batch only; check p_positive, or --label-miss-rate")
        return rows

    def weights_said(self) -> dict[str, Any] | None:
        """Give the weights with their fields, JSON-ready."""
        if self.weights is None:
            return None
        return {weight_name(self.weights): msgspec.to_builtins(self.weights)}

    def weighed(self) -> str:
        """Say that mined negatives were weighed, where they were."""
        return "" if self.weights is None else f", weighed by {weight_name(self.weights)}"

    def note_few(self, steps: int) -> None:
        """Warn where there were so few steps that the model has hardly moved; none at all was asked for."""
        if 0 < steps < FEW_STEPS:
            more = "--steps" if hasattr(self.settings, "steps") else "--epochs or a smaller --batch-size"
            plural = "s" * (steps > 1)
            note(f"{steps} step{plural}: the model has hardly moved; give {'more ' * ('steps' in more)}{more}")

    def note_next(self) -> None:
        """Say what to do with the model."""
        data = shlex.quote(str(self.data)) + self.columns.words()
        words = ["next: foils eval", data, "--model", shlex.quote(str(self.out))]
        for name, path in (("--query-vectors", self.query_vectors), ("--corpus-vectors", self.corpus_vectors)):
            words += [] if path is None else [name, shlex.quote(str(path))]
        note(" ".join(words))


def weight_name(weights: Weight) -> str:
    """Give the name that a weight is registered under."""
    return next(name for name, kind in REGISTRY.items() if type(weights) is kind)
