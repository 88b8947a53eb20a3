"""What came of the pairs that an LLM was to judge: each pair once, however often an anchor is looked at deeper."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Outcomes = npt.NDArray[np.int8]


class Outcome(IntEnum):
    """What came of a pair."""

    KEPT = 0  # its answer was there before this start
    ANSWERED = 1
    TRIES = 2  # tries used up
    BUDGET = 3  # not asked about: the budget was spent
    SILENT = 4  # not asked about: the endpoint gave no answers any more


@dataclass(eq=False)
class Seen:
    """The pairs that came up in this start, and what came of each, as it stands by now: 9 bytes a pair.

    Attributes:
        keys: uint64[N], ascending.
        outcomes: int8[N].
    """

    keys: Keys = field(default_factory=lambda: np.zeros(0, np.uint64))
    outcomes: Outcomes = field(default_factory=lambda: np.zeros(0, np.int8))

    def note(self, keys: Keys, outcomes: Outcomes) -> None:
        """Note what came of pairs, each once: an answer that was kept since it was given still counts as given."""
        order = np.argsort(keys)
        keys, outcomes = keys[order], outcomes[order]
        places = np.searchsorted(self.keys, keys)
        new = np.append(self.keys, np.uint64(0))[places] != keys
        new |= places == len(self.keys)
        changed = ~new & (outcomes != Outcome.KEPT)
        self.outcomes[places[changed]] = outcomes[changed]
        self.keys = np.insert(self.keys, places[new], keys[new])
        self.outcomes = np.insert(self.outcomes, places[new], outcomes[new])

    def count(self, outcome: Outcome) -> int:
        """Count the pairs that this came of."""
        return int(np.count_nonzero(self.outcomes == outcome))
