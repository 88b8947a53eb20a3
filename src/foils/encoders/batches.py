"""Cut texts into batches of about equal work, by their number of tokens.

A batch is padded to its longest text. On a CPU a batch holds texts of *equally* many tokens, so nothing is padded: no
product is spent on padding, and a vector follows from its text alone, whatever else is encoded beside it. A GPU needs
larger batches than that gives, so there neighbours in the order of lengths share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from foils.positives import Int64

CPU_TOKENS = 2048
"""Tokens of a batch on one core: products are at full speed, and what lies between them stays in the cache."""
GPU_TOKENS = 16_384


def cut_equal(counts: Int64, tokens: int) -> list[Int64]:
    """Cut texts into batches of equal token counts, longest first.

    Args:
        counts: int64[N], tokens of each text.
        tokens: of a batch at most, if it holds more than one text.

    Returns:
        Places of texts: int64 arrays, every place in one of them.
    """
    order = np.argsort(-counts, kind="stable")
    edges = np.flatnonzero(np.diff(counts[order])) + 1
    return [
        part
        for same in np.split(order, edges)
        if len(same)
        for part in np.array_split(same, -(-len(same) // _texts(int(counts[same[0]]), tokens)))
    ]


def cut_padded(counts: Int64, tokens: int) -> list[Int64]:
    """Cut texts into batches of neighbours in the order of lengths; arguments and results as ``cut_equal``'s.

    Args:
        counts: int64[N], tokens of each text.
        tokens: of a batch at most, padding included.
    """
    order, batches, start = np.argsort(-counts, kind="stable"), [], 0
    while start < len(order):
        stop = start + _texts(int(counts[order[start]]), tokens)
        batches.append(order[start:stop])
        start = stop
    return batches


def counter_of(tokenizer: Any) -> Tokenizer | None:
    """Copy a fast tokenizer of transformers, to count tokens by; None where a model has another kind.

    A copy, because the model's own is set anew for every batch.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        return None
    counter: Tokenizer = Tokenizer.from_str(backend.to_str())
    counter.no_padding()
    counter.no_truncation()
    return counter


def count_tokens(counter: Tokenizer, texts: Sequence[str], most: int | None) -> Int64:
    """Count the tokens that a model reads of each text: int64[N].

    Args:
        counter: see ``counter_of``.
        texts: with their prompts.
        most: tokens that the model reads; None = all.
    """
    found = counter.encode_batch_fast(list(texts))
    counts = np.fromiter((len(one) for one in found), np.int64, len(texts))
    return counts if most is None else np.minimum(counts, most)


def _texts(count: int, tokens: int) -> int:
    return max(1, tokens // max(count, 1))
