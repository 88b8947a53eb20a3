"""``foils train``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter

from foils.cli.console import note, progress, say, say_json
from foils.cli.options import Data, Json, Seed, Split, Whole, read
from foils.cli.out import NewFolder, check_place
from foils.encoders import check_new
from foils.errors import InputError
from foils.mining import Mined
from foils.training import MinedNegatives, StaticSettings, fit_static

DEFAULTS = StaticSettings()
LAST_STEPS = 10
"""Whose mean is the loss at the end."""
NEGATIVES = {"in_batch": "in-batch negatives", "mined": "mined negatives", "both": "mined and in-batch negatives"}


def train(
    data: Data,
    /,
    *,
    out: NewFolder,
    kind: Annotated[
        Literal["static"], Parameter(help="static: a vector per token, trained in seconds without PyTorch.")
    ],
    mined: Annotated[Path | None, Parameter(help="Result of foils mine; without it, in-batch negatives only.")] = None,
    split: Split = "train",
    seed: Seed = 0,
    negatives: Annotated[
        Literal["in_batch", "mined", "both"] | None,
        Parameter(help="What a query is pushed away from. [default: both with --mined, in_batch without]"),
    ] = None,
    dim: Annotated[Whole, Parameter(help="Dimensions of the vectors.")] = DEFAULTS.dim,
    epochs: Annotated[Whole, Parameter(help="How often each pair is seen.")] = DEFAULTS.epochs,
    batch_size: Annotated[Whole, Parameter(help="Pairs in a batch.")] = DEFAULTS.batch_size,
    temperature: Annotated[float, Parameter(help="What cosines are divided by.")] = DEFAULTS.temperature,
    json: Json = False,
) -> None:
    """Train an encoder on the positives of a split.

    Its negatives are the other items of the batch and those that were mined.
    Known positives and their exact duplicates never count as negatives. The
    model is saved in the model2vec format.

    Examples:
        foils train scifact --kind static --out models/in-batch

        foils train scifact --mined runs/a --kind static --out models/a
    """
    mode = negatives or ("in_batch" if mined is None else "both")
    settings = StaticSettings(dim=dim, epochs=epochs, batch_size=batch_size, temperature=temperature, negatives=mode)
    if mined is None and mode != "in_batch":
        raise InputError(f"--negatives {mode} needs --mined; give it, or use --negatives in_batch")
    if mined is not None and mode == "in_batch":
        raise InputError("--negatives in_batch makes no use of --mined; leave out one of the two")
    check_place(out)
    check_new(out)
    opened = None if mined is None else open_mined(mined, split)
    collection = read(data)
    rows = None if opened is None else MinedNegatives(*opened.rows(collection))
    losses: list[float] = []
    with progress("training") as report:

        def step(done: int, total: int, loss: float) -> None:
            losses.append(loss)
            report(done, total)

        encoder = fit_static(collection, split=split, mined=rows, settings=settings, seed=seed, progress=step)
    encoder.save(out)
    last = float(np.mean(losses[-LAST_STEPS:])) if losses else None
    if json:
        say_json({"out": str(out), "steps": len(losses), "loss": last, "digest": encoder.digest, "negatives": mode})
        return
    trained = f"{len(losses):,} steps with {NEGATIVES[mode]}"
    say(f"{trained}{'' if last is None else f'; loss at the end {last:.3f}'}\nwritten to {out} (model2vec format)")
    note(f"next: foils eval {shlex.quote(str(data))} --model {shlex.quote(str(out))}")


def open_mined(path: Path, split: str) -> Mined:
    """Open a result that was mined for the split.

    Raises:
        InputError: it is no finished result, or of another split.
    """
    opened = Mined.open(path)
    if opened.identity.split != split:
        other = shlex.quote(opened.identity.split)
        raise InputError(f"{path} was mined for the split {opened.identity.split!r}; train with --split {other}")
    note(f"{path}: recipe {opened.stats['recipe']}, {opened.stats['negatives']:,} negatives")
    return opened
