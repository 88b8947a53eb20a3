"""``foils train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from cyclopts import Parameter

from foils.cli.console import note, progress, say, say_json
from foils.cli.options import Data, Json, Out, Seed, Split, read
from foils.collection import Collection
from foils.encoders import check_new
from foils.errors import InputError
from foils.mining import Mined
from foils.training import MinedNegatives, StaticSettings, fit_static


def train(
    data: Data,
    /,
    *,
    out: Out,
    kind: Annotated[Literal["static"], Parameter(help="static: a vector per token, trained in seconds without PyTorch.")],
    mined: Annotated[Path | None, Parameter(help="Result of foils mine; without it, in-batch negatives only.")] = None,
    split: Split = "train",
    seed: Seed = 0,
    negatives: Annotated[
        Literal["in_batch", "mined", "both"] | None,
        Parameter(help="What a query is pushed away from. Default: both with --mined, in_batch without."),
    ] = None,
    dim: Annotated[int, Parameter(help="Dimensions of the vectors.")] = StaticSettings().dim,
    epochs: Annotated[int, Parameter(help="How often each pair is seen.")] = StaticSettings().epochs,
    batch_size: Annotated[int, Parameter(help="Pairs of a batch.")] = StaticSettings().batch_size,
    temperature: Annotated[float, Parameter(help="What cosines are divided by.")] = StaticSettings().temperature,
    json: Json = False,
) -> None:
    """Train an encoder on the positives of a split, with mined and in-batch negatives.

    Examples:
        foils train scifact --kind static --out models/in-batch

        foils train scifact --mined runs/a --kind static --out models/a

    Known positives and their exact duplicates never count as negatives. The model is saved in the model2vec format.
    """
    mode = negatives or ("in_batch" if mined is None else "both")
    settings = StaticSettings(
        dim=dim, epochs=epochs, batch_size=batch_size, temperature=temperature, negatives=mode
    )
    check_new(out)
    collection = read(data)
    rows = None if mined is None else mined_rows(mined, collection, split)
    losses: list[float] = []
    with progress("training") as report:

        def step(done: int, total: int, loss: float) -> None:
            losses.append(loss)
            report(done, total)

        encoder = fit_static(collection, split=split, mined=rows, settings=settings, seed=seed, progress=step)
    encoder.save(out)
    last = float(np.mean(losses[-10:])) if losses else None
    if json:
        say_json({"out": str(out), "steps": len(losses), "loss": last, "digest": encoder.digest, "negatives": mode})
        return
    trained = f"{len(losses):,} steps with {mode.replace('_', '-')} negatives"
    say(f"{trained}{'' if last is None else f', loss at the end {last:.3f}'}\nwritten to {out} (model2vec format)")


def mined_rows(path: Path, collection: Collection, split: str) -> MinedNegatives:
    """Read the negatives of a result as rows of the collection.

    Raises:
        InputError: the result was mined from other data or another split.
    """
    opened = Mined.open(path)
    identity = opened.identity
    if identity.split != split:
        raise InputError(f"{path} was mined for the split {identity.split!r}; train with --split {identity.split}")
    if identity.inputs["collection"] != collection.digest(split):
        raise InputError(f"{path} was mined from other data than this; give the folder that it was mined from")
    table = opened.negatives.combine_chunks()
    note(f"{path}: recipe {opened.stats['recipe']}, {opened.stats['negatives']:,} negatives")
    lists = table["negative_ids"].combine_chunks()
    lengths = np.diff(lists.offsets.to_numpy())
    items = np.full((len(table), identity.negatives), -1, np.int64)
    at = np.repeat(np.arange(len(table)), lengths), np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    items[at] = collection.items.rows(lists.flatten().cast(pa.large_string()))
    anchors = collection.anchors.rows(table["anchor_id"].combine_chunks().cast(pa.large_string()))
    return MinedNegatives(anchors, items)
