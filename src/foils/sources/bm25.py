"""The items that share the rarest words with an anchor: BM25 (Robertson & Zaragoza, 2009), as DPR mines negatives.

Scores compare within one anchor only (a longer query has higher ones), so rules that compare across anchors need a
scorer. An item that shares no word is no candidate: a list may end before ``k``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from foils.candidates import Candidates, Column, Kind
from foils.errors import DataError
from foils.positives import Relation, Units
from foils.ranks import Depth, check_depths, depths
from foils.records import Records
from foils.search import Inputs, LexicalIndex
from foils.search.lexical import Method, WordCounts
from foils.search.lexical_words import CHUNK
from foils.search.postings import IMPACTS


class BM25(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items by shared words (BM25); those that share none are no candidates."""

    random: ClassVar[bool] = False

    k: Depth = 100
    """Candidates per unit, after known positives are left out."""
    max_depth: Depth | None = None
    """How deep a short unit is searched; default 10 × k; = k switches deepening off."""
    k1: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.9
    """How slowly further occurrences of a word count less; 0.9 and b = 0.4 are the BEIR baseline's (Anserini)."""
    b: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.4
    """0 = long items are not held against their length, 1 = fully."""
    method: Method = "lucene"
    """Variant of the formula."""

    def __post_init__(self) -> None:
        """Check that the depths fit together."""
        check_depths(self.k, self.max_depth)

    def columns(self) -> Mapping[str, Kind]:
        """The score, as column ``bm25``."""
        return {"bm25": Kind.SCORE}

    def reads(self) -> tuple[str, ...]:
        """No vectors."""
        return ()

    def depths(self, negatives: int) -> tuple[int, int]:
        """``k``, and ``max_depth``."""
        return depths(self.k, self.max_depth)

    def digests(self, inputs: Inputs) -> Mapping[str, str]:
        """Name the version of the impacts."""
        return {"bm25": f"impacts {IMPACTS}"}

    def check(self, inputs: Inputs) -> None:
        """Look whether both sides have text."""
        for side, records in (("anchors", inputs.collection.anchors), ("items", inputs.collection.items)):
            if records.texts is None:
                raise DataError(f"bm25 compares words, and the {side} of this collection have no text; use dense")

    def open(self, inputs: Inputs) -> OpenBM25:
        """Index the items and count the words of the anchors."""
        index = LexicalIndex.build(_texts(inputs.collection.items), k1=self.k1, b=self.b, method=self.method)
        return OpenBM25(index.only(inputs.mineable), index.counts(_texts(inputs.collection.anchors)), inputs)


@dataclass(frozen=True, eq=False)
class OpenBM25:
    """A BM25 source bound to its index."""

    index: LexicalIndex
    counts: WordCounts
    inputs: Inputs

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """Search the items of each unit's anchor."""
        forbidden, positives = self.inputs.forbidden, Relation(units.indptr, units.positives)
        found = []
        for part in forbidden.parts(len(units)):
            anchors = units.anchors[part]
            found.append(
                self.index.search(
                    self.counts.take(anchors),
                    depth,
                    forbidden.relation(anchors),
                    masked=forbidden.mask(anchors, slice(0, forbidden.n_items)),
                    asked=positives.take(np.arange(part.start, part.stop)),
                )
            )
        items, scores, answers = (np.concatenate(side) for side in zip(*found, strict=True))
        answers[~self.inputs.mineable[units.positives]] = np.nan  # no text, no score
        column = Column(scores, Kind.SCORE, answers)
        return Candidates.listed(units, items, "bm25", log_q=0.0).with_column("bm25", column)

    def facts(self) -> Mapping[str, Any]:
        """Say how large the index is, and how many anchors hold no word of any item."""
        strangers = int((np.diff(self.counts.indptr) == 0).sum())
        return {"bm25": {"words": len(self.index.vocabulary), "anchors_without_a_known_word": strangers}}


def _texts(records: Records) -> Iterator[str]:
    """Read titles and texts, some at a time."""
    starts = range(0, len(records), CHUNK)
    return chain.from_iterable(records.full_texts(start, start + CHUNK) for start in starts)
