"""Streams: negatives for interactions and triples, drawn while training; nothing is mined to disk.

    stream = foils.NegativeStream(data, "uniform", negatives=4, seed=0)
    batch = stream.batch(examples, epoch)        # items[E, M], log_q[E, M]

``batch`` is a pure function: an example's negatives follow from the seed, the epoch and the example alone, not from
the batch that it is in or from what was drawn before. The M negatives of an example are independent draws, so an item
may come twice, and

    log_q = log(M · P(side) · P(item | side))

is the log of the expected number of times that it occurs. Known positives are excluded exactly, by arithmetic rather
than by trying again: an anchor that has every item as a positive gets −1, and costs no more than any other.
"""

from foils.streaming.batch import CorruptedTriples, NegativeBatch
from foils.streaming.stream import NegativeStream

__all__ = ["CorruptedTriples", "NegativeBatch", "NegativeStream"]
