"""Search: the best k items of every anchor, by vectors or by words, with what is forbidden left out before the cut.

The Selection promise lives here. Fast products only *screen*, with slack above their rounding error; what survives is
rescored by one kernel (products exact in float64, summed in a fixed order, rounded once to float32) and ordered by
(−score, item row). So ids, order and scores do not depend on blocks, threads, memory, a GPU or the BLAS in use.

    vectors      ``vectors`` (a matrix, or ``shards``, in one canonical form), ``blocks``, ``inputs``, ``forbidden``
    exact        ``exact`` in one pass, over ``screens`` by ``products`` here or on a ``device``, with the error that
                 ``rounding`` bounds; ``choice`` takes the fastest, ``selection`` keeps shortlists, ``best`` orders
    approximate  ``approximate`` over a ``graph`` or ``inverted`` lists, which propose what is then scored as above
    words        ``lexical`` (BM25) over ``postings`` of ``lexical_words``

Names that end in ``_numba`` and ``_numpy`` are two bodies of one kernel; see ``foils._compiled``.
"""

from foils.search.blocks import Blocks
from foils.search.choice import SearchMode, Work, choose_screen
from foils.search.exact import ExactIndex, Tally
from foils.search.forbidden import Forbidden
from foils.search.inputs import MODEL, Inputs, VectorPair
from foils.search.lexical import LexicalIndex
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
    "Work",
    "choose_screen",
    "matrix_digest",
    "open_matrix",
    "open_sides",
    "pair_scores",
    "require_equal_dims",
]
