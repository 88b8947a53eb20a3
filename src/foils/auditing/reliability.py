"""Bins of a probability: where what it says is set beside what the labels say.

A mean that fits may hide a probability that says too little at one end and too much at the other. So negatives of
about the same ``p_positive`` are taken together, about equally many in each bin, and each bin is measured by itself (a
reliability diagram; Murphy and Winkler, 1977).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BINS = 5
"""At most; each has its own interval, so many bins would need many labels."""


def bins_of(p: npt.NDArray[np.floating], bins: int = BINS) -> npt.NDArray[np.int64]:
    """Sort probabilities into bins by quantile.

    Equal values share a bin, that of the quantile in their middle. So few values, or one that most have, give fewer
    bins, none of them empty.

    Args:
        p: float[N], NaN where there is none.
        bins: at most.

    Returns:
        int64[N], the bins from 0 on, in the order of ``p``; -1 where there is none.
    """
    said = ~np.isnan(p)
    found = np.full(len(p), -1, np.int64)
    _, value_of, counts = np.unique(p[said], return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - counts / 2
    quantile_of = np.floor(bins * middles / max(int(counts.sum()), 1)).astype(np.int64)
    _, bin_of_value = np.unique(quantile_of, return_inverse=True)
    found[said] = bin_of_value[value_of]
    return found
