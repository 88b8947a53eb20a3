"""The kernel of every sampler: Gumbel top-k with conditional inclusion probabilities (Kool et al., 2019 and 2020)."""

from __future__ import annotations

from foils import _array
from foils._array import Array


def gumbel_top_k(weights: Array, noise: Array | None, m: int) -> tuple[Array, Array]:
    """Take the m largest of φ + noise in every row.

    Args:
        weights: float64[A, K], log-weights φ up to a constant per row; −∞ = may not be drawn.
        noise: float64[A, K], standard Gumbel; None = take the m largest φ themselves.
        m: how many.

    Returns:
        int64[A, m] positions, largest first, ties by position, −1 where a row has no more;
        float32[A, m] log(1 − exp(−exp(φ − κ))) with κ the (m + 1)-th largest key (−∞ if there is none, so that all that
        could be drawn was); NaN without noise.
    """
    xp = _array.namespace(weights)
    barred = xp.isinf(weights) & (weights < 0)
    keys = weights if noise is None else xp.where(barred, weights, weights + noise)
    width = min(m + 1, keys.shape[1])
    positions = _array.top_k(keys, width)
    best = _array.take_valid(keys, positions, -float("inf"))
    positions = xp.where(xp.isinf(best) & (best < 0), -1, positions)
    short = xp.full((keys.shape[0], m + 1 - width), -1, dtype=xp.int64, device=_device(positions))
    positions = xp.concat([positions, short], axis=1)
    chosen = positions[:, :m]
    if noise is None:
        nothing = xp.full(chosen.shape, float("nan"), dtype=xp.float32, device=_device(positions))
        return chosen, nothing
    threshold = _array.take_valid(keys, positions[:, m:], -float("inf"))
    excess = _array.take_valid(weights, chosen, float("nan")) - threshold
    return chosen, xp.astype(_log_chance(excess), xp.float32)


def _log_chance(excess: Array) -> Array:
    """log(1 − exp(−exp(x))) without overflow: exp(x) of 40 and more is as good as infinite in float64."""
    xp = _array.namespace(excess)
    return xp.log(-xp.expm1(-xp.exp(xp.clip(excess, max=40.0))))


def _device(array: Array) -> object:
    return getattr(array, "device", None)
