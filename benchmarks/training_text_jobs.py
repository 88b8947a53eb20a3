"""The jobs of training_text.py: which data, which arms, and what training is not told of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from foils import _array
from foils.collection import Collection
from foils.positives import Judgements, Relation
from foils.training import AdapterSettings, CollectionBags, bag_collection

IN_BATCH, UNIFORM, NAIVE, AWARE = "in-batch only", "uniform", "naive-top-k", "nv-retriever"
MASKED, UNMASKED = "in-batch, copies masked", "in-batch, copies not masked"
SHOWN_SHARE, QUERY_SHARE = 0.1, 0.5


@dataclass(frozen=True, eq=False)
class Arm:
    """Negatives to train with.

    Attributes:
        data: what is trained on; its anchors, and its first items, are those of the job.
        recipe: what mines beside the batch; None = nothing does.
        settings: of the recipe.
    """

    data: Collection
    recipe: str | None = None
    settings: tuple[str, ...] = ()

    @cached_property
    def bags(self) -> CollectionBags:
        """The texts as tokens, made once."""
        return bag_collection(self.data)


@dataclass(frozen=True, eq=False)
class Task:
    """A job with its data.

    Attributes:
        data: what is evaluated on.
        arms: what is compared, by name.
        secret: pairs that training is not told of and that are no true negatives; None = none are known.
        item_rows: int64[I], for each item of the arms' data the item of ``data`` that it is a copy of.
    """

    data: Collection
    arms: Mapping[str, Arm]
    secret: Relation | None = None
    item_rows: Any = field(default_factory=lambda: slice(None))


@dataclass(frozen=True)
class Job:
    """What is measured on a data set.

    Attributes:
        data: name of the data set.
        task: makes arms of it.
        metrics: the first one counts.
        against: arms that the others are compared with.
        epochs: of adapter and static vectors, at most.
        patience: of the adapter; 0 = all epochs are trained.
    """

    data: str
    task: Callable[[Collection], Task]
    metrics: tuple[str, ...]
    epochs: Mapping[str, int]
    against: tuple[str, ...] = (IN_BATCH, UNIFORM)
    patience: int = AdapterSettings().patience


def retrieval(data: Collection) -> Task:
    """Compare the recipes on the data as they are."""
    return Task(data, recipes(data))


def nfcorpus(data: Collection) -> Task:
    """Train on half of the queries with all that is known of them; "same topic" pairs count as secret."""
    data, same_topic = with_grades_of_beir(data)
    judged, zeros = data.judgements, np.zeros(1, np.int64)
    noise = _array.counter_uniform(_array.Key(0, "benchmark.queries", 0), judged.anchors, zeros)
    data = replace(data, judgements=pairs_at(judged, np.flatnonzero(~in_train(judged) | (noise < QUERY_SHARE))))
    secret = secret_of(data, pairs_at(same_topic, np.flatnonzero(in_train(same_topic)))) if len(same_topic) else None
    return Task(data, recipes(data, "max"), secret)


def sparse_nfcorpus(data: Collection) -> Task:
    """Show a tenth of the training pairs, and hide the others."""
    judged = with_grades_of_beir(data)[0].judgements
    noise = _array.counter_uniform(_array.Key(0, "benchmark.shown", 0), judged.anchors, judged.items)
    hidden = in_train(judged) & (noise >= SHOWN_SHARE)
    shown = replace(data, judgements=pairs_at(judged, np.flatnonzero(~hidden)))
    return Task(shown, recipes(shown, "max"), secret_of(shown, pairs_at(judged, np.flatnonzero(hidden))))


def with_grades_of_beir(data: Collection) -> tuple[Collection, Judgements]:
    """Take the weakest of three grades, "same topic", out; give what is out. BEIR's copy has two grades: it stays."""
    judged = data.judgements
    weakest = (judged.grades == 1) & (judged.grades.max() == 3)
    lower = replace(judged, grades=judged.grades - 1) if weakest.any() else judged
    kept = replace(data, judgements=pairs_at(lower, np.flatnonzero(~weakest)))
    return kept, pairs_at(judged, np.flatnonzero(weakest))


def in_train(judged: Judgements) -> Any:
    """bool[P], True for pairs of the training split."""
    return judged.splits == judged.split_names.index("train")


def recipes(data: Collection, reference: str | None = None) -> dict[str, Arm]:
    """Give the four arms."""
    settings = () if reference is None else (f"rules.relative_margin.reference={reference}",)
    arms = {name: Arm(data, name) for name in (UNIFORM, NAIVE)}
    return {IN_BATCH: Arm(data), **arms, AWARE: Arm(data, AWARE, settings)}


def in_scope(data: Collection) -> Collection:
    """Leave out the label of what is out of scope, its utterances, and texts without a label."""
    labels = np.array([label != "oos" for label in data.items.ids.to_pylist()])
    judged = data.judgements
    return data.part(np.unique(judged.anchors[labels[judged.items]]), np.flatnonzero(labels))


def clinc150(data: Collection) -> Task:
    """Retrieve the label of an utterance."""
    return retrieval(in_scope(data))


def clinc150_masks(data: Collection) -> Task:
    """Give every training pair its own copy of its label; a copy is a duplicate by its text, or unknown to be one."""
    data = in_scope(data)
    train = data.judgements.select(("train",))
    rows = np.concatenate([np.arange(len(data.items)), train.items])
    texts = data.items.full_texts(0, len(data.items))
    pairs = np.stack([train.anchors, len(data.items) + np.arange(len(train))], axis=1)
    anchors = data.anchors.full_texts(0, len(data.anchors))
    masked = Collection.from_arrays(pairs, anchors=anchors, items=[texts[row] for row in rows])
    unmasked = replace(masked, item_groups=np.full(len(rows), -1))
    arms = {MASKED: Arm(masked), UNMASKED: Arm(unmasked)}
    return Task(data, arms, masked.positives().relation, rows)


def pairs_at(judged: Judgements, at: Any) -> Judgements:
    """Keep the pairs at these positions."""
    return Judgements(judged.anchors[at], judged.items[at], judged.grades[at], judged.splits[at], judged.split_names)


def secret_of(data: Collection, hidden: Judgements) -> Relation:
    """Make a relation of hidden pairs, less what is known to be positive anyway."""
    unknown = ~data.positives().contains(hidden.anchors, hidden.items)
    return Relation.from_pairs(hidden.anchors[unknown], hidden.items[unknown], len(data.anchors))


JOBS = {
    "nfcorpus": Job("nfcorpus", nfcorpus, ("ndcg@10",), {"adapter": 2, "static": 1}),
    "nfcorpus-sparse": Job("nfcorpus", sparse_nfcorpus, ("ndcg@10",), {"adapter": 6, "static": 5}),
    "cosqa": Job("cosqa", retrieval, ("ndcg@10", "mrr@10"), {"adapter": 50, "static": 5}),
    "clinc150": Job("clinc150", clinc150, ("recall@1", "mrr"), {"adapter": 8, "static": 5}),
    "clinc150-masks": Job(
        "clinc150", clinc150_masks, ("recall@1", "mrr"), {"adapter": 5, "static": 5}, (MASKED,), patience=0
    ),
}
