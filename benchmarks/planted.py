"""Vectors for benchmarks: of length 1, around planted centres, made block by block from a seed.

    x = (c + r·u) / |c + r·u|,    c a centre and u a direction, both of length 1,    r = √(1/cos² − 1)

so that the cosine of a vector to its centre is about ``COSINE``, as passages of one topic have it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
CENTRES = 1000
COSINE = 0.64
BLOCK = 16_384
PULL = (0.1, 0.5)
"""How far queries are drawn towards their positive."""


def blocks(rows: int, dim: int, seed: int) -> Iterator[tuple[slice, Float32]]:
    """Make float32[≤ BLOCK, dim] at a time; the centres are those of every seed."""
    centres = directions(np.random.default_rng(0), CENTRES, dim)
    radius = np.float32(np.sqrt(1 / COSINE**2 - 1))
    for number, start in enumerate(range(0, rows, BLOCK)):
        noise = np.random.default_rng((seed, number))
        size = min(BLOCK, rows - start)
        made = centres[noise.integers(0, CENTRES, size)] + radius * directions(noise, size, dim)
        yield slice(start, start + size), made / np.linalg.norm(made, axis=1, keepdims=True)


def matrix(rows: int, dim: int, seed: int) -> Float32:
    """Make float32[rows, dim]."""
    made = np.empty((rows, dim), np.float32)
    for where, block in blocks(rows, dim, seed):
        made[where] = block
    return made


def directions(noise: np.random.Generator, rows: int, dim: int) -> Float32:
    """Draw directions: float32[rows, dim], each of length 1."""
    drawn = noise.standard_normal((rows, dim), dtype=np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def queries(items: Float32, positives: npt.NDArray[np.int64], seed: int) -> Float32:
    """Make one query per positive: around the positive's centre, and drawn towards the positive, some more than others.

    So a few of its topic's items score above the positive, as unlabelled positives do.
    """
    dim = items.shape[1]
    centres = directions(np.random.default_rng(0), CENTRES, dim)
    noise = np.random.default_rng((seed, 1 << 20))
    near = items[positives]
    closest = np.concatenate([(near[at : at + BLOCK] @ centres.T).argmax(axis=1) for at in range(0, len(near), BLOCK)])
    around = COSINE * centres[closest] + np.float32(np.sqrt(1 - COSINE**2)) * directions(noise, len(near), dim)
    made = around + noise.uniform(*PULL, (len(near), 1)).astype(np.float32) * near
    return made / np.linalg.norm(made, axis=1, keepdims=True)
