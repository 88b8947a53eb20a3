"""``foils train --kind static``."""

from __future__ import annotations

import numpy as np

from foils.cli.console import progress, say, say_json
from foils.cli.train_given import NEGATIVES, Given
from foils.training import StaticSettings, fit_static

LAST_STEPS = 10
"""Whose mean is the loss at the end."""


def train_static(given: Given, settings: StaticSettings) -> None:
    """Train a static encoder, save it and say how it went."""
    opened = given.open_mined()
    collection = given.read()
    losses: list[float] = []
    with progress("training") as report:

        def step(done: int, total: int, loss: float) -> None:
            losses.append(loss)
            report(done, total)

        encoder = fit_static(
            collection, split=given.split, mined=given.rows(opened, collection), settings=settings, seed=given.seed,
            progress=step,
        )  # fmt: skip
    encoder.save(given.out)
    last = float(np.mean(losses[-LAST_STEPS:])) if losses else None
    mode = settings.negatives
    if given.as_json:
        facts = {"out": str(given.out), "kind": "static", "steps": len(losses), "loss": last}
        say_json({**facts, "digest": encoder.digest, "negatives": mode, "weights": given.weights_said()})
        return
    trained = f"{len(losses):,} steps with {NEGATIVES[mode]}{given.weighed()}"
    at_the_end = "" if last is None else f"; loss at the end {last:.3f}"
    say(f"{trained}{at_the_end}\nwritten to {given.out} (model2vec format)")
    given.note_few(len(losses))
    given.note_next()
