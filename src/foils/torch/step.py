"""The arrays of a training step, checked and brought to one form: shared columns, and columns of each anchor's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from foils import _array
from foils._array import Array
from foils.errors import DataError
from foils.positives import Int64
from foils.torch.masks import Rows

StepVectors = tuple[Tensor, Tensor, Tensor | None]


@dataclass(frozen=True, eq=False)
class Guide:
    """Vectors of another model for the same batch; its scores decide what may be a negative (GISTEmbed, 2024).

    Attributes:
        anchors: float[B, g].
        positives: float[B, g].
        negatives: float[N, g] or [B, M, g], where the step has negatives.
    """

    anchors: Tensor
    positives: Tensor
    negatives: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Side:
    """Vectors of one model.

    Attributes:
        anchors: float[B, d].
        positives: float[B, d].
        shared: float[N, d].
        own: float[B, M, d], or None where there are no own columns.
    """

    anchors: Tensor
    positives: Tensor
    shared: Tensor
    own: Tensor | None

    def scores(self, part: slice) -> tuple[Tensor, Tensor]:
        """Give float[c] inner products with the positives, and float[c, N + M] with the columns."""
        anchors = self.anchors[part]
        cells = anchors @ self.shared.T
        if self.own is not None:
            cells = torch.cat([cells, (self.own[part] @ anchors[:, :, None])[:, :, 0]], dim=1)
        return (anchors * self.positives[part]).sum(dim=1), cells


@dataclass(frozen=True, eq=False)
class Step:
    """A training step.

    Attributes:
        student: the vectors that are trained.
        guide: the vectors that the rules look at, or None.
        rows: the global rows.
    """

    student: Side
    guide: Side | None
    rows: Rows

    @property
    def anchors(self) -> Tensor:
        """float[B, d]."""
        return self.student.anchors

    @property
    def width(self) -> int:
        """Cells of an anchor."""
        return len(self.rows.columns) + int(self.rows.own.shape[1])

    def scores(self, part: slice) -> tuple[Tensor, Tensor]:
        """Give the student's scores; see ``Side.scores``."""
        return self.student.scores(part)

    def guide_scores(self, part: slice) -> tuple[Tensor, Tensor]:
        """Give the guide's scores, or the student's where there is no guide."""
        return (self.student if self.guide is None else self.guide).scores(part)


def assemble(vectors: StepVectors, numbers: tuple[Array, Array, Array | None], guide: Guide | None) -> Step:
    """Check a step and tell shared columns from own ones.

    Args:
        vectors: (anchors, positives, negatives) of the model that is trained.
        numbers: rows of (anchors, items, negatives).
        guide: vectors of another model.

    Raises:
        DataError: shapes do not fit together.
    """
    anchor_vectors, positive_vectors, negative_vectors = vectors
    anchors, items, negatives = numbers
    count = len(anchor_vectors)
    if (negative_vectors is None) != (negatives is None):
        raise DataError("give negative_vectors and negatives (their item rows, −2 where new) together")
    shape = (0,) if negative_vectors is None else tuple(negative_vectors.shape[:-1])
    if len(shape) == 2 and shape[0] != count:
        raise DataError(f"negative_vectors are [{shape[0]}, {shape[1]}, d] for {count} anchors; expected [B, M, d]")
    given = _rows("negatives", np.zeros(0, np.int64) if negatives is None else negatives, shape)
    rows = Rows(
        _rows("anchors", anchors, (count,)),
        _rows("items", items, (count,)),
        given if given.ndim == 1 else np.zeros(0, np.int64),
        given if given.ndim == 2 else np.zeros((count, 0), np.int64),
        in_batch=positive_vectors.ndim == 2,
    )
    student = _side("", vectors, rows, shape)
    if guide is None:
        return Step(student, None, rows)
    if (guide.negatives is None) != (negative_vectors is None):
        raise DataError("the guide needs vectors of the same negatives as the step: Guide(…, negatives=…)")
    return Step(student, _side("guide ", (guide.anchors, guide.positives, guide.negatives), rows, shape), rows)


def _side(name: str, vectors: StepVectors, rows: Rows, shape: tuple[int, ...]) -> Side:
    anchors, positives, negatives = (None if side is None else _wide(side) for side in vectors)
    if anchors is None or anchors.ndim != 2 or len(anchors) != len(rows.items):
        raise DataError(f"{name}anchor vectors are {_shape(anchors)}; expected [{len(rows.items)}, d]")
    if positives is not None and positives.ndim == 3 and positives.shape[1] == 1:
        positives = positives[:, 0]
    if positives is None or positives.shape != anchors.shape:
        raise DataError(
            f"{name}positive vectors are {_shape(positives)} and anchor vectors {_shape(anchors)}; expected "
            "[B, d], or [B, 1, d] to leave in-batch negatives out"
        )
    in_batch = positives if rows.in_batch else positives[:0]
    if negatives is None:
        return Side(anchors, positives, in_batch, None)
    if len(shape) not in (1, 2) or tuple(negatives.shape) != (*shape, anchors.shape[1]):
        raise DataError(
            f"{name}negative vectors are {_shape(negatives)} and anchor vectors {_shape(anchors)}; expected "
            "[N, d] for all anchors, or [B, M, d] for each its own"
        )
    if len(shape) == 2:
        return Side(anchors, positives, in_batch, negatives)
    return Side(anchors, positives, torch.cat([in_batch, negatives]), None)


def _shape(vectors: Tensor | None) -> list[int]:
    return [] if vectors is None else list(vectors.shape)


def _rows(name: str, rows: Array, shape: tuple[int, ...]) -> Int64:
    numbers = _array.to_numpy(rows)
    if numbers.shape != shape or (numbers.dtype.kind not in "iu" and numbers.size):
        raise DataError(
            f"{name} are {numbers.dtype}{list(numbers.shape)}; expected int64 item or anchor rows {list(shape)}"
        )
    return numbers.astype(np.int64, copy=False)


def _wide(vectors: Tensor) -> Tensor:
    """Turn half precision into float32: a temperature of 0.02 would eat its digits."""
    return vectors.float() if vectors.dtype in (torch.float16, torch.bfloat16) else vectors
