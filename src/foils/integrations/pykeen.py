"""PyKEEN with negatives of foils: a sampler for its training loops, and a way between its triples and collections.

    data = foils.Collection.from_triples("umls/")            # or collection_of(PyKEEN's factories)
    factories = triples_factories(data)                      # PyKEEN's ids are then the rows of the collection
    stream = foils.NegativeStream(data, "bernoulli", negatives=8)
    pipeline(training=factories["train"], testing=factories["test"], negative_sampler=stream_sampler(stream), …)

PyKEEN hands a sampler batches of triples and does not say which epoch it is. So visits are counted: the e-th time that
a triple is asked for it gets the stream's negatives of epoch e, whatever the batches are, and also where the last one
of an epoch is dropped. Known positives of the stream's split are never drawn, where PyKEEN's filter draws them, takes
them out and leaves fewer. A negative that does not exist, because both sides are full, is masked.

Needs the extra ``kg``.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foils.collection import Collection
from foils.errors import DataError, InputError, MissingExtraError
from foils.positives import Int64
from foils.streaming import NegativeStream

LABELS = "\t\n\r"
"""Signs that a label of PyKEEN cannot have, for it goes through a table with tabs."""


class Visits:
    """How often each triple was asked for, which is the epoch of its next negatives.

    Args:
        triples: int64[T, 3], the triples of training (h, r, t).
        first_epoch: the epoch of their first visit.
    """

    def __init__(self, triples: Int64, first_epoch: int = 0) -> None:
        self._sizes = triples.max(axis=0, initial=0) + 1
        self._known = np.unique(self._address(triples))
        self._epochs = np.full(len(self._known), first_epoch, np.int64)

    def count(self, triples: Int64) -> Int64:
        """Give int64[E], the epoch of each of these triples, and count the visit.

        Raises:
            DataError: one is not a triple of training.
        """
        addresses = self._address(triples)
        places = np.minimum(np.searchsorted(self._known, addresses), len(self._known) - 1)
        wrong = np.flatnonzero((self._known[places] != addresses) | (triples >= self._sizes).any(axis=1))
        if len(wrong):
            raise DataError(
                f"(h, r, t) = {triples[wrong[0]].tolist()} is none of the triples that this sampler was made for"
            )
        epochs = self._epochs[places]
        self._epochs[places] += 1
        return epochs

    def _address(self, triples: Int64) -> Int64:
        heads, relations, tails = triples.T
        address: Int64 = (heads * self._sizes[1] + relations) * self._sizes[2] + tails
        return address


def corrupted(stream: NegativeStream, triples: Int64, epochs: Int64) -> tuple[Int64, npt.NDArray[np.bool_]]:
    """Draw the negatives of triples, each in its own epoch.

    Args:
        stream: of a collection of triples.
        triples: int64[E, 3] (h, r, t), rows of the collection.
        epochs: int64[E].

    Returns:
        int64[E, M, 3] corrupted triples; bool[E, M], False where there is no negative and the cell holds the triple.

    Raises:
        DataError: a triple is not a positive of the stream's split.
    """
    negatives = np.repeat(triples[:, None], stream.negatives, axis=1)
    valid = np.zeros(negatives.shape[:2], np.bool_)
    for epoch in np.unique(epochs):
        rows = np.flatnonzero(epochs == epoch)
        try:
            found = stream.batch(triples[rows], int(epoch)).triples
        except DataError as error:
            raise DataError(
                f"{error}. PyKEEN's ids must be the rows of the collection: take its factories from "
                "triples_factories(collection), or the collection from collection_of(factories)"
            ) from error
        if found is not None:
            valid[rows] = found.sides >= 0
            drawn = np.stack([found.heads, found.relations, found.tails], axis=-1)
            negatives[rows] = np.where(valid[rows][..., None], drawn, negatives[rows])
    return negatives, valid


def stream_sampler(stream: NegativeStream, *, first_epoch: int = 0) -> Any:
    """Make a negative sampler of PyKEEN that asks a stream.

    Every training begins at ``first_epoch``, so equal trainings draw equal negatives. PyKEEN's checkpoints do not hold
    its sampler: to go on from one after e epochs, give ``first_epoch=e``.

    Args:
        stream: of a collection of triples; it says how many negatives each triple gets.
        first_epoch: the epoch of the first visit of a triple.

    Returns:
        A subclass of ``pykeen.sampling.NegativeSampler`` with no settings of its own, for
        ``pipeline(negative_sampler=…)`` or ``SLCWATrainingLoop(negative_sampler=…)``.

    Raises:
        InputError: the stream is not of triples. In training: PyKEEN works with inverse triples, or with
            ``num_workers``; or its ids are not the rows of the collection.
    """
    base = _pykeen("pykeen.sampling").NegativeSampler
    import torch

    relations = len(stream.law.head_share)
    if not relations:
        raise InputError(
            f"{stream!r} is not of triples; make it from Collection.from_triples or collection_of(factories)"
        )

    def start(
        self: Any, *, mapped_triples: Any, num_entities: int | None = None, num_relations: int | None = None
    ) -> None:
        base.__init__(
            self,
            mapped_triples=mapped_triples,
            num_entities=num_entities,
            num_relations=num_relations,
            num_negs_per_pos=stream.negatives,
        )
        if self.num_relations > relations:
            raise DataError(
                f"PyKEEN has {self.num_relations} relations and the collection {relations}; with inverse triples "
                "(create_inverse_triples=True) the half of them is made up: train without"
            )
        self.visits = Visits(mapped_triples.numpy(), first_epoch)

    def sample(self: Any, positive_batch: Any) -> tuple[Any, Any]:
        if torch.utils.data.get_worker_info() is not None:
            raise InputError(
                "PyKEEN starts its workers anew in every epoch, where visits cannot be counted; use num_workers=0"
            )
        triples = positive_batch.cpu().numpy()
        negatives, valid = corrupted(stream, triples, self.visits.count(triples))
        mask = None if valid.all() else torch.from_numpy(valid)
        return torch.from_numpy(negatives), mask

    def corrupt_batch(self: Any, positive_batch: Any) -> Any:
        negatives, mask = self.sample(positive_batch)
        if mask is not None:
            raise DataError(f"{int((~mask).sum())} negatives do not exist; ask by sample(), which masks them")
        return negatives

    members = {"__init__": start, "sample": sample, "corrupt_batch": corrupt_batch, "__doc__": repr(stream)}
    return type("StreamSampler", (base,), members)


def triples_factories(collection: Collection) -> dict[str, Any]:
    """Give a ``TriplesFactory`` of PyKEEN for every split; its ids are the rows of the collection.

    Raises:
        InputError: the collection is not of triples.
    """
    factory = _pykeen("pykeen.triples").TriplesFactory
    import torch

    triples = collection.triples
    if triples is None:
        raise InputError(f"{collection!r} has no triples; read it by Collection.from_triples")
    ids = {
        "entity_to_id": {name: row for row, name in enumerate(collection.items.ids.to_pylist())},
        "relation_to_id": {name: row for row, name in enumerate(triples.relation_ids.to_pylist())},
    }
    parts = np.stack([triples.heads, triples.relations, triples.tails], axis=1)
    return {
        split: factory(mapped_triples=torch.from_numpy(parts[triples.splits == code]), **ids)
        for code, split in enumerate(collection.splits)
    }


def collection_of(factories: Mapping[str, Any]) -> Collection:
    """Make a collection of PyKEEN's triples; its rows are PyKEEN's ids.

    Args:
        factories: split → ``TriplesFactory``, as ``{"train": dataset.training, "test": dataset.testing}``; all of one
            data set.

    Raises:
        DataError: the factories number entities or relations differently, or a label holds a tab or a line break.
    """
    first = next(iter(factories.values()))
    named = {"entities.tsv": first.entity_to_id, "relations.tsv": first.relation_to_id}
    for split, factory in factories.items():
        if (factory.entity_to_id, factory.relation_to_id) != tuple(named.values()):
            raise DataError(
                f"the factory {split!r} has other ids than the first one; give the factories of one data set"
            )
    labels = {file: sorted(ids, key=ids.__getitem__) for file, ids in named.items()}
    for file, names in labels.items():
        wrong = [name for name in names if any(sign in name for sign in LABELS)]
        if wrong:
            raise DataError(f"{file}: the label {wrong[0]!r} holds a tab or a line break; rename it")
    with tempfile.TemporaryDirectory() as place:
        for file, names in labels.items():
            Path(place, file).write_text("\n".join(["id", *names]) + "\n", encoding="utf-8")
        for split, factory in factories.items():
            rows = factory.label_triples(factory.mapped_triples)
            lines = ["\t".join(("head", "relation", "tail")), *("\t".join(row) for row in rows)]
            Path(place, f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return Collection.from_triples(place)


def _pykeen(module: str) -> Any:
    if find_spec("pykeen") is None:
        raise MissingExtraError("PyKEEN", "kg")
    return importlib.import_module(module)
