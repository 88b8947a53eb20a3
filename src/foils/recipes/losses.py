"""Fields of the losses that recipes name; the losses themselves need PyTorch or a trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec


class InfoNCE(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Softmax cross-entropy over one positive and its negatives (van den Oord et al., 2018)."""

    temperature: Annotated[float, msgspec.Meta(gt=0)] = 0.05
    """What similarities are divided by."""


REGISTRY: Mapping[str, type[msgspec.Struct]] = {"info_nce": InfoNCE}
