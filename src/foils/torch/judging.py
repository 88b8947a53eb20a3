"""Rules in a training step: the same ones that serve mining, on a tile of scores and without gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from foils.candidates import Candidates, Column, Kind
from foils.positives import Units
from foils.rules import Rule, judge
from foils.torch.masks import RULES_FROM
from foils.torch.step import Step

STUDENT, GUIDE = "student", "guide"
"""Columns of a step: the scores of the model that is trained, and those of a guide, which comes last where given."""


def judged(rules: Sequence[Rule], step: Step, part: slice, student: tuple[Tensor, Tensor], codes: Tensor) -> Tensor:
    """Add the verdicts of the rules to the codes of a tile.

    Args:
        rules: the rules.
        step: where the guide's scores come from.
        part: the anchors of the tile.
        student: float[c] scores of the positives and float[c, K] of the cells, without gradient.
        codes: int8[c, K], index into ``CODES``; what is out already is no candidate.

    Returns:
        int8[c, K].
    """
    if not rules:
        return codes
    columns = {STUDENT: Column(student[1], Kind.RATIO, student[0])}
    if step.guide is not None:
        positive, scores = step.guide_scores(part)
        columns[GUIDE] = Column(scores, Kind.RATIO, positive)
    count = len(codes)
    each = torch.arange(count + 1, device=codes.device)
    units = Units(each[:-1], each[:-1], each, each[:-1])  # type: ignore[arg-type]  # tensors: the rules do not mind
    present = torch.where(codes == 0, 0, -1)
    verdict = judge(rules, Candidates(units, present, columns))
    said = verdict.reason.to(torch.int8)
    return torch.where((codes == 0) & (said > 0), said + RULES_FROM, codes)
