"""Small knowledge graphs, as ``Collection.from_triples`` makes them. Loaded by ``runpy.run_path``."""

import json

import numpy as np
import pyarrow as pa

from foils.collection import Collection
from foils.positives import Judgements
from foils.records import Records
from foils.triples import HEAD, TAIL, Triples


def collection(triples, *, splits=None, n_entities=None, n_relations=None):
    """Make a collection of (h, r, t) row numbers; entities are e0, e1, …, relations r0, r1, …."""
    triples = [tuple(triple) for triple in triples]
    n_entities = n_entities or 1 + max(max(h, t) for h, _, t in triples)
    n_relations = n_relations or 1 + max(r for _, r, _ in triples)
    splits = ["train"] * len(triples) if splits is None else splits
    names = tuple(dict.fromkeys(splits))
    codes = np.array([names.index(split) for split in splits], np.int16)
    anchors = {}
    for h, r, t in triples:
        anchors.setdefault((TAIL, h, r), len(anchors))
        anchors.setdefault((HEAD, t, r), len(anchors))
    sides, entities, relations = (np.array(column) for column in zip(*anchors, strict=True))
    heads, rels, tails = np.array(triples, np.int64).T
    tail_anchors = np.array([anchors[TAIL, h, r] for h, r, _ in triples])
    head_anchors = np.array([anchors[HEAD, t, r] for _, r, t in triples])
    ids = [
        json.dumps([f"e{e}", f"r{r}", "?"] if side == TAIL else ["?", f"r{r}", f"e{e}"], separators=(",", ":"))
        for side, e, r in anchors
    ]
    judgements = Judgements(
        np.concatenate([tail_anchors, head_anchors]),
        np.concatenate([tails, heads]),
        np.ones(2 * len(triples), np.float32),
        np.concatenate([codes, codes]),
        names,
    )
    known = Triples(
        heads, rels, tails, codes,
        pa.array([f"r{r}" for r in range(n_relations)], pa.large_string()),
        tail_anchors, head_anchors, sides.astype(np.int8), entities, relations,
    )  # fmt: skip
    return Collection(
        Records.of(ids), Records.of([f"e{e}" for e in range(n_entities)]), judgements, "none", triples=known
    )


def random_triples(rng, n_triples=60, n_entities=12, n_relations=3):
    """Draw distinct triples."""
    drawn = {
        (int(rng.integers(n_entities)), int(rng.integers(n_relations)), int(rng.integers(n_entities)))
        for _ in range(n_triples)
    }
    return sorted(drawn)
