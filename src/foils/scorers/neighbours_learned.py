"""A detector of hidden positives, learnt by hiding known ones among negatives (after GraphCleaner, 2023).

Features of a pair (a, i), none of which looks at the pair's own label:

    similarity          cos(a, i)
    above_the_nearest   cos(a, i) minus the mean cosine of the items nearest to a: comparable across anchors
    smoothed            mean cosine of a and the neighbours of i, weighted        (S P of the paper)
    one_hop, two_hops   votes of the neighbours of i, and of their neighbours     (S L and S² L; see ``neighbours``)
    nearest_positive    highest cosine of i and a known positive of a
    owner               cosine of a and the likest other owner of i               (see ``owner_query``)
    owners              log(1 + other owners of i)
    density             mean cosine of i and its neighbours

What is learnt from: one known positive of an anchor is hidden, of those that would be found among the first ``depth``
ranks, and negatives are drawn from the same ranks. (Positives that the encoder misses differ from what is mined in the
very features, and teach that a low similarity is suspicious.) Positives that nobody labelled are among the negatives,
which blurs the classes and keeps their order. For the hidden positive and its negatives alike, the features are made as
if it were not labelled. So where every anchor has a single positive, nothing can be learnt of the votes of its own
positives, and their weight is 0.

Logistic regression stands for the paper's small network. Cross-fitted by anchor; cost when a run opens it: an exact
search and the features of at most 2,000 anchors × 9 pairs, some seconds and the lists of neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils._array import Key
from foils.candidates import Kind
from foils.errors import DataError
from foils.positives import Int64, Relation, gather_segments
from foils.scorers.adapter import MOST_ANCHORS, drawn_ranks, nearest, set_against
from foils.scorers.adapter_fit import (
    FEWEST_ANCHORS,
    PAIRS_AT_ONCE,
    RIDGE,
    Logistic,
    Taught,
    chosen_positives,
    fit_folds,
    folds_of,
    in_parts,
    require_anchors,
)
from foils.scorers.neighbours import Voters
from foils.scorers.neighbours_lists import Lists, weighted_mean
from foils.scorers.owner_query import OpenOwnerQuery, owners_of
from foils.search import MODEL, Inputs, VectorPair, pair_scores
from foils.search.vectors import Float32

Float64 = npt.NDArray[np.float64]

NEGATIVES = 8
"""Per anchor."""
POSITIVES_AT_ONCE = 65536
"""Pairs of items that are compared at a time."""


class GraphCleaner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Probability that the pair is a hidden positive, learnt from neighbours by hiding known positives."""

    relevance: ClassVar[bool] = True
    vectors: str = MODEL
    """Whose vectors."""
    k: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    """Neighbours of an item."""
    anchors: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    """Nearest anchors whose positives count too."""
    depth: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100
    """Ranks that negatives are learnt from; about as many as are mined from."""
    folds: Annotated[int, msgspec.Meta(ge=2, le=100)] = 5
    """Groups of anchors; each is scored by what was learnt from the others."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "graph_cleaner"
    """Name of the column."""

    def columns(self) -> Mapping[str, Kind]:
        """The probability, as column ``name``."""
        return {self.name: Kind.PROBABILITY}

    def reads(self) -> tuple[str, ...]:
        """The vectors of one encoder."""
        return (self.vectors,)

    def check(self, inputs: Inputs) -> None:
        """Look at every value of the vectors, and see that there is something to learn from."""
        inputs.check_vectors(self.vectors, "cosine")
        require_anchors(inputs.positives.given().relation, "graph_cleaner")

    def open(self, inputs: Inputs) -> OpenGraphCleaner:
        """Learn from the known positives of a run."""
        pair, positives = inputs.vectors(self.vectors, "cosine"), inputs.positives.given().relation
        evidence = Evidence.of(inputs, pair, self)
        taught = hidden_among_negatives(inputs, pair, self.depth)
        features = in_parts(
            len(taught.items),
            lambda part: evidence.features(taught.anchors[part], taught.items[part], taught.unseen[part]),
        )
        dealt = folds_of(positives, self.folds, Key(inputs.seed, "adapter.folds", 0))
        models = fit_folds(features, taught.labels, dealt[taught.anchors], self.folds, RIDGE)
        return OpenGraphCleaner(evidence, dealt, models)


@dataclass(frozen=True, eq=False)
class OpenGraphCleaner:
    """A learnt detector bound to the data of a run.

    Attributes:
        evidence: what its features are made of.
        folds: int64[A], which model scores each anchor.
        models: one per fold.
    """

    evidence: Evidence
    folds: Int64
    models: Logistic

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: float32[P]; NaN for −1 and for items with empty text."""
        scores = np.full(len(items), np.nan, np.float32)
        at = np.flatnonzero(_array.take_valid(self.evidence.pair.mineable, items, fill=False))
        for group in segments.slices(len(at), PAIRS_AT_ONCE):
            part = at[group]
            features = self.evidence.features(anchors[part], items[part], items[part])
            model = self.folds[anchors[part]]
            features = np.where(np.isnan(features), self.models.means[model], features)
            logits = _array.row_sum(features * self.models.weights[model]) + self.models.offsets[model]
            scores[part] = _array.sigmoid(logits)
        return scores


def hidden_among_negatives(inputs: Inputs, pair: VectorPair, depth: int) -> Taught:
    """Draw known positives that mining would find if nobody knew them, and negatives from the same ranks.

    Raises:
        DataError: fewer than ``FEWEST_ANCHORS`` anchors have such a positive.
    """
    given = inputs.positives.given().relation
    anchors, _ = chosen_positives(given, MOST_ANCHORS, Key(inputs.seed, "graph_cleaner.anchors", 0))
    ranked, cosines = nearest(inputs, pair, anchors, depth)
    known = given.take(anchors)
    rows, positives = known.coordinates()
    last = np.where(ranked[:, -1] < 0, -np.inf, cosines[:, -1])
    found = pair.pair_scores(anchors[rows], positives) >= last[rows]
    among = Relation.from_pairs(anchors[rows[found]], positives[found], len(given.degrees))
    learnt, hidden = chosen_positives(among, MOST_ANCHORS, Key(inputs.seed, "graph_cleaner.positives", 0))
    if len(learnt) < FEWEST_ANCHORS:
        raise DataError(
            f"graph_cleaner learns from known positives that the vectors rank among the first {depth} items, and only "
            f"{len(learnt)} anchors have one; it needs {FEWEST_ANCHORS} or more: raise depth, or use other vectors"
        )
    places = np.searchsorted(anchors, learnt)
    return set_against(
        learnt, hidden, drawn_ranks(ranked[places], learnt, NEGATIVES, Key(inputs.seed, "graph_cleaner.ranks", 0))
    )


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the features of a pair are made of.

    Attributes:
        pair: vectors.
        voters: neighbours of items, and the known positives.
        nearest: the items nearest to each anchor, whether or not they are known positives.
        owner: the owners of items.
    """

    pair: VectorPair
    voters: Voters
    nearest: Lists
    owner: OpenOwnerQuery

    @classmethod
    def of(cls, inputs: Inputs, pair: VectorPair, fields: GraphCleaner) -> Evidence:
        """Bind to the data of a run."""
        voters = Voters.of(inputs, fields.vectors, fields.k, fields.anchors, mutual=False)
        nearest = Lists.of(
            pair.anchors, pair.items, inputs.mineable, fields.k, inputs.blocks, excludes_itself=False
        )  # fmt: skip
        return cls(pair, voters, nearest, OpenOwnerQuery(pair, owners_of(inputs)))

    def features(self, anchors: Int64, items: Int64, unseen: Int64) -> Float64:
        """Make the features of pairs: float64[P, 9], NaN = missing.

        They are the similarity; how far it is above the mean of the anchor's nearest items; that of the item's
        neighbours; the votes of one hop and of two; the nearest known positive; the other owners' score; their
        number; and how dense the neighbourhood is.

        Args:
            anchors: int64[P].
            items: int64[P].
            unseen: int64[P], an item whose label for the anchor is not looked at.
        """
        near, weights = self.voters.neighbours(items)
        similarity = self.pair.pair_scores(anchors, items).astype(np.float64)
        _, nearest = self.nearest.of_rows(anchors)
        smoothed, two_hops = np.zeros((2, *near.shape))
        for place in range(near.shape[1]):
            there = near[:, place]
            smoothed[:, place] = self.pair.pair_scores(anchors, there)
            # The neighbours of a neighbour may be the item itself, whose label is not looked at.
            two_hops[:, place] = self.voters.votes(anchors, there, unseen)
        columns = (
            similarity,
            similarity - _array.row_sum(nearest) / nearest.shape[1],
            weighted_mean(np.nan_to_num(smoothed), weights),
            self.voters.votes(anchors, items, unseen),
            weighted_mean(two_hops, weights),
            self._nearest_positive(anchors, items, unseen),
            self.owner.score(anchors, items).astype(np.float64),
            np.log1p(self._other_owners(anchors, items)),
            _array.row_sum(weights) / weights.shape[1],
        )
        return np.stack(columns, axis=1)

    def _nearest_positive(self, anchors: Int64, items: Int64, unseen: Int64) -> Float64:
        """Give the highest cosine of each item and a known positive of its anchor; NaN where there is none."""
        highest = np.full(len(items), -np.inf)
        known, vectors = self.voters.positives, self.pair.items
        for part in segments.groups(known.degrees[anchors], POSITIVES_AT_ONCE):
            indptr, places = gather_segments(known.indptr, anchors[part])
            pairs = segments.owners(np.diff(indptr)) + part.start
            theirs = known.items[places]
            seen = (theirs != unseen[pairs]) & (theirs != items[pairs]) & self.pair.mineable[theirs]
            pairs, theirs = pairs[seen], theirs[seen]
            cosines = pair_scores(vectors, vectors, items[pairs], theirs, self.pair.pairs_at_once)
            np.maximum.at(highest, pairs, cosines.astype(np.float64))
        return np.where(np.isinf(highest), np.nan, highest)

    def _other_owners(self, anchors: Int64, items: Int64) -> Int64:
        owners = self.owner.owners
        return owners.degrees[items] - owners.contains(items, anchors)
