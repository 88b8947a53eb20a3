"""Corrupted triples, the side by Bernoulli's rule (Wang et al., 2014), known triples excluded exactly.

    P(corrupt the head | r) = tph_r / (tph_r + hpt_r)

A relation with many tails per head (one-to-many) has its head corrupted more often, because a random other tail is more
likely a true one that nobody recorded. The rule is about a triple's *side*. Mining gives negatives to each anchor by
itself, (h, r, ?) and (?, r, t), whose side is settled: there the entity is drawn uniformly and ``log_q`` is the law of
that draw. ``foils.NegativeStream`` draws the side of every negative by ``head_share`` and adds its logarithm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec

from foils.candidates import Kind
from foils.drawing import Urns
from foils.search import Inputs
from foils.sources.drawn import OpenDraw
from foils.sources.draws import Drawer
from foils.sources.slots import Float64, Slots, head_share, require_triples


class Bernoulli(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Entities drawn uniformly for triples; a stream draws the side by Bernoulli's rule."""

    random: ClassVar[bool] = True

    k: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """Candidates per unit; default: as many as negatives are asked for."""

    def columns(self) -> Mapping[str, Kind]:
        """No scores."""
        return {}

    def reads(self) -> tuple[str, ...]:
        """No vectors."""
        return ()

    def depths(self, negatives: int) -> tuple[int, int]:
        """``k``, once."""
        return self.k or negatives, self.k or negatives

    def check(self, inputs: Inputs) -> None:
        """Look whether there are triples."""
        require_triples(inputs.collection)

    def head_share(self, slots: Slots) -> Float64:
        """Give float64[R], the probability that a negative of a triple with this relation has another head.

        0.5 for a relation without a known triple.
        """
        hpt, tph = slots.per_question[0::2], slots.per_question[1::2]
        return head_share(tph, hpt)

    def open(self, inputs: Inputs) -> OpenDraw:
        """Bind to the entities of a run; ``log_q`` = log(min(1, k / (n − deg))), exact."""
        require_triples(inputs.collection)
        return OpenDraw("bernoulli", Drawer.of_one(Urns.allowed(inputs.mineable), inputs.forbidden), inputs.seed)
