"""Runs of a flat array, one after the other, as in the rows of a CSR.

    lengths   2  0  3
    bounds    0  2  2  5
    owners    0  0  2  2  2
    places    0  1  0  1  2

Run s is ``values[bounds[s] : bounds[s + 1]]``; each element has a run that owns it, and a place there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Lengths = npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]


def bounds(lengths: Lengths) -> Int64:
    """Give int64[S + 1], where each run begins and the last one ends.

    >>> bounds(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    return ends


def owners(lengths: Lengths) -> Int64:
    """Give int64[N], the run that each element is of.

    >>> owners(np.array([2, 0, 3])).tolist()
    [0, 0, 2, 2, 2]
    """
    return np.repeat(np.arange(len(lengths)), lengths)


def places(lengths: Lengths) -> Int64:
    """Give int64[N], where each element stands in its run, from 0.

    >>> places(np.array([2, 0, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    begins = bounds(lengths)
    return np.arange(begins[-1]) - np.repeat(begins[:-1], lengths)


def groups(lengths: Lengths, most: int) -> Iterator[slice]:
    """Cut runs into groups of neighbours with at most so many elements together; a longer run is a group of its own.

    >>> list(groups(np.array([2, 0, 3, 9, 1]), 5))
    [slice(0, 3, None), slice(3, 4, None), slice(4, 5, None)]
    """
    ends, start = bounds(lengths), 0
    while start < len(lengths):
        stop = max(start + 1, int(np.searchsorted(ends, ends[start] + most, side="right")) - 1)
        yield slice(start, stop)
        start = stop


def slices(count: int, step: int) -> Iterator[slice]:
    """Cut ``count`` things into slices of ``step``, the last of what is left.

    >>> list(slices(5, 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
