"""The texts of a collection as bags of tokens, made once for any number of trainings and encodings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import scipy.sparse as sp
from tokenizers import Tokenizer

from foils.collection import Collection, Records, require_collection
from foils.encoders.bags import Bags, bag_tokens, train_tokenizer
from foils.errors import InputError
from foils.positives import Positives
from foils.training.settings import StaticSettings

# Measured at 15 million: a tokenizer from a third of the texts does not retrieve worse.
SAMPLE_CHARACTERS = 5_000_000
BLOCK_TEXTS = 8192  # texts in memory as Python strings


@dataclass(frozen=True, eq=False)
class CollectionBags:
    """A tokenizer learned from a collection, and the collection's texts as bags of its tokens.

    Takes 8 bytes per distinct token of a text: about half a kilobyte per passage.

    Attributes:
        tokenizer: learned from items and from anchors of the training split.
        anchors: float32[A, V].
        items: float32[I, V].
    """

    tokenizer: Tokenizer
    anchors: Bags
    items: Bags


def bag_collection(
    collection: Collection,
    *,
    split: str = "train",
    vocabulary_size: int = StaticSettings().vocabulary_size,
) -> CollectionBags:
    """Learn a tokenizer from a collection and tokenise all of its texts.

    Args:
        collection: anchors and items with texts.
        split: its anchors are learned from; those of other splits are not looked at.
        vocabulary_size: most tokens.

    Raises:
        DataError: the collection holds no texts, or has no such split.
        InputError: ``vocabulary_size`` is out of range.
    """
    require_collection(collection)
    StaticSettings(vocabulary_size=vocabulary_size)
    tokenizer = train_tokenizer(_sample(collection, collection.positives((split,))), vocabulary_size)
    return CollectionBags(tokenizer, _bags(tokenizer, collection.anchors), _bags(tokenizer, collection.items))


def check_bags(bags: CollectionBags, collection: Collection) -> None:
    """Check that the bags are those of a collection.

    Raises:
        InputError: they have other numbers of anchors or items.
    """
    there = (bags.anchors.shape[0], bags.items.shape[0])
    here = (len(collection.anchors), len(collection.items))
    if there != here:
        raise InputError(
            f"the bags are of {there[0]} anchors and {there[1]} items, "
            f"the collection has {here[0]} and {here[1]}; make them with bag_collection from this one"
        )


def _sample(collection: Collection, positives: Positives) -> Iterator[str]:
    """Yield texts at even distances: items, then anchors with a positive."""
    anchors, items = positives.degrees > 0, np.ones(len(collection.items), bool)
    characters = sum(
        pc.sum(pc.utf8_length(column)).as_py() or 0
        for records in (collection.items, collection.anchors)
        for column in (records.titles, records.texts)
        if column is not None
    )
    step = max(1, -(-characters // SAMPLE_CHARACTERS))
    for records, chosen in ((collection.items, items), (collection.anchors, anchors)):
        chosen[np.arange(len(chosen)) % step > 0] = False
        for start, texts in _blocks(records):
            yield from (text for text, take in zip(texts, chosen[start:], strict=False) if take)


def _bags(tokenizer: Tokenizer, records: Records) -> Bags:
    blocks = [bag_tokens(tokenizer, texts) for _, texts in _blocks(records)]
    bags: Bags = sp.vstack(blocks, format="csr") if blocks else bag_tokens(tokenizer, [])
    return bags


def _blocks(records: Records) -> Iterator[tuple[int, list[str]]]:
    for start in range(0, len(records), BLOCK_TEXTS):
        yield start, records.full_texts(start, start + BLOCK_TEXTS)


def has_tokens(bags: Bags) -> npt.NDArray[np.bool_]:
    """bool[N], True where a text is not empty."""
    filled: npt.NDArray[np.bool_] = np.diff(bags.indptr) > 0
    return filled
