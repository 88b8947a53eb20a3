"""Between PyKEEN's triples and collections."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from foils.collection import Collection
from foils.errors import DataError, InputError
from foils.integrations.pykeen.peer import module

SEPARATORS = "\t\n\r"
"""Signs that a label of PyKEEN cannot have, for it goes through a table with tabs."""


def triples_factories(collection: Collection) -> dict[str, Any]:
    """Give a ``TriplesFactory`` of PyKEEN for every split; its ids are the rows of the collection.

    Raises:
        InputError: the collection is not of triples.
    """
    factory = module("pykeen.triples").TriplesFactory
    import torch

    triples = collection.triples
    if triples is None:
        raise InputError(f"{collection!r} has no triples; read it by Collection.from_triples")
    ids = {
        "entity_to_id": {name: row for row, name in enumerate(collection.items.ids.to_pylist())},
        "relation_to_id": {name: row for row, name in enumerate(triples.relation_ids.to_pylist())},
    }
    parts = np.stack([triples.heads, triples.relations, triples.tails], axis=1)
    return {
        split: factory(mapped_triples=torch.from_numpy(parts[triples.splits == code]), **ids)
        for code, split in enumerate(collection.splits)
    }


def collection_of(factories: Mapping[str, Any]) -> Collection:
    """Make a collection of PyKEEN's triples; its rows are PyKEEN's ids.

    Args:
        factories: split → ``TriplesFactory``, as ``{"train": dataset.training, "test": dataset.testing}``; all of one
            data set.

    Raises:
        DataError: the factories number entities or relations differently, or a label holds a tab or a line break.
    """
    first = next(iter(factories.values()))
    named = {"entities.tsv": first.entity_to_id, "relations.tsv": first.relation_to_id}
    for split, factory in factories.items():
        if (factory.entity_to_id, factory.relation_to_id) != tuple(named.values()):
            raise DataError(
                f"the factory {split!r} has other ids than the first one; give the factories of one data set"
            )
    labels = {file: sorted(ids, key=ids.__getitem__) for file, ids in named.items()}
    for file, names in labels.items():
        wrong = [name for name in names if any(sign in name for sign in SEPARATORS)]
        if wrong:
            raise DataError(f"{file}: the label {wrong[0]!r} holds a tab or a line break; rename it")
    with tempfile.TemporaryDirectory() as place:
        for file, names in labels.items():
            Path(place, file).write_text("\n".join(["id", *names]) + "\n", encoding="utf-8")
        for split, factory in factories.items():
            rows = factory.label_triples(factory.mapped_triples)
            lines = ["\t".join(("head", "relation", "tail")), *("\t".join(row) for row in rows)]
            Path(place, f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return Collection.from_triples(place)
