"""Fields of the losses that recipes name; the losses themselves need PyTorch or a trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec


class InfoNCE(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Softmax cross-entropy over one positive and its negatives (van den Oord et al., 2018)."""

    temperature: Annotated[float, msgspec.Meta(gt=0)] = 0.05
    """What similarities are divided by."""


class SymmetricKL(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both Kullback–Leibler divergences between a judge's soft scores and the model's (UniME-V2, Gu et al., 2025)."""

    temperature: Annotated[float, msgspec.Meta(gt=0)] = 0.02
    """What the model's similarities are divided by."""
    judge_temperature: Annotated[float, msgspec.Meta(gt=0)] = 0.02
    """What the judge's scores are divided by; at 0.02, probabilities that differ by 0.1 are as good as one-hot."""


REGISTRY: Mapping[str, type[msgspec.Struct]] = {"info_nce": InfoNCE, "symmetric_kl": SymmetricKL}
