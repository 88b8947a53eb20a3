"""What a cross-encoder says: a model that reads anchor and item together.

    activation sigmoid:  1 / (1 + e^−z)   between 0 and 1; margins relative to the positive make sense
    activation none:     z                the model's logit; differences compare within one anchor

The sigmoid is what the model takes for the probability of relevance; it is not calibrated, and no one has checked it on
your data. It rounds to 1 from a logit of 17 on, so that the surest pairs tie; the logit never does. Pairs are scored
for all anchors of a block together, longest first, and each is scored once: logits are kept by the content of the model
and of the two texts. A logit depends on its batch in the last bits, so scores are an artefact: what is kept stays.

Every candidate is scored, whether or not a rule looks at the column, unless a ``band`` of an earlier column says which
are worth it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from foils import _array
from foils.candidates import Kind
from foils.collection import Collection
from foils.encoders.chunks import text_digests
from foils.positives import Int64
from foils.scorers.band import Band
from foils.scorers.cross_encoder_model import CrossEncoderModel
from foils.scorers.pair_cache import PairCache
from foils.scorers.texts import check_both, scored, texts_at
from foils.search import Inputs
from foils.search.vectors import Float32

CHUNK_PAIRS = 1024
"""Pairs scored between two commits: what a kill may lose."""


class CrossEncoderScorer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Relevance by a cross-encoder, which reads anchor and item together."""

    relevance: ClassVar[bool] = True
    model: str
    """Folder of a CrossEncoder of sentence-transformers, or its name on the Hugging Face hub."""
    activation: Literal["sigmoid", "none"] = "sigmoid"
    """``sigmoid`` gives the kind probability, ``none`` (logits) the kind score."""
    max_length: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Tokens of a pair that are read; default: as the model says."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "cross_encoder"
    """Name of the column."""
    band: Band | None = None
    """Which candidates the model reads, by an earlier column; default: every one."""

    def columns(self) -> Mapping[str, Kind]:
        """The score, as column ``name``."""
        return {self.name: Kind.PROBABILITY if self.activation == "sigmoid" else Kind.SCORE}

    def reads(self) -> tuple[str, ...]:
        """No vectors."""
        return ()

    def check(self, inputs: Inputs) -> None:
        """See that there are texts, and a model that can be read."""
        check_both(inputs)
        self._model(inputs)

    def digests(self, inputs: Inputs) -> Mapping[str, str]:
        """The content of the model."""
        return {f"scorers.{self.name}.model": self._model(inputs).digest}

    def open(self, inputs: Inputs) -> OpenCrossEncoder:
        """Bind to the texts of a run."""
        model = self._model(inputs)
        cache = PairCache.open(inputs.cache, model.identity())
        return OpenCrossEncoder(inputs, model, self.activation, cache)

    def _model(self, inputs: Inputs) -> CrossEncoderModel:
        memo = None if inputs.cache is None else inputs.cache / "models"
        return CrossEncoderModel.open(self.model, self.max_length, memo)


@dataclass(frozen=True, eq=False)
class OpenCrossEncoder:
    """A cross-encoder bound to the texts of a run."""

    inputs: Inputs
    model: CrossEncoderModel
    activation: Literal["sigmoid", "none"]
    cache: PairCache
    lock: threading.Lock = field(default_factory=threading.Lock)

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: float32[P]; NaN for −1 and for items with empty text."""
        at = scored(self.inputs, items)
        scores = np.full(len(items), np.nan, np.float32)
        with self.lock:  # the model and its cache are one; they use all cores already
            logits = self._logits(anchors[at], items[at])
        scores[at] = _array.sigmoid(logits.astype(np.float64)) if self.activation == "sigmoid" else logits
        return scores

    def known(self, anchors: Int64, items: Int64) -> npt.NDArray[np.bool_]:
        """Tell which pairs need not be put to the model: their scores are kept, or the item has no text."""
        at = scored(self.inputs, items)
        known = np.ones(len(items), bool)
        texts = texts_at(self.inputs.collection.anchors, anchors[at]), texts_at(self.inputs.collection.items, items[at])
        with self.lock:
            known[at] = ~np.isnan(self.cache.get(text_digests(texts[0]), text_digests(texts[1])))
        return known

    def _logits(self, anchors: Int64, items: Int64) -> Float32:
        return cached_logits(self.inputs.collection, self.model, self.cache, anchors, items)


def cached_logits(
    collection: Collection, model: CrossEncoderModel, cache: PairCache, anchors: Int64, items: Int64
) -> Float32:
    """Look scores of pairs up, and have the model score the rest, longest pairs first.

    Args:
        collection: the texts.
        model: the cross-encoder.
        cache: of this model.
        anchors: int64[P], anchor rows.
        items: int64[P], item rows.

    Returns:
        float32[P], before any activation.
    """
    rows, anchor_of = np.unique(anchors, return_inverse=True)
    columns, item_of = np.unique(items, return_inverse=True)
    left, right = texts_at(collection.anchors, rows), texts_at(collection.items, columns)
    keys = text_digests(left)[anchor_of], text_digests(right)[item_of]
    logits = cache.get(*keys)
    missing = np.flatnonzero(np.isnan(logits))
    lengths = [np.fromiter(map(len, side), np.int64, len(side)) for side in (left, right)]
    order = np.argsort(-(lengths[0][anchor_of[missing]] + lengths[1][item_of[missing]]), kind="stable")
    for start in range(0, len(missing), CHUNK_PAIRS):
        part = missing[order[start : start + CHUNK_PAIRS]]
        pairs = [(left[row], right[column]) for row, column in zip(anchor_of[part], item_of[part], strict=True)]
        logits[part] = model.logits(pairs)
        cache.put(keys[0][part], keys[1][part], logits[part])
    return logits
