"""``mine_hard_negatives`` with the signature that people already use."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from importlib import import_module
from typing import Any, Literal

from foils.compat import rows, summary
from foils.compat.candidates import CrossEncoderScores
from foils.compat.encode import Encoding, Prompts, cache_path, check_model, content_key, started_pool
from foils.compat.find import Found, find
from foils.compat.pairs import Pairs, read_pairs
from foils.compat.request import ArgumentError, Format, Request
from foils.errors import MissingExtraError


def mine_hard_negatives(
    dataset: Any,
    model: Any,
    anchor_column_name: str | None = None,
    positive_column_name: str | None = None,
    corpus: list[str] | None = None,
    cross_encoder: Any | None = None,
    range_min: int = 0,
    range_max: int | None = None,
    max_score: float | None = None,
    min_score: float | None = None,
    absolute_margin: float | None = None,
    relative_margin: float | None = None,
    num_negatives: int = 3,
    sampling_strategy: Literal["random", "top"] = "top",
    query_prompt_name: str | None = None,
    query_prompt: str | None = None,
    corpus_prompt_name: str | None = None,
    corpus_prompt: str | None = None,
    include_positives: bool = False,  # noqa: FBT001, FBT002 (the signature is the point)
    output_format: Format = "triplet",
    output_scores: bool = False,  # noqa: FBT001, FBT002
    batch_size: int = 32,
    faiss_batch_size: int = 16384,
    use_faiss: bool = False,  # noqa: FBT001, FBT002
    use_multi_process: list[str] | bool = False,  # noqa: FBT001, FBT002
    verbose: bool = True,  # noqa: FBT001, FBT002
    cache_folder: str | os.PathLike[str] | None = None,
    as_triplets: bool | None = None,  # noqa: FBT001
    margin: float | None = None,
    *,
    seed: int = 0,
    shortfall: Literal["drop", "short"] = "drop",
) -> Any:
    """Add hard negatives to a data set of (anchor, positive) texts.

    Takes what sentence-transformers' function of the same name takes, and gives the same negatives where that one's
    rule is right; docs/compat.md lists where they differ. Anchors and texts that are equal count once; all positives of
    an anchor, and their copies up to case, white space and Unicode form, are never its negatives.

    Args:
        dataset: a ``datasets.Dataset`` or ``IterableDataset``, or any iterable of rows with named columns.
        model: a SentenceTransformer, or anything with its ``encode_query`` and ``encode_document``.
        anchor_column_name: column of the anchors; default: the first.
        positive_column_name: column of the positives; default: the second.
        corpus: further texts that may be negatives; the positives always may.
        cross_encoder: rescores the candidates; thresholds and order then go by its scores.
        range_min: leave out the first ranks. Ranks count all texts but the anchor's positives, before any threshold.
        range_max: last rank that may be used; default: derived, and anchors that come out short are searched deeper.
        max_score: reject candidates that score this or more.
        min_score: reject candidates that score less.
        absolute_margin: reject candidates at or above the lowest-scored positive's score minus this.
        relative_margin: reject candidates at or above s⁺ − m·|s⁺|, with s⁺ the lowest-scored positive's score.
        num_negatives: negatives per anchor.
        sampling_strategy: ``top`` takes the best of what may be used, ``random`` any.
        query_prompt_name: name of one of the model's prompts, for the anchors.
        query_prompt: a prompt itself; goes before the name.
        corpus_prompt_name: the same for the texts.
        corpus_prompt: the same for the texts.
        include_positives: rank the positives among the candidates; the format is then ``n-tuple``.
        output_format: ``triplet``, ``n-tuple``, ``labeled-pair`` or ``labeled-list``.
        output_scores: add the scores, or give them in place of the labels.
        batch_size: texts (or pairs of the cross-encoder) at a time.
        faiss_batch_size: accepted; blocks follow from a memory budget and change no result.
        use_faiss: accepted; the search is exact either way.
        use_multi_process: encode in several processes, or on these devices.
        verbose: write what was found to the standard output.
        cache_folder: keep vectors here, under the content of the model, its settings and the texts.
        as_triplets: deprecated; use ``output_format``.
        margin: deprecated; use ``absolute_margin``.
        seed: of the random choice; equal seeds give equal results.
        shortfall: ``drop`` leaves out rows of an ``n-tuple`` that lack a negative, and of a ``labeled-list`` that have
            none; ``short`` keeps them, with nulls or the positive alone.

    Returns:
        A ``datasets.Dataset``: ``triplet`` (anchor, positive, negative), ``n-tuple`` (anchor, positive, negative_1 …),
        ``labeled-pair`` (anchor, text, label), ``labeled-list`` (anchor, texts, labels).

    Raises:
        ArgumentError: an argument cannot be used; nothing was encoded.
        DataError: a text is not a string.
        MissingExtraError: datasets is not installed.
    """
    del use_faiss
    if faiss_batch_size <= 0:
        raise ArgumentError(f"faiss_batch_size must be a positive integer, got {faiss_batch_size}.")
    absolute_margin = _margin(absolute_margin, margin)
    named = {"absolute_margin": absolute_margin, "relative_margin": relative_margin}
    named |= {"max_score": max_score, "min_score": min_score}
    output_format, output_scores = _format(output_format, output_scores, as_triplets, include_positives)
    thresholds = {name: float(value) for name, value in named.items() if value is not None}
    request = Request(
        num_negatives, range_min, range_max, thresholds, sampling_strategy, output_format, output_scores,
        include_positives, shortfall, seed,
    )  # fmt: skip
    wrap = _dataset_class()
    check_model(model)
    pairs = read_pairs(dataset, anchor_column_name, positive_column_name, corpus)
    prompts = Prompts(query_prompt_name, query_prompt), Prompts(corpus_prompt_name, corpus_prompt)
    encoding = _encoding(model, batch_size, use_multi_process, cache_folder, verbose=verbose)
    found = _found(pairs, encoding, prompts, request, cross_encoder)
    table = rows.table(pairs, found, request)
    _report(pairs, found, request, len(table), verbose=verbose)
    return wrap(table)


def _margin(absolute_margin: float | None, margin: float | None) -> float | None:
    """Give the absolute margin, by its deprecated name too."""
    if margin is None:
        return absolute_margin
    _deprecated("margin", f"absolute_margin={margin}")
    return margin


def _format(name: Any, scores: Any, as_triplets: Any, include_positives: Any) -> tuple[Any, bool]:
    """Give the format and whether it holds scores, deprecated names resolved."""
    if as_triplets is not None:
        name = "triplet" if as_triplets else "n-tuple"
        _deprecated("as_triplets", f"output_format={name!r}")
    if include_positives and name not in ("n-tuple", "n-tuple-scores"):
        summary.warn(f"include_positives gives rankings: output_format is 'n-tuple', not {name!r}", level=4)
        name = "n-tuple"
    if name == "n-tuple-scores":
        _deprecated("output_format='n-tuple-scores'", "output_format='n-tuple' with output_scores=True")
        return "n-tuple", True
    return name, bool(scores)


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(f"{name} is deprecated; use {instead}", FutureWarning, stacklevel=4)


def _dataset_class() -> Any:
    try:
        return import_module("datasets").Dataset
    except ImportError as error:
        raise MissingExtraError("datasets", "frames") from error


def _encoding(
    model: Any,
    batch_size: int,
    multi_process: bool | list[str],  # noqa: FBT001 (both kinds, as the caller gave it)
    cache_folder: str | os.PathLike[str] | None,
    *,
    verbose: bool,
) -> Encoding:
    cache = cache_path(cache_folder)
    key = None if cache is None else content_key(model)
    if cache is not None and key is None:
        summary.warn(
            "cache_folder is not used: the model's content cannot be read, so that another could not be told from it",
            level=4,
        )
    say = summary.say if verbose else _silent
    return Encoding(model, batch_size, multi_process, cache, key, say, verbose)


def _silent(_: str) -> None:
    """Say nothing."""


def _found(
    pairs: Pairs, encoding: Encoding, prompts: Sequence[Prompts], request: Request, cross_encoder: Any | None
) -> Found:
    """Encode and mine."""
    rescored = cross_encoder is not None
    window = request.window(pairs.most_positives, rescored=rescored)
    anchors, items = pairs.collection.anchors, pairs.collection.items
    if request.range_max is None:
        encoding.say(f"Looking at the ranks {request.range_min + 1} to {window}; short anchors are searched deeper.")
    encoding.say(f"{len(anchors):,} anchors with {len(pairs.anchors):,} positives, {len(items):,} texts.")
    recipe = request.recipe(window, len(items), rescored=rescored)
    vectors = encoding.query_vectors(anchors, prompts[0]), encoding.corpus_vectors(items, prompts[1])
    with ExitStack() as stack:
        scorer = None
        if cross_encoder is not None:
            pool = stack.enter_context(started_pool(cross_encoder, encoding.multi_process))
            scorer = CrossEncoderScores(
                cross_encoder, anchors.full_texts(), items.full_texts(), encoding.batch_size, pool
            )
        return find(pairs, vectors, request, recipe, scorer)


def _report(pairs: Pairs, found: Found, request: Request, n_rows: int, *, verbose: bool) -> None:
    """Write what was found, and warn of what is not there."""
    if verbose:
        possible = rows.possible_rows(pairs, found, request)
        summary.say(summary.overview(pairs, found, request, n_rows, possible))
    if pairs.left_out:
        summary.warn(f"{pairs.left_out:,} rows have an empty anchor or positive and were left out", level=4)
    missing = summary.shortfall(pairs, found, request)
    if missing is not None:
        summary.warn(missing, level=4)
