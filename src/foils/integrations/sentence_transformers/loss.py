"""InfoNCE over the cells of a batch, as ``foils.training.info_nce`` has it, for a sentence-transformers trainer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from foils.integrations.sentence_transformers.feed import MASKED, POSITIVE


class MaskedInfoNCE(nn.Module):
    """The mean InfoNCE loss of a batch in which known positives are masked.

    Args:
        model: a SentenceTransformer.
        temperature: what cosines are divided by.
    """

    def __init__(self, model: nn.Module, temperature: float) -> None:
        super().__init__()
        self.model = model
        self.temperature = temperature

    def forward(self, features: Sequence[Mapping[str, Any]], labels: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            features: tokens of B anchors and of N items.
            labels: int8[B, N], 1 = the positive of the anchor, 0 = a negative, −1 = neither.
        """
        anchors, items = (
            functional.normalize(self.model(dict(side))["sentence_embedding"].float(), dim=-1) for side in features
        )
        with torch.autocast(anchors.device.type, enabled=False):  # the softmax wants all bits of a cosine
            logits = anchors @ items.T / self.temperature
            logits = logits.masked_fill(labels == MASKED, -torch.inf)
            return functional.cross_entropy(logits, (labels == POSITIVE).int().argmax(dim=1))

    def get_config_dict(self) -> dict[str, float]:
        """Say for the model card what the loss was told."""
        return {"temperature": self.temperature}
