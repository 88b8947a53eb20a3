"""Who answers what, what of it is labelled, and who is trained and who is tested on.

Every anchor has at least one body, and each body one to five names: its items. Labelling mimics what data sets
do: **one** item per anchor is labelled positive, that with the smallest hash. Its other items are *hidden
positives*, and whoever is handed one as a negative is handed a false negative:

- a *twin* carries the labelled item's own body under another name: knowing the exact duplicates finds it;
- *another answer* carries another body of the same anchor: only scores or a look at the content can find it.

No test leaks into training. Anchors are split by the hash of their text, and every body belongs to one anchor, so
all names of a body fall on one side. The training collection holds the train anchors and their items, nothing of
the test. (Were test items in it, they could be mined as negatives and never be positives: training would push
them away from everything, and every recipe would lose some 0.02 of nDCG@10 by that alone.) What can straddle
the split is two bodies that say nearly the same; that helps or hurts every row of the table alike.

The evaluation ranks one item per body, train and test, so that no ranking is filled with the names of one body.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foils.collection import Collection
from foils.demo.docstrings import DocstringCorpus
from foils.demo.result import Counts
from foils.errors import DataError

Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

TEST_SHARE = 0.3
"""Of the anchors, about."""
MIN_ANCHORS = 20
"""On either side of the split; below, there is nothing to estimate."""


@dataclass(frozen=True, eq=False, slots=True)
class Truth:
    """A corpus with its labels and its split. Rows are of the training collection unless said otherwise.

    Attributes:
        corpus: anchors, bodies and names.
        shown: int64[bodies], the corpus's item row of the name under which the evaluation shows a body.
        train: int64[T], the corpus's rows of the anchors to train on, ascending: row t is ``train[t]``.
        test: int64[Q], the corpus's rows of the anchors to test on, ascending.
        items: int64[I], the corpus's rows of the train anchors' items, ascending: row i is ``items[i]``.
        item_anchor: int64[I], the anchor that an item answers.
        item_body: int64[I], the corpus's row of the body that an item carries.
        labelled: int64[T], the item that is labelled positive.
    """

    corpus: DocstringCorpus
    shown: Int64
    train: Int64
    test: Int64
    items: Int64
    item_anchor: Int64
    item_body: Int64
    labelled: Int64

    def training(self) -> Collection:
        """Give the train anchors, each with its one labelled positive, over their items."""
        corpus = self.corpus
        return Collection.from_arrays(
            np.column_stack([np.arange(len(self.train)), self.labelled]),
            anchors=[corpus.anchors[row] for row in self.train],
            items=[corpus.bodies[body] for body in self.item_body],
            item_titles=[corpus.names[row] for row in self.items],
        )

    def resolved(self, training: Collection) -> Collection:
        """Give the training collection with items of one body known as duplicates."""
        return replace(training, item_groups=self.item_body)

    def evaluation(self) -> Collection:
        """Give the test anchors over one item per body, its row that of the body; all bodies of an anchor are right."""
        corpus = self.corpus
        place = np.full(len(corpus.anchors), -1)
        place[self.test] = np.arange(len(self.test))
        bodies = np.flatnonzero(place[corpus.body_anchor] >= 0)
        return Collection.from_arrays(
            np.column_stack([place[corpus.body_anchor[bodies]], bodies]),
            anchors=[corpus.anchors[row] for row in self.test],
            items=corpus.bodies,
            item_titles=[corpus.names[item] for item in self.shown],
            splits=["test"] * len(bodies),
        )

    def hidden(self, items: Int64) -> Bool:
        """Tell which negatives are hidden positives.

        Args:
            items: int64[T, M], item rows by anchor; negative = absent.

        Returns:
            bool[T, M], True for a false negative.
        """
        return self._same(self.item_anchor, items)

    def twins(self, items: Int64) -> Bool:
        """Tell which negatives carry the labelled item's own body; as ``hidden``."""
        return self._same(self.item_body, items)

    def counts(self) -> Counts:
        """Count what there is."""
        corpus = self.corpus
        others = np.bincount(self.item_anchor) - 1
        twins = np.bincount(self.item_body)[self.item_body[self.labelled]] - 1
        return Counts(
            anchors=len(corpus.anchors),
            bodies=len(corpus.bodies),
            items=len(corpus.names),
            train_anchors=len(self.train),
            test_anchors=len(self.test),
            train_items=len(self.items),
            train_anchors_with_hidden_positives=int((others > 0).sum()),
            hidden_twins=int(twins.sum()),
            hidden_other_answers=int((others - twins).sum()),
        )

    def _same(self, group: Int64, items: Int64) -> Bool:
        labelled = self.labelled[:, None]
        same: Bool = (items >= 0) & (items != labelled) & (group[np.maximum(items, 0)] == group[labelled])
        return same


def tell_truth(corpus: DocstringCorpus) -> Truth:
    """Label and split a corpus; the same corpus gives the same labels and split.

    Raises:
        DataError: too few anchors are on one side of the split.
    """
    # Salted: by the plain hash of the text, a part of the anchors may have been chosen already.
    rank = np.argsort(np.argsort([_hash("label", name) for name in corpus.names]))
    share = np.array([int.from_bytes(_hash("split", anchor)[:8], "big") for anchor in corpus.anchors]) / 2.0**64
    train, test = np.flatnonzero(share >= TEST_SHARE), np.flatnonzero(share < TEST_SHARE)
    if min(len(train), len(test)) < MIN_ANCHORS:
        raise DataError(
            f"of {len(corpus.anchors)} documented anchors {len(train)} are to train on and {len(test)} to test on; "
            f"expected at least {MIN_ANCHORS} of each: read more modules"
        )
    item_anchor = corpus.body_anchor[corpus.item_body]
    items = np.flatnonzero(np.isin(item_anchor, train))
    item_anchor = np.searchsorted(train, item_anchor[items])
    return Truth(
        corpus=corpus,
        shown=_first_by(rank, corpus.item_body),
        train=train,
        test=test,
        items=items,
        item_anchor=item_anchor,
        item_body=corpus.item_body[items],
        labelled=_first_by(rank[items], item_anchor),
    )


def _first_by(rank: Int64, group: Int64) -> Int64:
    """Give each group's member of the lowest rank; groups are numbered from 0 and none is empty."""
    order = np.lexsort((rank, group))
    return order[np.searchsorted(group[order], np.arange(group.max() + 1))]


def _hash(purpose: str, text: str) -> bytes:
    return hashlib.sha256(f"{purpose}\0{text}".encode()).digest()
