"""InfoNCE for a training step (van den Oord et al., 2018), with known positives masked and rules applied in the loss.

    loss_b = log( exp(a_b·p_b / t) + Σ_j w_bj·exp(a_b·v_j / t − log q_j) ) − a_b·p_b / t

over the negatives j that anchor b sees and that are not masked. **A matrix is shared by the batch; a tensor with an
axis of its own per anchor is that anchor's alone**:

positive_vectors [B, d]      every anchor sees the other examples' positives as negatives (in-batch)
positive_vectors [B, 1, d]   it does not: only the given negatives count
negative_vectors [N, d]      every anchor sees all of them (everybody's mined negatives, a bank, another device's batch)
negative_vectors [B, M, d]   each anchor sees its own M

An item counts once per anchor, however many columns hold it. With ``log_q`` every cell counts: the log of an item's
expected number of occurrences already says how often it repeats (the logQ correction of sampled softmax; the positive
is there with certainty and is not corrected). Weights w are constants, 1 unless given: a suspected false negative
counts in part (``foils.weights``), wherever the anchor sees it. Masked cells are −infinity and get no gradient; a row
without negatives has the loss 0. Memory is linear in the batch: tiles of anchors are computed again for the gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from foils._array import Array
from foils.errors import InputError, did_you_mean
from foils.positives import Positives
from foils.rules import REGISTRY, Rule
from foils.torch.judging import GUIDE, STUDENT, judged
from foils.torch.laws import Law, law_of
from foils.torch.masks import CODES, TARGET, WEIGHTLESS, Masked, mask
from foils.torch.step import Guide, Step, assemble
from foils.torch.weighing import LogWeights, log_weights_of

TILE_CELLS = 1 << 22
"""Logits held at once: 16 MiB in float32."""


class LossOutput(NamedTuple):
    """The loss of a step.

    Attributes:
        loss: [], the mean over anchors.
        per_anchor: [B].
        stats: detached scalars: ``negatives`` (mean number that count per anchor), ``positive_logit`` and
            ``negative_logit`` (means of a·v / t), and the share of cells that are out: ``masked_absent``,
            ``masked_known_positive``, ``masked_repeated``, ``masked_weightless`` where there are weights, and
            ``masked_relative_margin`` and so on for its rules.
    """

    loss: Tensor
    per_anchor: Tensor
    stats: Mapping[str, Tensor]


class InfoNCE(nn.Module):
    """Softmax cross-entropy of one positive against the batch's items and given negatives.

    Args:
        temperature: t, what inner products are divided by; above 0. Normalise the vectors for cosines.
        positives: known positives, ``collection.positives()``; None = only the examples of the batch are known.
        rules: rules of ``foils.rules``, applied to the scores of each tile and without gradient: by the model's own,
            or by the guide's where a guide is given (``column="student"`` asks for the model's own still).

    Raises:
        InputError: the temperature is not above 0, or a rule looks at a column that a step does not have.
    """

    def __init__(
        self, temperature: float = 0.05, *, positives: Positives | None = None, rules: Sequence[Rule] = ()
    ) -> None:
        super().__init__()
        _check_given(temperature, positives)
        for rule in _checked(rules):
            if rule.column not in (None, STUDENT, GUIDE):
                raise InputError(
                    f"a rule looks at the column {rule.column!r}; {did_you_mean(rule.column, (STUDENT, GUIDE))}"
                )
        self.temperature, self.positives, self.rules = float(temperature), positives, tuple(rules)

    def forward(
        self,
        anchor_vectors: Tensor,
        positive_vectors: Tensor,
        *,
        anchors: Array,
        items: Array,
        negative_vectors: Tensor | None = None,
        negatives: Array | None = None,
        log_q: Array | None = None,
        positive_log_q: Array | None = None,
        log_weights: Array | None = None,
        guide: Guide | None = None,
    ) -> LossOutput:
        """Compute the loss of a batch.

        Args:
            anchor_vectors: float[B, d].
            positive_vectors: float[B, d], or [B, 1, d] to leave in-batch negatives out.
            anchors: int64[B], anchor rows; −2 = a new one.
            items: int64[B], item rows of the positives; −2 = a new one.
            negative_vectors: float[N, d] or [B, M, d]; finite also where absent.
            negatives: int64[N] or [B, M], their item rows; −1 = absent, −2 = new.
            log_q: float of the shape of ``negatives``, as ``NegativeStream`` gives it; NaN only where absent.
            positive_log_q: float[B], the same for the positives as in-batch negatives.
            log_weights: float[B, M] for negatives [B, M], or [B, N] for negatives [N]: how much each counts for each
                anchor; 0 = full, −infinity = masked. No gradient flows through it.
            guide: vectors of another model, whose scores the rules look at.

        Raises:
            InputError: shapes or rows do not fit together, or a law is missing.
        """
        step = assemble((anchor_vectors, positive_vectors, negative_vectors), (anchors, items, negatives), guide)
        law = law_of(step.rows, log_q, positive_log_q, anchor_vectors)
        weights = log_weights_of(step.rows, log_weights, anchor_vectors)
        for rule in self.rules:
            if rule.column == GUIDE and guide is None:
                raise InputError("a rule looks at the column 'guide'; give guide=foils.torch.Guide(…)")
        masked = mask(step.rows, self.positives, count_repeated=law is not None)
        with torch.autocast(anchor_vectors.device.type, enabled=False):
            losses, sums = self._tiles(step, masked, law, weights)
        per_anchor = torch.cat(losses)
        return LossOutput(
            per_anchor.sum() / max(len(per_anchor), 1),
            per_anchor,
            _stats(sums, len(per_anchor), (*self._applied(), *(() if weights is None else ("weightless",)))),
        )

    def _applied(self) -> list[str]:
        return [name for name, kind in REGISTRY.items() if any(type(rule) is kind for rule in self.rules)]

    def _tiles(
        self, step: Step, masked: Masked, law: Law | None, weights: LogWeights | None
    ) -> tuple[list[Tensor], Tensor]:
        count, width = len(step.anchors), step.width
        size = max(1, TILE_CELLS // max(width, 1))
        parts = [slice(start, min(start + size, count)) for start in range(0, max(count, 1), size)]
        run: Callable[..., tuple[Tensor, Tensor]] = self._tile
        if len(parts) == 1:
            outputs = [run(step, masked, law, weights, parts[0])]
        else:
            outputs = [
                checkpoint(run, step, masked, law, weights, part, use_reentrant=False, preserve_rng_state=False)
                for part in parts
            ]
        return [loss for loss, _ in outputs], torch.stack([sums for _, sums in outputs]).sum(dim=0)

    def _tile(
        self, step: Step, masked: Masked, law: Law | None, weights: LogWeights | None, part: slice
    ) -> tuple[Tensor, Tensor]:
        """Give the losses [c], and what the statistics sum: cells by code, positive and negative scores."""
        positive, scores = step.scores(part)
        codes = torch.from_numpy(masked.tile(part)).to(scores.device)
        offsets = None if weights is None else weights(part)
        with torch.no_grad():
            if offsets is not None:
                codes = torch.where((codes == 0) & torch.isneginf(offsets), WEIGHTLESS, codes)
            codes = judged(self.rules, step, part, (positive.detach(), scores.detach()), codes)
            counted = codes == 0
        logits = scores / self.temperature
        corrected = logits if law is None else logits - law(part)
        corrected = corrected if offsets is None else corrected + offsets
        row = torch.cat([(positive / self.temperature)[:, None], corrected.masked_fill(~counted, -torch.inf)], dim=1)
        target = torch.zeros(len(row), dtype=torch.int64, device=row.device)
        losses = nn.functional.cross_entropy(row, target, reduction="none")
        with torch.no_grad():
            cells = torch.bincount(codes.flatten().long(), minlength=len(CODES)).double()
            means = [positive.double().sum(), torch.where(counted, scores, 0.0).double().sum()]
            sums = torch.cat([cells, torch.stack(means) / self.temperature])
        return losses, sums


def _check_given(temperature: Any, positives: Any) -> None:
    """Refuse what is easily given instead of a number and of known positives."""
    if not isinstance(temperature, int | float) or not temperature > 0:
        raise InputError(f"temperature is {temperature!r:.80}; expected a number above 0")
    if positives is not None and not isinstance(positives, Positives):
        raise InputError(f"positives are {positives!r:.80}; expected known positives: collection.positives()")


def _checked(rules: Sequence[Rule]) -> Sequence[Rule]:
    """Take a sequence of rules.

    Raises:
        InputError: it is something else, such as their names.
    """
    if isinstance(rules, tuple(REGISTRY.values())):
        raise InputError(f"rules is a single rule, {rules!r:.80}; put it in a list: rules=[…]")
    wrong = [rules] if isinstance(rules, str | Mapping) else [one for one in rules if not hasattr(one, "column")]
    if wrong:
        kinds = ", ".join(kind.__name__ for kind in REGISTRY.values())
        raise InputError(
            f"rules holds {wrong[0]!r:.80}; expected rules, as in rules=[foils.rules.RelativeMargin(0.05)]; there are: "
            f"{kinds}"
        )
    return rules


def _stats(sums: Tensor, count: int, further: Sequence[str]) -> dict[str, Tensor]:
    cells, (positive, negative) = sums[: len(CODES)], sums[len(CODES) :]
    possible = (cells.sum() - cells[TARGET]).clamp(min=1)
    reported = ("absent", "known_positive", "repeated", *(code for code in CODES if code in further))
    return {
        "negatives": cells[0] / max(count, 1),
        "positive_logit": positive / max(count, 1),
        "negative_logit": negative / cells[0].clamp(min=1),
        **{f"masked_{name}": cells[CODES.index(name)] / possible for name in reported},
    }


__all__ = ["Guide", "InfoNCE", "LossOutput"]
