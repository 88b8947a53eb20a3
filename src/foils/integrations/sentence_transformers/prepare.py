"""What both kinds of training check and gather before long work starts."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import msgspec

from foils import _extras as extras
from foils.collection import Collection
from foils.encoders.adapted import is_adapter
from foils.encoders.fingerprints import folder_digest
from foils.encoders.models import SETTINGS, check_folder, read_json
from foils.encoders.opening import is_static, model_folder
from foils.errors import DataError, InputError
from foils.integrations.sentence_transformers.feed import Feed
from foils.integrations.sentence_transformers.place import TrainingFolder
from foils.integrations.sentence_transformers.settings import FullSettings, RerankerSettings
from foils.mining import Mined
from foils.training import MinedNegatives, as_rows
from foils.training.adapter_identity import pool_digest
from foils.training.held_out import HeldOut, hold_out, not_held_out
from foils.training.pool import Pool, check_negatives, usable_examples

PACKAGES = ("torch", "transformers", "sentence_transformers", "accelerate", "datasets")
EXTRA = "train"
TrainedKind = Literal["full", "reranker"]


@dataclass(frozen=True, eq=False)
class Prepared:
    """All that a training is run with.

    Attributes:
        base: folder of the model to begin with.
        feed: batches.
        held_out: what says when to stop; None where nothing does.
        place: where to work and where the model goes.
    """

    base: Path
    feed: Feed
    held_out: HeldOut | None
    place: TrainingFolder


def require_packages() -> None:
    """Check that the trainers' packages are installed, without importing them.

    Raises:
        MissingExtraError: one is missing.
    """
    extras.require(EXTRA, PACKAGES)


def prepare(
    kind: TrainedKind,
    collection: Collection,
    base: str | Path,
    mined: Mined | MinedNegatives | None,
    *,
    out: Path,
    split: str,
    dev: str | None,
    settings: FullSettings | RerankerSettings,
    seed: int,
) -> Prepared:
    """Check everything, and make the folder that the training works in.

    Raises:
        InputError: the extra is missing, the folder is taken, the base cannot be trained, there is nothing to train
            on, or the mined negatives are of other data or another split.
    """
    require_packages()
    if not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed}; expected a whole number from 0 to {2**32 - 1}, as PyTorch takes")
    place = TrainingFolder.of(out)
    folder = trainable(str(base), kind)
    negatives = as_rows(mined, collection, split)
    if negatives is not None and negatives.log_weights is not None:
        raise InputError(f"training of kind {kind} knows no weights of negatives; leave log_weights out")
    check_negatives(settings, negatives)
    if collection.items.texts is None and collection.items.payloads is None:
        raise DataError("this collection holds no texts, and a model is trained on texts; build it from texts")
    held_out = None
    if settings.patience:
        held_out = hold_out(collection, split=split, dev=dev, share=settings.held_out, seed=seed)
    positives, filled = collection.positives((split,)), ~collection.items.empty
    free = not_held_out(held_out, len(collection.anchors)) & ~collection.anchors.empty
    pool = Pool.of(usable_examples(positives, free, filled, split), positives, negatives, filled)
    place.begin(
        {
            "kind": kind,
            "settings": msgspec.to_builtins(settings),
            "seed": seed,
            "pairs": pool_digest(pool),
            "collection": collection.digest(split),
            "held out": None if held_out is None else held_out.digest,
            "base": folder_digest(folder),
            "versions": {package: version(package) for package in ("foils", *PACKAGES)},
        }
    )
    return Prepared(folder, Feed(collection, pool, settings, seed), held_out, place)


def trainable(base: str, kind: TrainedKind) -> Path:
    """Find the folder of a model that can be fine-tuned; a retriever can become a reranker, not the reverse.

    Raises:
        InputError: there is none, or it has nothing to fine-tune.
        DataError: it would have to run code that comes with it.
    """
    folder = model_folder(base)
    if is_adapter(folder):
        raise InputError(f"{base}: is an adapter; give the model that it stands behind, or train another adapter")
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise DataError(f"{base}: there is neither modules.json nor config.json; give a model of sentence-transformers")
    refuse_static(folder)
    settings = folder / SETTINGS
    told = read_json(settings).get("model_type") if settings.is_file() else None
    check_folder(folder, "SentenceTransformer" if kind == "full" or told == "SentenceTransformer" else "CrossEncoder")
    return folder


def refuse_static(folder: Path) -> None:
    """Refuse a static encoder where a transformer is needed.

    Raises:
        InputError: it is one.
    """
    if (folder / "modules.json").is_file():
        return
    if is_static(folder):
        raise InputError(
            f"{folder}: is a static encoder, which has no layers to fine-tune; train another (--kind static), or put "
            "an adapter behind it (--kind adapter)"
        )
