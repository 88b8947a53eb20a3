"""``foils train --kind adapter``."""

from __future__ import annotations

import shutil
from typing import Any

import msgspec

from foils.cli.console import note, progress, say, say_json
from foils.cli.options import encode
from foils.cli.train_given import NEGATIVES, Given
from foils.cli.vectors import check_files, check_pairing
from foils.collection import Collection
from foils.encoders import Encoder, open_encoder
from foils.encoders.adapted import Base, base_of, save_adapter
from foils.errors import InputError
from foils.mining.encoded import memo_of
from foils.training import AdapterSettings, Epoch, FittedAdapter, fit_adapter

CHECKPOINT = "checkpoint.safetensors"


def train_adapter(given: Given, settings: AdapterSettings) -> None:
    """Train an adapter, save it and say how it went."""
    encoder = _encoder(given)
    opened = given.open_mined()
    collection = given.read()
    queries, items = _vectors(given, encoder, collection)
    work = given.out.absolute().with_name(f".{given.out.absolute().name}.training")
    steps = 0
    with progress("training") as report:

        def step(done: int, total: int, loss: float) -> None:
            nonlocal steps
            steps = done
            report(done, total)

        fitted = fit_adapter(
            collection, queries, items, split=given.split, dev=given.dev, mined=given.rows(opened, collection),
            settings=settings, seed=given.seed, checkpoint=work / CHECKPOINT, progress=step,
            on_epoch=_say_epoch,
        )  # fmt: skip
    base: Base | None = None
    if encoder is not None:
        base = base_of(given.required_model(), encoder, given.out)
    save_adapter(given.out, fitted.adapter, base)
    shutil.rmtree(work, ignore_errors=True)
    _say(given, settings, fitted)
    given.note_few(steps)


def _encoder(given: Given) -> Encoder | None:
    """Open the model to stand behind; None where vectors are given instead.

    Raises:
        InputError: neither is given, or both.
    """
    check_pairing(given.model, given.query_vectors, given.corpus_vectors)
    if given.query_vectors is not None:
        check_files(given.query_vectors, given.corpus_vectors)
        return None
    if given.model is None:
        raise InputError("an adapter stands behind vectors: give --model, or --query-vectors and --corpus-vectors")
    encoder = open_encoder(given.model, memo=memo_of(given.cache))
    if encoder.identity("anchors") is None:
        raise InputError("this model does not say what its vectors follow from; give its vectors instead")
    return encoder


def _vectors(given: Given, encoder: Encoder | None, collection: Collection) -> tuple[Any, Any]:
    if encoder is None:
        return given.query_vectors, given.corpus_vectors
    if given.cache is not None:
        note(f"vectors are kept in {given.cache}; what is there is not encoded again")
    return encode(encoder, collection, given.cache)


def _say_epoch(epoch: Epoch) -> None:
    loss = "" if epoch.loss is None else f"loss {epoch.loss:.3f}"
    quality = "" if epoch.quality is None else f"held-out nDCG@10 {epoch.quality:.4f}"
    what = "before training" if epoch.number == 0 else f"epoch {epoch.number}"
    if loss or quality:
        note(f"{what}: {', '.join(filter(None, (loss, quality)))}")


def _say(given: Given, settings: AdapterSettings, fitted: FittedAdapter) -> None:
    first, best = fitted.epochs[0], fitted.epochs[fitted.best]
    if given.as_json:
        say_json({
            "out": str(given.out), "kind": "adapter", "negatives": settings.negatives,
            "weights": given.weights_said(), "best": fitted.best,
            "held_out": fitted.held_out, "epochs": msgspec.to_builtins(fitted.epochs), "digest": fitted.adapter.digest,
        })  # fmt: skip
        return
    lines = [f"{len(fitted.epochs) - 1} epochs with {NEGATIVES[settings.negatives]}{given.weighed()}"]
    if first.quality is not None and best.quality is not None:
        lines[0] += f"; best: epoch {fitted.best}"
        lines.append(
            f"nDCG@10 of {fitted.held_out:,} held-out queries: {first.quality:.4f} before, {best.quality:.4f} after"
        )
        if not fitted.best:
            lines.append("no epoch was better than the vectors as they are, so this adapter changes nothing")
    behind = f"behind {given.model}" if given.model is not None else "behind vectors of yours"
    say("\n".join([*lines, f"written to {given.out} (an adapter {behind})"]))
    given.note_next()
