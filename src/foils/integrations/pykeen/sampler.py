"""Negative samplers of PyKEEN that ask foils."""

from __future__ import annotations

from typing import Any

from foils.errors import DataError, InputError
from foils.integrations.pykeen.draws import Draws, MinedDraws, StreamDraws
from foils.integrations.pykeen.peer import module
from foils.integrations.pykeen.visits import Visits
from foils.mining import Mined
from foils.streaming import NegativeStream


def stream_sampler(stream: NegativeStream, *, first_epoch: int = 0) -> Any:
    """Make a negative sampler of PyKEEN that asks a stream.

    Every training begins at ``first_epoch``, so equal trainings draw equal negatives. PyKEEN's checkpoints do not hold
    its sampler: to go on from one after e epochs, give ``first_epoch=e``.

    Args:
        stream: of a collection of triples; it says how many negatives each triple gets.
        first_epoch: the epoch of the first visit of a triple.

    Returns:
        A subclass of ``pykeen.sampling.NegativeSampler`` without settings of its own, for
        ``pipeline(negative_sampler=…)`` or ``SLCWATrainingLoop(negative_sampler=…)``.

    Raises:
        InputError: the stream is not of triples. In training: PyKEEN works with inverse triples, or with
            ``num_workers``; or its ids are not the rows of the collection.
    """
    return _sampler(StreamDraws(stream), first_epoch)


def mined_sampler(mined: Mined, *, negatives: int, first_epoch: int = 0) -> Any:
    """Make a negative sampler of PyKEEN that takes what was mined: also one's own, by the source ``run``.

    A triple has the negatives of (h, r, ?) and of (?, r, t); each epoch takes the next of them, round and round.

    Args:
        mined: of a collection of triples, opened with it.
        negatives: per triple and epoch.
        first_epoch: see ``stream_sampler``.

    Returns:
        As ``stream_sampler``.

    Raises:
        InputError: the result is not of triples, or mined per pair. In training: see ``stream_sampler``.
    """
    return _sampler(MinedDraws(mined, negatives), first_epoch)


def _sampler(draws: Draws, first_epoch: int) -> Any:
    base = module("pykeen.sampling").NegativeSampler
    import torch

    def start(
        self: Any, *, mapped_triples: Any, num_entities: int | None = None, num_relations: int | None = None
    ) -> None:
        base.__init__(
            self,
            mapped_triples=mapped_triples,
            num_entities=num_entities,
            num_relations=num_relations,
            num_negs_per_pos=draws.negatives,
        )
        if self.num_relations > draws.relations:
            raise DataError(
                f"PyKEEN has {self.num_relations} relations and the collection {draws.relations}; with inverse triples "
                "(create_inverse_triples=True) half of them are made up: train without"
            )
        self.visits = Visits(mapped_triples.numpy(), first_epoch)

    def sample(self: Any, positive_batch: Any) -> tuple[Any, Any]:
        if torch.utils.data.get_worker_info() is not None:
            raise InputError(
                "PyKEEN starts its workers anew in every epoch, where visits cannot be counted; use num_workers=0"
            )
        triples = positive_batch.cpu().numpy()
        negatives, valid = draws(triples, self.visits.count(triples))
        mask = None if valid.all() else torch.from_numpy(valid)
        return torch.from_numpy(negatives), mask

    def corrupt_batch(self: Any, positive_batch: Any) -> Any:
        negatives, mask = self.sample(positive_batch)
        if mask is not None:
            raise DataError(f"{int((~mask).sum())} negatives do not exist; ask by sample(), which masks them")
        return negatives

    members = {"__init__": start, "sample": sample, "corrupt_batch": corrupt_batch, "__doc__": repr(draws)}
    return type("FoilsSampler", (base,), members)
