"""Texts to words, and words to numbers.

A word is a run of letters and digits of any script with their marks, after NFKC and case-folding; no stemming and no
stop words. A script written without spaces gives one word per run: use an encoder for it, or put spaces in.

A word's number is its place in the order of first occurrence. Texts are numbered some at a time, and the vocabularies
of all the chunks united at the end: no Python object per word stays alive, and the numbers do not depend on the chunks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils import _segments as segments
from foils.positives import Int64

Int32 = npt.NDArray[np.int32]

CHUNK = 1024
"""Texts that are cut into Python strings at a time."""
PLAIN_WORD = re.compile("[a-z0-9]+")
LAST_MARK = 0x1FFFF
"""No script has marks beyond this code point."""
NUMBERED = pa.dictionary(pa.int32(), pa.large_string())


def words(text: str) -> list[str]:
    """Cut a text into words, repeated ones repeated.

    >>> words("The café_au_lait, 5")
    ['the', 'café', 'au', 'lait', '5']
    """
    if text.isascii():
        return PLAIN_WORD.findall(text.lower())
    return _pattern().findall(unicodedata.normalize("NFKC", text).casefold())


@dataclass(frozen=True, eq=False)
class Tokens:
    """The words of texts, as numbers.

    Attributes:
        numbers: int32[T], all words of all texts, one text after the other.
        indptr: int64[N + 1], where each text begins.
        vocabulary: large_string[V], the word of each number.
    """

    numbers: Int32
    indptr: Int64
    vocabulary: pa.LargeStringArray

    @classmethod
    def of(cls, texts: Iterable[str], *, chunk: int = CHUNK) -> Tokens:
        """Cut texts into words and number them, ``chunk`` texts at a time."""
        remaining = iter(texts)
        lengths, parts = [np.zeros(0, np.int64)], []
        while taken := list(islice(remaining, chunk)):
            found = [words(text) for text in taken]
            lengths.append(np.fromiter(map(len, found), np.int64, len(found)))
            parts.append(pa.array(chain.from_iterable(found), pa.large_string()).dictionary_encode())
        united = pa.chunked_array(parts, NUMBERED).unify_dictionaries().chunks
        numbers = [part.indices.to_numpy() for part in united]
        vocabulary = united[0].dictionary if united else pa.array([], pa.large_string())
        return cls(
            np.concatenate([np.zeros(0, np.int32), *numbers]), segments.bounds(np.concatenate(lengths)), vocabulary
        )

    def numbered_by(self, vocabulary: pa.LargeStringArray) -> Tokens:
        """Number the words by another vocabulary; those that are not in it are left out."""
        places = pc.index_in(self.vocabulary, value_set=vocabulary).fill_null(-1).to_numpy()
        numbers = places.astype(np.int32)[self.numbers]
        known = numbers >= 0
        indptr = segments.bounds(known)[self.indptr]
        return Tokens(numbers[known], indptr, vocabulary)


@cache
def _pattern() -> re.Pattern[str]:
    """Match letters and digits, and the marks on them: to ``re`` the vowel signs of many scripts are no word."""
    marks = "".join(chr(code) for code in range(LAST_MARK + 1) if unicodedata.category(chr(code))[0] == "M")
    return re.compile(rf"[^\W_]+(?:[{re.escape(marks)}]+[^\W_]*)*")
