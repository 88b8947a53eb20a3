"""Draw a fixed number of units with exact chances, spread along an order.

Ordered pivotal sampling (Deville and Tillé, 1998): neighbours duel until each is in or out, so that close to every
stretch of the order whose chances sum to 1 one unit is drawn. It has the law of Deville's systematic sampling (1998;
Chauvet, 2012), which is used here. The chances are laid end to end on a line; of each unit interval one point is
drawn. A unit that crosses the border of two intervals, with a of its chance in the first and b in the second, must not
be drawn twice:

    drawn in the first         a uniform point of the second without those b
    not drawn in the first     the unit with chance b / (1 − a), else such a point

Only "was the border's unit drawn" passes from interval to interval. Given the noise it is a map of {yes, no} to itself,
and a constant map forgets what came before, so the chain is resolved without a loop.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foils._array import Key, counter_uniform

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

EDGE = 1e-9
"""Chances this near to 0 or 1, and borders this near to a unit's end, are taken as there."""


def pivotal(pi: Float64, key: Key) -> Int64:
    """Draw round(Σ pi) of the places 0 … N − 1, rising; place i with the chance pi[i].

    Args:
        pi: float64[N] in [0, 1], in the order to spread over; the sum is a whole number.
        key: Of the noise.
    """
    certain = np.flatnonzero(pi >= 1 - EDGE)
    open_ = np.flatnonzero((pi > EDGE) & (pi < 1 - EDGE))
    drawn = open_[_on_line(pi[open_], key)] if len(open_) else open_
    return np.sort(np.concatenate([certain, drawn]))


def nested_order(places: Int64, key: Key) -> Int64:
    """Order places so that every prefix is a draw of equal chances, and those of n/2, n/4, … are spread.

    The sample is halved again and again: of each two neighbours one is kept, of an odd number one at random is put
    aside first. What a halving leaves out follows in random order. So a unit is among the first m of n with the chance
    m / n, whatever m: kept by a halving of n with the chance ⌊n/2⌋ / n.

    Args:
        places: int64[n], rising.
        key: Of the noise.
    """
    parts: list[Int64] = []
    rounds = len(places).bit_length()
    noise = counter_uniform(key, np.arange(2 * rounds)[:, None], np.arange(len(places))[None, :])
    for keep, mix in zip(noise[::2], noise[1::2], strict=True):
        if len(places) < 2:
            break
        odd = int(keep[-1] * len(places)) if len(places) % 2 else len(places)
        pairs = np.delete(places, odd) if odd < len(places) else places
        second = keep[: len(pairs) // 2] < 0.5
        left = np.append(np.where(second, pairs[::2], pairs[1::2]), places[odd : odd + 1])
        parts.append(left[np.argsort(mix[: len(left)], kind="stable")])
        places = np.where(second, pairs[1::2], pairs[::2])
    return np.concatenate([places, *reversed(parts)])


def shuffled(places: Int64, key: Key) -> Int64:
    """Put places into random order."""
    order: Int64 = places[np.argsort(counter_uniform(key, places, np.zeros(1, np.int64)), kind="stable")]
    return order


def _on_line(pi: Float64, key: Key) -> Int64:
    """Draw one place of each unit interval of the line; the chances lie strictly within (0, 1)."""
    ends = np.cumsum(pi)
    count = max(1, round(float(ends[-1])))
    ends *= count / ends[-1]
    borders = np.arange(count)
    crossing = np.searchsorted(ends, borders - EDGE)  # the unit in which a border lies, or whose beginning it is
    starts = np.where(crossing > 0, ends[crossing - 1], 0.0)
    before = np.where(borders - starts > EDGE, borders - starts, 0.0)
    after = np.where((before > 0) & (ends[crossing] - borders > EDGE), ends[crossing] - borders, 0.0)
    noise = counter_uniform(key, borders, np.zeros(1, np.int64))
    chance = np.where(before < 1, after / np.maximum(1 - before, EDGE), 1.0)
    again = noise < chance
    rest = np.where(again, 0.0, (noise - chance) / np.maximum(1 - chance, EDGE))
    if_drawn = borders + after + noise * (1 - after)
    if_not = np.where(again, borders + after / 2, borders + after + rest * (1 - after))
    next_begins = np.append(starts[1:], np.inf)  # where the unit that crosses the next border begins
    drawn = _chain(if_drawn >= next_begins, if_not >= next_begins)
    points = np.where(drawn, if_drawn, if_not)
    return np.minimum(np.searchsorted(ends, points, side="right"), len(pi) - 1)


def _chain(if_yes: npt.NDArray[np.bool_], if_no: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Give the state before each step, bool[n]; the first is "no", and step i maps yes → if_yes, no → if_no."""
    constant = if_yes == if_no
    constant[0] = True
    turned = np.cumsum(~constant & if_no)
    since = np.maximum.accumulate(np.where(constant, np.arange(len(constant)), 0))
    after = if_no[since] ^ ((turned - turned[since]) % 2 == 1)
    return np.append(False, after[:-1])
