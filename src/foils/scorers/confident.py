"""How far above its word on known positives does a scorer put a pair? Confident learning (2021), for ranking.

    score(a, i) = s(a, i) − t₁(a),   t₁(a) = λ · mean s(a, p) over the anchor's known positives p ≠ i  +  (1 − λ) · t₁
    t₁ = mean s over all known positives, of at most 4,096 anchors' one each

A negative at or above the threshold of the class *positive* is confidently mislabelled: ``max_score`` with threshold 0
leaves it out. With λ = 0 that is the threshold of confident learning; with λ = 1 it is that of the anchor's own
positives, as of margin rules; between, few positives of its own are held back by all others. An anchor without another
scored positive has t₁ alone, so a known positive never sees its own score and can be scored alike.

The scorer that is wrapped must not have been trained on these negatives: a model that learnt to push a false negative
away hides it. ``confident_joint`` estimates from the same thresholds how many labels are wrong.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from foils import _array
from foils._array import Key
from foils.candidates import Kind
from foils.errors import RecipeError
from foils.positives import Int64, Relation
from foils.scorers.adapter import AdapterScorer
from foils.scorers.adapter_fit import chosen_positives
from foils.scorers.cross_encoder import CrossEncoderScorer
from foils.scorers.neighbours_learned import GraphCleaner
from foils.scorers.vectors import VectorScorer
from foils.search import Inputs
from foils.search.vectors import Float32

Float64 = npt.NDArray[np.float64]

MOST_POSITIVES = 4096
"""Known positives, one per anchor, that the threshold of all is the mean of."""


class Wrapped(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One scorer by name, as in {vectors: {}}."""

    vectors: VectorScorer | None = None
    cross_encoder: CrossEncoderScorer | None = None
    adapter: AdapterScorer | None = None
    graph_cleaner: GraphCleaner | None = None

    def __post_init__(self) -> None:
        """Check that there is exactly one, whose scores compare across anchors.

        Raises:
            RecipeError: they do not.
        """
        given = [getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) is not None]
        if len(given) != 1:
            raise RecipeError("expected one scorer by name and its fields, as in {vectors: {}}")
        if not all(kind.gives(Kind.RATIO) for kind in given[0].columns().values()):
            raise RecipeError("needs scores that compare across anchors; set activation: sigmoid")
        if getattr(given[0], "band", None) is not None:
            raise RecipeError("a wrapped scorer scores every candidate; leave its band out")

    @property
    def fields(self) -> Any:
        """The fields of the scorer."""
        return next(fields for fields in (getattr(self, name) for name in self.__struct_fields__) if fields)


class Confident(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far another scorer puts the pair above what it says of known positives."""

    relevance: ClassVar[bool] = True
    of: Wrapped = Wrapped(vectors=VectorScorer())
    """The scorer, as in {vectors: {}} or {cross_encoder: {model: …}}."""
    own: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """λ: how much the anchor's own positives count against all others."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "confident"
    """Name of the column."""

    def columns(self) -> Mapping[str, Kind]:
        """The distance from the threshold, as column ``name``; 0 is where suspicion begins."""
        return {self.name: Kind.RATIO}

    def reads(self) -> tuple[str, ...]:
        """What the scorer reads."""
        read: tuple[str, ...] = self.of.fields.reads()
        return read

    def check(self, inputs: Inputs) -> None:
        """Let the scorer look at what it will read."""
        self.of.fields.check(inputs)

    def digests(self, inputs: Inputs) -> Mapping[str, str]:
        """Name what the scorer reads besides the collection and vectors."""
        fields = self.of.fields
        told: Mapping[str, str] = fields.digests(inputs) if hasattr(fields, "digests") else {}
        return {f"scorers.{self.name}.{name.removeprefix('scorers.')}": digest for name, digest in told.items()}

    def open(self, inputs: Inputs) -> OpenConfident:
        """Bind the scorer to the data of a run."""
        given = inputs.positives.given().relation
        sample = chosen_positives(given, MOST_POSITIVES, Key(inputs.seed, "confident.positives", 0))
        return OpenConfident(self.of.fields.open(inputs), self.own, given, sample)


@dataclass(frozen=True, eq=False)
class OpenConfident:
    """Thresholds over an open scorer.

    Attributes:
        scorer: what is wrapped.
        own: λ.
        positives: the given known positives.
        sample: int64[S] anchors and items, the positives that the threshold of all is the mean of.
    """

    scorer: Any
    own: float
    positives: Relation
    sample: tuple[Int64, Int64]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: float32[P]; NaN where the scorer has no score."""
        scores = self.scorer.score(anchors, items).astype(np.float64)
        with self.lock:
            overall = self._overall
        if not len(items):
            return np.zeros(0, np.float32)
        unique, place = np.unique(anchors, return_inverse=True)
        known = self.positives.take(unique)
        rows, positives = known.coordinates()
        theirs = self.scorer.score(unique[rows], positives).astype(np.float64)
        sums, counts = _sums(theirs, known.indptr)
        itself = self.positives.contains(anchors, items) & ~np.isnan(scores)
        left = counts[place] - itself
        mean = (sums[place] - np.where(itself, scores, 0)) / np.maximum(left, 1)
        bound = np.where(left > 0, self.own * mean + (1 - self.own) * overall, overall)
        found: Float32 = (scores - bound).astype(np.float32)
        return found

    @cached_property
    def _overall(self) -> float:
        """The mean score of known positives; 0 where none has a score."""
        scores = self.scorer.score(*self.sample).astype(np.float64)
        scores = scores[~np.isnan(scores)]
        return float(_array.row_sum(scores[None])[0] / len(scores)) if len(scores) else 0.0


def _sums(scores: Float64, indptr: Int64) -> tuple[Float64, Float64]:
    """Add up the scores of each anchor's positives and count them, those without a score left out."""
    absent = np.isnan(scores)
    return (
        _array.segment_reduce(np.where(absent, 0, scores), indptr, "sum"),
        _array.segment_reduce((~absent).astype(np.float64), indptr, "sum"),
    )
