"""The nearest items by an encoder's vectors, searched in lists of neighbours: approximate, for very many anchors.

The items are clustered by k-means, and an anchor looks through the lists of the clusters nearest to it. Building costs
a fraction of what a graph costs, so where approximate search pays at all, this pays first: ``foils plan`` says whether.
What it misses is measured when it is built: recall against exact search, on a sample of anchors, goes into stats.json.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save_file

from foils import _durable as durable
from foils.candidates import Kind
from foils.clustering import Arithmetic, best_arithmetic, spherical_kmeans
from foils.errors import RecipeError
from foils.ranks import Depth, check_depths, number
from foils.search import MODEL, Inputs, Similarity, matrix_digest
from foils.search.inverted import InvertedIndex, import_faiss
from foils.search.vectors import Float32
from foils.sources.approximate import OpenApproximate

ITERATIONS = 5
"""Of k-means. More of them find lists that are hardly better."""
LISTS_PER_ROOT = 4
"""Lists by default: this many times √N, so that looking for lists and through lists take about as long."""
ITEMS_PER_LIST = 32
"""With fewer on average, there are fewer lists."""
LEARNED_PER_LIST = 128
"""Items per list that centroids are learned from, at most."""

Lists = tuple[Float32, npt.NDArray[np.int32]]
"""float32[L, d] centroids, and int32[N], the list of each item."""


class IVF(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nearest items by an encoder's vectors, searched in lists of neighbours (approximate; recall is measured)."""

    random: ClassVar[bool] = False

    k: Depth = 100
    """Candidates per unit, after known positives are left out."""
    max_depth: Depth | None = None
    """How deep a short unit is searched; default k, as every unit is searched this deep at once."""
    similarity: Similarity = "cosine"
    """``cosine`` or ``dot``."""
    vectors: str = MODEL
    """Whose vectors."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "ivf"
    """Name of the column and of the source; a mixture of two encoders needs two names."""
    lists: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] | None = None
    """Lists that the items are put into; default 4 · √items, of 32 items at least on average."""
    probes: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 32
    """Lists looked through for an anchor, at least; more where they hold fewer than 16 times what is asked for."""

    def __post_init__(self) -> None:
        """Check that the depths fit together."""
        check_depths(self.k, self.max_depth)
        if self.name == "provided":
            raise RecipeError("the name 'provided' is that of trusted negatives, which rules pass over; use another")

    def columns(self) -> Mapping[str, Kind]:
        """The similarity, as column ``name``."""
        return {self.name: Kind.RATIO}

    def reads(self) -> tuple[str, ...]:
        """The vectors of one encoder."""
        return (self.vectors,)

    def depths(self, negatives: int) -> tuple[int, int]:
        """``k``, and ``max_depth``."""
        return number(self.k), number(self.k if self.max_depth is None else self.max_depth)

    def digests(self, inputs: Inputs) -> Mapping[str, str]:
        """Name what the lists depend on besides the vectors."""
        arithmetic, lists = self._clustering(inputs)
        return {self.name: f"faiss {import_faiss().__version__} {lists} lists by k-means/1 {arithmetic}"}

    def check(self, inputs: Inputs) -> None:
        """Look at every value of the vectors, and whether FAISS is installed."""
        inputs.check_vectors(self.vectors, self.similarity)
        import_faiss()

    def open(self, inputs: Inputs) -> OpenApproximate:
        """Put the items into lists, and measure what is missed."""
        pair = inputs.vectors(self.vectors, self.similarity)
        centroids, assignment = self._lists(inputs)
        index = InvertedIndex.build(pair.items, inputs.mineable, centroids, assignment, self.probes)
        advice = f"--set source.ivf.probes={4 * self.probes}"
        depths = self.depths(inputs.negatives)
        return OpenApproximate.opened(self.name, index, pair, inputs, depths, advice, {"lists": len(centroids)})

    def _clustering(self, inputs: Inputs) -> tuple[Arithmetic, int]:
        """Say what products are made in, and how many lists there are."""
        rows, dim = inputs.vectors(self.vectors, self.similarity).items.matrix.shape
        mineable = int(inputs.mineable.sum())
        lists = max(1, min(self.lists or default_lists(mineable), mineable))
        return best_arithmetic(multiplications(rows, dim, lists)), lists

    def _lists(self, inputs: Inputs) -> Lists:
        """Cluster the items, or read the clusters that were kept."""
        if inputs.cache is None:
            return self._made(inputs)
        kept = inputs.cache / "ivf" / f"{self._key(inputs)}.safetensors"
        if durable.kept(kept) is not None:
            held = load_file(kept)
            return held["centroids"], held["assignment"]
        centroids, assignment = self._made(inputs)
        durable.keep(kept, lambda partial: save_file({"centroids": centroids, "assignment": assignment}, partial))
        return centroids, assignment

    def _made(self, inputs: Inputs) -> Lists:
        items = inputs.vectors(self.vectors, self.similarity).items
        if not inputs.mineable.any():
            return np.zeros((1, items.dim), np.float32), np.zeros(len(items), np.int32)
        arithmetic, lists = self._clustering(inputs)
        made = spherical_kmeans(
            items, lists, iterations=ITERATIONS, sample=LEARNED_PER_LIST * lists, arithmetic=arithmetic
        )
        return made.centroids, made.assignment

    def _key(self, inputs: Inputs) -> str:
        arithmetic, lists = self._clustering(inputs)
        told = (
            "ivf/1",
            arithmetic,
            lists,
            ITERATIONS,
            LEARNED_PER_LIST,
            matrix_digest(inputs.matrices[self.vectors][1]),
        )
        return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()


def default_lists(items: int) -> int:
    """Say how many lists so many items are put into."""
    return max(1, min(round(LISTS_PER_ROOT * math.sqrt(items)), items // ITEMS_PER_LIST))


def multiplications(items: int, dim: int, lists: int) -> float:
    """Count the multiplications of k-means."""
    return float(dim) * lists * (ITERATIONS * min(items, LEARNED_PER_LIST * lists) + items)
