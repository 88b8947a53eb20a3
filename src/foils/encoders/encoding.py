"""Encode the texts of a collection, with progress, through the cache where there is one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils.collection import Collection, require_collection
from foils.encoders.cache import Progress, VectorCache
from foils.encoders.chunks import Digests, text_digests
from foils.encoders.encoder import Encoder, Float32, Side, TellingEncoder
from foils.errors import DataError, InputError
from foils.positives import Int64
from foils.records import Records

TOLD_TEXTS = 256
"""Texts given at a time to an encoder that does not tell how far it is."""
TAKEN_TEXTS = 4096
"""Texts given at a time to one that does: enough for batches of equal lengths."""

READ = 65536
"""Texts taken from Arrow at a time."""


def encode_collection(
    encoder: Encoder, collection: Collection, *, cache: Path | None = None, progress: Progress | None = None
) -> tuple[Float32, Float32]:
    """Encode anchors and items: float32[A, d] and float32[I, d]; see ``encode_records``."""
    if isinstance(encoder, Collection):
        raise InputError("the first argument is the Collection; expected encode_collection(encoder, collection)")
    require_collection(collection)
    anchors = encode_records(encoder, collection.anchors, "anchors", cache=cache, progress=progress)
    return anchors, encode_records(encoder, collection.items, "items", cache=cache, progress=progress)


def encode_records(
    encoder: Encoder,
    records: Records,
    side: Side,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] = warnings.warn,
) -> Float32:
    """Encode the texts of records; what the cache holds is not encoded again.

    Args:
        encoder: texts to vectors.
        records: anchors or items, with texts.
        side: which of the two.
        cache: folder of the cache; None = encode everything, and keep the vectors in memory.
        progress: called with (texts done, texts in all).
        say: told of damaged vectors in the cache, and when an encoder's vectors cannot be kept.

    Returns:
        float32[N, d], row by row; with a cache memory-mapped and read-only.

    Raises:
        DataError: there are no texts, or the encoder gives no vectors for them.
        FolderError: the cache cannot be written.
    """
    check_texts(records, side)
    work = _Work(encoder, records, side)
    identity = encoder.identity(side) if cache is not None else None
    if cache is not None and identity is None:
        say(
            "the encoder does not say what its vectors follow from, so they are not kept for the next run; "
            "give foils.encoders.CallableEncoder(function, fingerprint=…)"
        )
    if cache is None or identity is None:
        return work.all(progress)
    digests, lengths = _looked_at(records)
    return VectorCache(cache, say).matrix(identity, digests, lengths, work.encode, progress)


def texts_to_encode(
    encoder: Encoder,
    records: Records,
    side: Side,
    *,
    cache: Path | None = None,
    say: Callable[[str], None] = warnings.warn,
) -> Int64:
    """Find what ``encode_records`` would encode: int64[M], rows of texts that are not in the cache, equal ones once.

    Raises:
        DataError: there are no texts.
    """
    check_texts(records, side)
    identity = encoder.identity(side) if cache is not None else None
    if cache is None or identity is None:
        return np.arange(len(records))
    return VectorCache(cache, say).missing(identity, _looked_at(records)[0])


def check_texts(records: Records, side: Side) -> None:
    """Check that a model of texts has something to read.

    Raises:
        DataError: there are no texts, or records that are images by reference.
    """
    if records.texts is None:
        raise DataError(
            f"the {side} hold no texts, so a model of texts cannot read them; give vectors instead: query_vectors= and "
            "item_vectors= (--query-vectors and --corpus-vectors)"
        )
    if records.payloads is not None and (~records.empty & _blank(records)).any():
        raise DataError(
            f"some {side} are files by reference without a text, and a model of texts cannot read them; encode them "
            "elsewhere and give vectors"
        )


@dataclass(frozen=True, eq=False)
class _Work:
    """The encoding of one side."""

    encoder: Encoder
    records: Records
    side: Side

    def encode(self, rows: Int64, tell: Callable[[int], None]) -> Float32:
        """Encode some texts, and check what comes; tells how many are done."""
        size = TAKEN_TEXTS if isinstance(self.encoder, TellingEncoder) else TOLD_TEXTS
        parts = []
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            vectors = self._encoded(texts_at(self.records, part), start, tell)
            if vectors.ndim != 2 or len(vectors) != len(part) or vectors.shape[1] == 0:
                shape = list(vectors.shape)
                raise DataError(f"the encoder gave {shape} for {len(part)} texts; expected one row per text")
            parts.append(np.ascontiguousarray(vectors, dtype=np.float32))
            tell(start + len(part))
        return np.concatenate(parts)

    def _encoded(self, texts: list[str], before: int, tell: Callable[[int], None]) -> Float32:
        """Encode texts at once, with so many done before."""
        if isinstance(self.encoder, TellingEncoder):
            return self.encoder.encode_telling(texts, self.side, lambda done: tell(before + done))
        return self.encoder.encode(texts, self.side)

    def all(self, progress: Progress | None) -> Float32:
        """Encode every text, in order."""
        total = len(self.records)
        if progress is not None:
            progress(0, total)  # nothing comes from a cache
        return self.encode(np.arange(total), lambda done: None if progress is None else progress(done, total))


def texts_at(records: Records, rows: Int64) -> list[str]:
    """Give the full texts of some rows, in their order."""
    taken = pa.array(rows)
    titles = None if records.titles is None else records.titles.take(taken)
    texts = None if records.texts is None else records.texts.take(taken)
    return Records(records.ids.take(taken), texts, titles).full_texts()


def _blank(records: Records) -> npt.NDArray[np.bool_]:
    return Records(records.ids, records.texts, records.titles).empty


def _looked_at(records: Records) -> tuple[Digests, Int64]:
    """Hash and measure every text."""
    digests, lengths = [], []
    for start in range(0, len(records), READ):
        texts = records.full_texts(start, start + READ)
        digests.append(text_digests(texts))
        lengths.append(np.fromiter(map(len, texts), np.int64, len(texts)))
    return np.concatenate(digests), np.concatenate(lengths)
