"""Corrupted triples whose new entity has been seen in that place: pseudo-typed negatives (Krompaß et al., 2015).

The candidates of a relation are heads(r) and tails(r), one list after the other; what is drawn from the first becomes
a head, from the second a tail, so

    P(corrupt the head | r) = |heads(r)| / (|heads(r)| + |tails(r)|)

Known triples are excluded exactly; in other libraries that is an option, off by default, though most entities of a
slot may well be true. Mining gives negatives to each anchor by itself, (h, r, ?) and (?, r, t), whose side is settled:
there the draw is uniform in tails(r), or in heads(r), and ``log_q`` is the law of that draw. ``foils.NegativeStream``
draws the side of every negative by ``head_share`` and adds its logarithm.
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


class PseudoTyped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Entities drawn uniformly among those known on that side of the relation."""

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
        sizes = slots.entities.degrees
        return head_share(sizes[0::2], sizes[1::2])

    def open(self, inputs: Inputs) -> OpenDraw:
        """List the entities of every slot; ``log_q`` = log(min(1, k / (|slot| − deg))), exact."""
        slots = Slots.of(inputs.collection, inputs.positives, inputs.mineable)
        drawer = Drawer.of(Urns.equal(slots.entities), slots.of_anchors, inputs.forbidden)
        return OpenDraw("pseudo_typed", drawer, inputs.seed)
