"""Texts as sets of shingles, hashed; and signatures from which the likeness of two sets is estimated."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from foils._array import INCREMENT, mix
from foils.positives import Int64

Hashes = npt.NDArray[np.uint64]
Signatures = npt.NDArray[np.uint32]

LENGTH = 5
"""Characters of a shingle."""
PAD = "\ud800"
"""Fills short texts up to one shingle; half of a surrogate pair is in no valid text."""
BINS = 128
"""Hashes that a signature keeps."""
BIN_BITS = 7
EMPTY = np.uint32(0xFFFFFFFF)


def shingles(texts: Sequence[str]) -> tuple[Int64, Hashes]:
    """Hash every run of 5 characters: int64[S], which text it is of, and uint64[S]; repetitions stay.

    All texts are worked on at once, as one array of characters; runs over the end of a text are left out.
    """
    padded = [normal.ljust(LENGTH, PAD) for normal in map(normalised, texts)]
    characters = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    counts = lengths - LENGTH + 1
    owners = np.repeat(np.arange(len(padded)), counts)
    begins = np.cumsum(lengths) - lengths
    places = np.cumsum(counts) - counts
    within = np.arange(len(owners)) - places[owners]
    starts = begins[owners] + within
    hashes = np.zeros(len(starts), np.int64)
    for offset in range(LENGTH):
        hashes = mix((hashes + characters[starts + offset]) * INCREMENT)
    return owners, hashes.view(np.uint64)


def normalised(text: str) -> str:
    """Bring a text into the form that is compared."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def signatures(owners: Int64, hashes: Hashes, n: int) -> Signatures:
    """Keep the smallest hash of each bin: uint32[n, BINS]; ``EMPTY`` where a bin got none."""
    table = np.full(n * BINS, EMPTY, np.uint32)
    bins = owners * BINS + (hashes >> np.uint64(64 - BIN_BITS)).astype(np.int64)
    np.minimum.at(table, bins, (hashes & np.uint64(0xFFFFFFFF)).astype(np.uint32))
    return table.reshape(n, BINS)


def estimate(left: Signatures, right: Signatures) -> npt.NDArray[np.float32]:
    """Estimate the Jaccard similarity of pairs of signatures: float32[P], without bias (up to hash collisions)."""
    filled = (left != EMPTY) | (right != EMPTY)
    equal = (left == right) & filled
    share = np.count_nonzero(equal, axis=1) / np.maximum(np.count_nonzero(filled, axis=1), 1)
    return np.asarray(share, dtype=np.float32)
