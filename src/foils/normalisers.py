"""What of a text counts when anchors or items are compared for exact duplicates."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

NORMALISERS: Mapping[str, Callable[[str], str]] = {
    "text": lambda text: " ".join(unicodedata.normalize("NFKC", text).casefold().split()),
    "code": lambda text: " ".join(text.split()),
    "none": lambda text: text,
}
"""When two anchors or two items count as exact duplicates: title and text are equal after normalisation, and their
payloads are."""

UNEVEN = r"[\t-\r\x1c-\x1f ]{2,}|[\t-\r\x1c-\x1f]"
"""White space of ASCII, as ``str.split`` knows it, that is not one plain space."""


def normalised(texts: pa.LargeStringArray, normaliser: str) -> pa.LargeStringArray:
    """Normalise many texts: large_string[N].

    Those that are ASCII, which most are, are normalised as a whole column, an order of magnitude faster.

    Args:
        texts: large_string[N].
        normaliser: one of ``NORMALISERS``.
    """
    others = pc.invert(pc.string_is_ascii(texts))
    found = _IN_ASCII[normaliser](texts)
    if not pc.any(others).as_py():
        return found
    one_by_one = [NORMALISERS[normaliser](text) for text in texts.filter(others).to_pylist()]
    return pc.replace_with_mask(found, others, pa.array(one_by_one, pa.large_string()))


def _evenly_spaced(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    return pc.ascii_trim(pc.replace_substring_regex(texts, UNEVEN, " "), " ")


_IN_ASCII: Mapping[str, Callable[[pa.LargeStringArray], pa.LargeStringArray]] = {
    "text": lambda texts: pc.ascii_lower(_evenly_spaced(texts)),
    "code": _evenly_spaced,
    "none": lambda texts: texts,
}
"""The same for columns of texts that are ASCII; what it makes of others is not used."""
