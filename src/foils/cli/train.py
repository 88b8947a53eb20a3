"""``foils train``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from foils.cli.data import AS_THEY_ARE, Columns, Data, Split
from foils.cli.found import FoundFile
from foils.cli.options import Json, Model, Seed
from foils.cli.out import NewFolder, check_place
from foils.cli.train_adapter import train_adapter
from foils.cli.train_given import Given
from foils.cli.train_settings import AS_THE_KIND_SAYS, TrainingSettings
from foils.cli.train_static import train_static
from foils.cli.train_whole import train_full, train_reranker
from foils.cli.vectors import Cache, CorpusVectors, NoCache, QueryVectors, choose_cache
from foils.encoders import check_new
from foils.errors import InputError
from foils.integrations.sentence_transformers import FullSettings, RerankerSettings
from foils.training import AdapterSettings, StaticSettings
from foils.weights import REGISTRY as WEIGHT_KINDS
from foils.weights import Weight

KindName = Literal["static", "adapter", "full", "reranker"]
KIND = (
    "static: a vector per token, trained in seconds without PyTorch; adapter: a matrix behind a model that stays as it "
    "is; full: the whole model; reranker: a cross-encoder."
)


@dataclass(frozen=True)
class Kind:
    """What a kind of training takes, and what does it.

    Attributes:
        settings: its settings.
        options: further options that it looks at.
        train: does it.
    """

    settings: type[msgspec.Struct]
    options: tuple[str, ...]
    train: Callable[[Given, Any], None]

    def takes(self) -> set[str]:
        """Name the settings and options that the kind looks at."""
        return {field.name for field in msgspec.structs.fields(self.settings)} | set(self.options)


VECTORS = ("query_vectors", "corpus_vectors", "cache", "no_cache")
WEIGHTS = ("weights", "label_miss_rate")
KINDS: dict[KindName, Kind] = {
    "static": Kind(StaticSettings, WEIGHTS, train_static),
    "adapter": Kind(AdapterSettings, ("model", "dev", *VECTORS, *WEIGHTS), train_adapter),
    "full": Kind(FullSettings, ("model", "dev"), train_full),
    "reranker": Kind(RerankerSettings, ("model", "dev"), train_reranker),
}


def train(
    data: Data,
    /,
    *,
    out: NewFolder,
    kind: Annotated[KindName, Parameter(help=KIND)],
    model: Annotated[Model | None, Parameter(help="What to begin with: not for static.")] = None,
    query_vectors: QueryVectors | None = None,
    corpus_vectors: CorpusVectors | None = None,
    mined: Annotated[Path | None, Parameter(help="Result of foils mine; without it, in-batch negatives only.")] = None,
    weights: Annotated[
        Literal["soft", "noise_transition", "cet"] | None,
        Parameter(help="Let suspected false negatives count in part; by p_positive, or for cet by two scores."),
    ] = None,
    label_miss_rate: Annotated[
        float | None,
        Parameter(
            help="Share of the true positives that the data do not list. [default: 0.5 noise_transition, fitted cet]"
        ),
    ] = None,
    split: Split = "train",
    found: FoundFile | None = None,
    named: Columns = AS_THEY_ARE,
    dev: Annotated[
        str | None,
        Parameter(help="Split that says when to stop. [default: dev if there is one, else a tenth of the queries]"),
    ] = None,
    seed: Seed = 0,
    told: TrainingSettings = AS_THE_KIND_SAYS,
    cache: Cache | None = None,
    no_cache: NoCache = False,
    json: Json = False,
) -> None:
    r"""Train on the positives of a split.

    Negatives are the other items of the batch and those that were mined. Known
    positives and their exact duplicates never count as negatives. The model
    that is saved is the best on held-out queries; all but static stop early
    and, if interrupted, go on when the same command is given again.

    Examples:
        foils train scifact --kind static --out models/in-batch

        foils train scifact --kind adapter --model minilm --mined runs/a \
          --out models/adapter

        foils train scifact --kind full --model minilm --mined runs/a \
          --steps 200 --batch-size 16 --out models/full
    """
    settings = asdict(told)
    options = {"model": model, "query_vectors": query_vectors, "corpus_vectors": corpus_vectors, "dev": dev,
               "weights": weights, "label_miss_rate": label_miss_rate, "cache": cache,
               "no_cache": no_cache or None}  # fmt: skip
    _refuse_useless(kind, settings, options)
    chosen = _negatives(kind, told.negatives, mined)
    weighed = _weights(weights, label_miss_rate, mined)
    made = {name: value for name, value in {**settings, "negatives": chosen}.items() if value is not None}
    struct = KINDS[kind].settings(**made)
    check_place(out)
    check_new(out)
    kept = choose_cache(cache, no_cache=no_cache)
    given = Given(
        data=data, columns=named, out=out, mined=mined, weights=weighed, split=split, found=found, dev=dev, seed=seed,
        settings=struct, model=model, query_vectors=query_vectors, corpus_vectors=corpus_vectors, cache=kept,
        as_json=json,
    )  # fmt: skip
    KINDS[kind].train(given, struct)


def _refuse_useless(kind: KindName, settings: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuse options that this kind would not look at."""
    for name, value in {**settings, **options}.items():
        takers = [other for other, about in KINDS.items() if name in about.takes()]
        if value is not None and kind not in takers:
            raise InputError(f"--{name.replace('_', '-')} is for --kind {' and '.join(takers)}, not for {kind}")


def _negatives(kind: KindName, negatives: str | None, mined: Path | None) -> str | None:
    """Choose the negatives where nothing is said."""
    if kind == "reranker":
        if mined is None:
            raise InputError("--kind reranker needs --mined: it learns from pairs, and negative pairs are mined")
        return None
    mode = negatives or ("in_batch" if mined is None else "both")
    if mined is None and mode != "in_batch":
        raise InputError(f"--negatives {mode} needs --mined; give it, or use --negatives in_batch")
    if mined is not None and mode == "in_batch":
        raise InputError("--negatives in_batch makes no use of --mined; leave out one of the two")
    return mode


def _weights(name: str | None, label_miss_rate: float | None, mined: Path | None) -> Weight | None:
    """Choose the weights."""
    if name is None:
        if label_miss_rate is not None:
            raise InputError("--label-miss-rate is of --weights noise_transition and cet; give one of them")
        return None
    if mined is None:
        raise InputError(f"--weights {name} needs --mined: weights are of mined negatives")
    fields = {} if label_miss_rate is None else {"label_miss_rate": label_miss_rate}
    if fields and name == "soft":
        raise InputError("--label-miss-rate is of --weights noise_transition and cet, not of soft; leave it out")
    try:
        return msgspec.convert(fields, WEIGHT_KINDS[name])
    except msgspec.ValidationError:
        raise InputError(
            f"--label-miss-rate is {label_miss_rate}; expected a share from 0 to 1, and below 1 for cet"
        ) from None
