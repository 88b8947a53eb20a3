"""Weights by coupled estimation (CET, Cai et al., "Hard Negatives or False Negatives", 2022).

What is labelled was first retrieved by something and then judged: l = s·r. A candidate that scores high and is not
labelled may be irrelevant (r) or never looked at (s). Two small models tell these apart, ŝ by what the retriever says
of a pair and r̂ by what another scorer says (see ``coupled``), and the weight of a candidate that is not labelled is

    w = P(not relevant | not labelled) = (1 − r̂) / (1 − ŝ·r̂)

ŝ ≡ 1, all was looked at: w = 1, the ordinary loss. A reconstruction: features, clip and schedule of the paper's models
are not known here, it weighs the labelled positives (``listwise_ipw``) and these weights are for the negatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from foils.candidates import Candidates
from foils.errors import InputError, did_you_mean
from foils.weights.calibrated import log_weights
from foils.weights.coupled import Coupled, fit_coupled
from foils.weights.features import Features, features_of
from foils.weights.ipw import effective_sample_size
from foils.weights.noise_transition import log_posterior

Float32 = npt.NDArray[np.float32]


class CET(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Relevance and the chance of being labelled, told apart by two models fitted in turn."""

    label_miss_rate: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    """Share of the true positives that the data do not list, where it is known; default: as the fit finds it."""
    clip: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    """Smallest propensity; 1 = all was looked at, and every weight is full."""
    retriever: str | None = None
    """Score column of the retriever; default: the first."""
    scorer: str | None = None
    """Score column of the other; default: the last."""

    def fit(self, blocks: Sequence[Candidates]) -> FittedCET:
        """Fit to the candidates and labelled positives of a result.

        Raises:
            InputError: there are not two columns, or a column is not there, or scores no positive.
        """
        retriever, scorer = self._columns(blocks[0].scored() if blocks else [])
        parts = [features_of(block, retriever, scorer) for block in blocks]
        labels = np.concatenate([part.labels for part in parts])
        if not labels.any() or labels.all():
            none = "positive" if not labels.any() else "candidate"
            raise InputError(
                f"weights cet: no {none} among the ranks that were looked at has a score by both {retriever!r} and "
                f"{scorer!r}; score them, or mine deeper"
            )
        selection, relevance = (np.concatenate([getattr(part, side) for part in parts]) for side in SIDES)
        models = fit_coupled(selection, relevance, labels, self.label_miss_rate)
        chances = models.selection(selection)[labels]
        return FittedCET(
            retriever=retriever,
            scorer=scorer,
            clip=self.clip,
            models=models,
            pairs=len(labels),
            labelled=int(labels.sum()),
            effective_labelled=effective_sample_size(1 / np.maximum(chances, self.clip)),
            clipped=float((chances < self.clip).mean()),
            label_miss_rate=float(1 - labels.sum() / models.relevance(relevance).sum()),
        )

    def _columns(self, there: list[str]) -> tuple[str, str]:
        for name in (self.retriever, self.scorer):
            if name is not None and name not in there:
                hint = did_you_mean(name, there) if there else "there are no scores"
                raise InputError(f"weights cet: there is no score column {name!r}; {hint}")
        chosen = [self.retriever or next(iter(there), ""), self.scorer or next(reversed(there), "")]
        if len(set(chosen)) < 2:
            raise InputError(
                f"weights cet need two scores, one of the retriever and one of something else, and there is only "
                f"{chosen[0] or 'none'!r}: one score alone cannot tell what is relevant from what was looked at; mine "
                "with a scorer, as in scorers: [{cross_encoder: {model: …}}]"
            )
        return chosen[0], chosen[1]


class FittedCET(msgspec.Struct, frozen=True, kw_only=True):
    """Fitted models, and how much the fit rests on."""

    retriever: str
    scorer: str
    clip: float
    models: Coupled
    pairs: int
    """Candidates and positives that were fitted to."""
    labelled: int
    """Positives among them."""
    effective_labelled: float
    """(Σ w)² / Σ w² of their inverse propensities."""
    clipped: float
    """Share of them whose propensity lies below the clip."""
    label_miss_rate: float
    """1 − labelled / Σ r̂: what the models say of the positives that are not labelled."""

    def __call__(self, candidates: Candidates) -> Float32:
        """Give float32[A, K] log-weights: full where a score is missing or the negative is trusted, −∞ where absent."""
        found = features_of(candidates, self.retriever, self.scorer)
        relevant, selected = self.chances(found)
        logs = np.zeros(candidates.items.shape)
        logs[found.cells] = log_posterior(relevant, 1 - selected)
        logs[candidates.columns["p_positive"].values == 0] = 0.0
        weights: Float32 = log_weights(candidates, logs)
        return weights

    def chances(self, found: Features) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Give r̂ and the clipped ŝ of the candidates."""
        count = int(np.count_nonzero(found.cells))
        selected = np.maximum(self.models.selection(found.selection[:count]), self.clip)
        return self.models.relevance(found.relevance[:count]), selected


SIDES = ("selection", "relevance")
"""Fields of ``Features``."""
