"""What approximate search is tested on. Loaded by ``runpy.run_path``."""

import numpy as np

from foils.collection import Collection
from foils.search import Blocks, Forbidden, Inputs

N_ANCHORS, N_ITEMS, DIM = 40, 3000, 16


def make_inputs():
    """Make vectors at random; anchor 0 has many positives, and anchor 1 nearly all items."""
    rng = np.random.default_rng(0)
    pairs = [(anchor, anchor) for anchor in range(N_ANCHORS)]
    pairs += [(0, item) for item in range(1, 60)]  # more than an index is first asked for
    pairs += [(1, item) for item in range(2, 2900)]  # nearly all: searched exactly
    data = Collection.from_arrays(pairs, anchors=N_ANCHORS, items=N_ITEMS)
    mineable = np.ones(N_ITEMS, bool)
    mineable[2950:] = False
    vectors = (rng.normal(size=(rows, DIM)).astype(np.float32) for rows in (N_ANCHORS, N_ITEMS))
    return Inputs(
        positives=data.positives(),
        trusted=data.trusted_negatives(),
        mineable=mineable,
        matrices={"model": tuple(vectors)},
        negatives=4,
        seed=0,
        blocks=Blocks(64, 1000, 4096),
        collection=data,
        forbidden=Forbidden.of(data.positives()),
    )


def retrieve(fields, inputs, depth=10):
    """Open a source and search."""
    return fields.open(inputs).retrieve(inputs.positives.units(), depth)
