"""Soft scores of a judge as labels of a list: the symmetric Kullback–Leibler divergence (UniME-V2, Gu et al., 2025).

    P = softmax(y / t_judge),   Q = softmax(s / t)
    loss = ½·(KL(P‖Q) + KL(Q‖P)) = ½·Σ_j (P_j − Q_j)·(log P_j − log Q_j)

over the positive and the listed negatives of an anchor; no in-batch negatives. 0 just where P = Q, equal if the two
change places, and blind to a constant added to either side. All in logarithms: log(softmax + ε) would flatten what the
loss is made of. A judge of probabilities wants a temperature of its own: at 0.02 a difference of 0.1 is one-hot.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from foils.errors import DataError, InputError
from foils.torch.info_nce import LossOutput


class SymmetricKL(nn.Module):
    """Symmetric divergence between the judge's scores and the model's.

    Args:
        temperature: t, what the model's scores are divided by; above 0.
        judge_temperature: what the judge's are divided by; above 0.

    Raises:
        InputError: a temperature is not above 0.
    """

    def __init__(self, temperature: float = 0.02, judge_temperature: float = 0.02) -> None:
        super().__init__()
        _check_above_zero("temperature", temperature)
        _check_above_zero("judge_temperature", judge_temperature)
        self.temperature, self.judge_temperature = float(temperature), float(judge_temperature)

    def forward(self, scores: Tensor, labels: Tensor) -> LossOutput:
        """Compute the loss of a batch.

        Args:
            scores: float[B, L], of the model: of the positive and of the negatives of each anchor, finite.
            labels: float[B, L], of the judge, as ``foils export --scores`` writes them; NaN = absent or not judged,
                which is in neither distribution. No gradient flows through them.

        Raises:
            DataError: the shapes differ.
        """
        if scores.shape != labels.shape or scores.ndim != 2:
            raise DataError(f"scores are {list(scores.shape)} and labels {list(labels.shape)}; expected both [B, L]")
        wide = scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores
        labels = labels.detach().to(wide.device, wide.dtype)
        there = ~torch.isnan(labels)
        judge = _log_shares(labels / self.judge_temperature, there)
        student = _log_shares(wide / self.temperature, there)
        apart = torch.where(there, judge - student, 0.0)
        per_anchor = 0.5 * ((judge.exp() - student.exp()) * apart).sum(dim=1)
        listed = there.sum(dim=1).double().mean() if len(there) else there.sum().double()
        return LossOutput(per_anchor.sum() / max(len(per_anchor), 1), per_anchor, {"listed": listed})


def _check_above_zero(name: str, value: Any) -> None:
    if not isinstance(value, int | float) or not value > 0:
        raise InputError(f"{name} is {value!r:.80}; expected a number above 0")


def _log_shares(logits: Tensor, there: Tensor) -> Tensor:
    """Give log softmax over what is there, −infinity elsewhere; a row with nothing there is all −infinity."""
    some = there.any(dim=1, keepdim=True)
    safe = torch.where(there, logits, torch.where(some, -torch.inf, 0.0))
    return torch.where(there, nn.functional.log_softmax(safe, dim=1), -torch.inf)
