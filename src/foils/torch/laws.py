"""The logQ correction of a step: log q of every cell, from the laws of the batch's and of the given columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from foils import _array
from foils._array import Array
from foils.errors import DataError
from foils.positives import Int64
from foils.torch.masks import Rows

Law = Callable[[slice], Tensor]


def law_of(rows: Rows, log_q: Array | None, positive_log_q: Array | None, like: Tensor) -> Law | None:
    """Join the laws of the columns: a function from anchors to float[c, N + M]; None = no correction.

    Args:
        rows: the step.
        log_q: of the given negatives.
        positive_log_q: of the positives as in-batch negatives.
        like: gives the device and the precision.

    Raises:
        DataError: some columns have a law and others have none, or a law is NaN.
    """
    if log_q is None and positive_log_q is None:
        return None
    if positive_log_q is not None and not rows.in_batch:
        raise DataError(
            "positive_log_q is given and the positives are no columns: leave it out, or give [B, d] of them"
        )
    given = rows.own if rows.own.size else rows.shared
    parts = []
    for name, law, numbers, needed in (
        ("positive_log_q", positive_log_q, rows.items, rows.in_batch),
        ("log_q", log_q, given, given.size > 0 or log_q is not None),
    ):
        if not needed:
            continue
        if law is None:
            raise DataError(
                f"{name} is missing: with a logQ correction every column needs its law; give it, leave both out, "
                "or give positive_vectors[:, None] for a step without in-batch negatives"
            )
        parts.append(_finite(name, law, numbers))
    shared = [torch.as_tensor(part) for part in parts if part.ndim == 1]
    flat = torch.cat(shared) if shared else torch.zeros(0)
    own = torch.as_tensor(parts[-1]) if parts and parts[-1].ndim == 2 else torch.zeros(len(rows.items), 0)
    flat, own = (
        law.to(device=like.device, dtype=torch.promote_types(like.dtype, torch.float32)) for law in (flat, own)
    )
    return partial(_tile_law, flat, own)


def _tile_law(shared: Tensor, own: Tensor, part: slice) -> Tensor:
    return torch.cat([shared.expand(len(own[part]), -1), own[part]], dim=1)


def _finite(name: str, law: Array, numbers: Int64) -> npt.NDArray[np.float64]:
    values = np.asarray(_array.to_numpy(law), np.float64)
    if values.shape != numbers.shape:
        raise DataError(f"{name} is {list(values.shape)} and the rows are {list(numbers.shape)}; expected one each")
    wrong = np.argwhere(~np.isfinite(values) & (numbers != -1))
    if len(wrong):
        place = ", ".join(map(str, wrong[0].tolist()))
        raise DataError(
            f"{name}[{place}] is {values[tuple(wrong[0])]}: this negative has no law (searched, provided or top-k "
            "negatives have none); leave log_q out, or draw with NegativeStream"
        )
    return np.where(numbers == -1, 0.0, values)
