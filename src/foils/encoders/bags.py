"""Texts as bags of tokens: the share of each token in each text, as a sparse matrix.

A text is normalised (NFKC, lower case; accents stay, they tell words apart), cut into runs of letters, of
digits and of signs, and each run into byte-level BPE tokens (Sennrich et al., 2016) learned from the
collection itself. Every byte is a token, so nothing is unknown, and only white space has no tokens. Learning
is deterministic: BPE without a prefix for continuations sorts its alphabet and breaks ties by token number.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TypeAlias

import numpy as np
import scipy.sparse as sp
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from foils import _segments as segments
from foils.errors import DataError

Bags: TypeAlias = "sp.csr_array[np.float32]"  # [N, V], the share of each token in each text

# Letters with their marks, digits, signs. 1c-1f separate, as they do for Python and Arrow.
RUNS = r"[\p{L}\p{M}]+|\p{N}+|[^\s\x1c-\x1f\p{L}\p{M}\p{N}]+"
ALPHABET = 256  # tokens of a vocabulary without merges: one per byte
LEAST_COUNT = 2  # how often a pair of tokens must occur to be merged
BLOCK_TEXTS = 8192  # texts in work at once; within a block, equal words are tokenised once


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Learn a tokenizer of at most ``vocabulary_size`` tokens; equal texts in order give an equal one."""
    tokenizer = untrained_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=LEAST_COUNT,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def untrained_tokenizer() -> Tokenizer:
    """Set up how texts are normalised and cut into runs."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    runs = pre_tokenizers.Split(Regex(RUNS), "removed", invert=True)
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([runs, as_bytes])
    return tokenizer


def bag_tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> Bags:
    """Count the tokens of each text and divide by their number; unknown tokens do not count.

    Returns:
        float32[N, V], token numbers ascending in a row. A row sums to 1; without tokens it is empty.

    Raises:
        DataError: an entry is not a string, or not valid Unicode.
    """
    _check(texts)
    by_words, unknown = _cuts_at_white_space(tokenizer), _unknown_token(tokenizer)
    blocks = [
        _count(tokenizer, texts[start : start + BLOCK_TEXTS], unknown, by_words=by_words)
        for start in range(0, max(len(texts), 1), BLOCK_TEXTS)
    ]
    bags: Bags = sp.vstack(blocks, format="csr")
    bags.sort_indices()
    lengths = np.diff(bags.indptr)
    totals = np.asarray(bags.sum(axis=1), dtype=np.float32)
    bags.data /= np.repeat(totals, lengths)
    return bags


def _count(tokenizer: Tokenizer, texts: Sequence[str], unknown: int | None, *, by_words: bool) -> Bags:
    """Count tokens: (how often each word is in each text) × (how often each token is in each word)."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    words = [[numbers[word] for word in (text.split() if by_words else (text,))] for text in texts]
    tokens = [one.ids for one in tokenizer.encode_batch_fast(list(numbers), add_special_tokens=False)]
    if unknown is not None:
        tokens = [[token for token in one if token != unknown] for one in tokens]
    return _occurrences(words, len(numbers)) @ _occurrences(tokens, tokenizer.get_vocab_size())


def _occurrences(rows: list[list[int]], width: int) -> Bags:
    indptr = segments.bounds(np.array([len(row) for row in rows], np.int64))
    columns = np.fromiter(chain.from_iterable(rows), np.int32, indptr[-1])
    return sp.csr_array((np.ones(len(columns), np.float32), columns, indptr), shape=(len(rows), width))


def _cuts_at_white_space(tokenizer: Tokenizer) -> bool:
    """Tell whether a text's tokens are those of its words, one after another. Only of ours do we know it."""
    ours = untrained_tokenizer()
    steps = (tokenizer.normalizer, tokenizer.pre_tokenizer)
    if None in steps:
        return False
    return [step.__getstate__() for step in steps] == [
        step.__getstate__() for step in (ours.normalizer, ours.pre_tokenizer)
    ]


def _unknown_token(tokenizer: Tokenizer) -> int | None:
    """Find the token that stands for whatever the vocabulary lacks, if there is one."""
    if isinstance(tokenizer.model, models.Unigram):
        number: int | None = json.loads(tokenizer.to_str())["model"].get("unk_id")
        return number
    token = tokenizer.model.unk_token
    return None if token is None else tokenizer.token_to_id(token)


def _check(texts: Sequence[str]) -> None:
    if isinstance(texts, str):
        raise DataError("one string was given where a list of texts is expected; put it in a list")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"texts[{row}] is {text!r:.60}; expected a string")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"texts[{row}] holds a lone surrogate (broken UTF-16): {text!r:.60}; repair the text"
            ) from error
