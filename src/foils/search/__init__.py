"""Search: vectors read by blocks, and the exact index.

The Selection promise lives here. Fast products only *screen*, with slack above their rounding error; what survives is
rescored by one kernel (products exact in float64, summed in a fixed order, rounded once to float32) and ordered by
(−score, item row). So ids, order and scores do not depend on blocks, threads, memory or the BLAS in use.
"""

from foils.search.blocks import Blocks
from foils.search.exact import ExactIndex, Tally
from foils.search.forbidden import Forbidden
from foils.search.inputs import MODEL, Inputs, VectorPair
from foils.search.lexical import LexicalIndex
from foils.search.screens import SearchMode, choose_screen
from foils.search.vectors import (
    Similarity,
    Vectors,
    VectorSource,
    matrix_digest,
    open_matrix,
    open_sides,
    pair_scores,
    require_equal_dims,
)

__all__ = [
    "MODEL",
    "Blocks",
    "ExactIndex",
    "Forbidden",
    "Inputs",
    "LexicalIndex",
    "SearchMode",
    "Similarity",
    "Tally",
    "VectorPair",
    "VectorSource",
    "Vectors",
    "choose_screen",
    "matrix_digest",
    "open_matrix",
    "open_sides",
    "pair_scores",
    "require_equal_dims",
]
