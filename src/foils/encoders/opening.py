"""Open an encoder by what the user has: a folder, a name, a model in memory, a function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from foils.encoders import models
from foils.encoders.adapted import is_adapter, open_adapted
from foils.encoders.callables import CallableEncoder
from foils.encoders.encoder import Encoder, Side
from foils.encoders.minilm import NAMES, minilm_folder
from foils.encoders.precision import Precision
from foils.encoders.sentence import SentenceEncoder, SentenceSettings
from foils.encoders.static import StaticEncoder
from foils.errors import InputError


def open_encoder(
    model: str | Path,
    *,
    query_prompt: str | None = None,
    corpus_prompt: str | None = None,
    max_length: int | None = None,
    precision: Precision = "auto",
    device: str | None = None,
    memo: Path | None = None,
) -> Encoder:
    """Open an encoder by the folder it was saved in, or by name; weights are loaded with the first text.

    Args:
        model: folder in the model2vec format, folder of sentence-transformers, ``owner/name`` on the Hugging Face hub
            (only its cache is used with HF_HUB_OFFLINE=1), or ``minilm``.
        query_prompt: what stands before a query, instead of what the model says; "" = nothing.
        corpus_prompt: what stands before an item.
        max_length: tokens of a text that are read, instead of what the model says.
        precision: of products: ``float32``, ``bfloat16`` or ``float16``; ``auto`` = bfloat16 where the machine is
            fast at it and it hardly moves this model's vectors (checked once per model), else float32.
        device: such as ``cuda``; None = the best there is.
        memo: folder where hashes of the model's files are remembered.

    Raises:
        InputError: neither a folder nor a known name, or options that this kind of model does not have.
        DataError: the folder is damaged, or would have to run code.
        MissingExtraError: the model needs an extra that is not installed.
    """
    prompts: dict[Side, str] = {}
    if query_prompt is not None:
        prompts["anchors"] = query_prompt
    if corpus_prompt is not None:
        prompts["items"] = corpus_prompt
    settings = SentenceSettings(prompts, max_length, precision)
    folder = model_folder(str(model))
    if is_adapter(folder):
        return open_adapted(
            folder,
            lambda base: open_encoder(
                base, query_prompt=query_prompt, corpus_prompt=corpus_prompt, max_length=max_length,
                precision=precision, device=device, memo=memo,
            ),
        )  # fmt: skip
    if is_static(folder):
        if (prompts, max_length) != ({}, None) or precision not in ("auto", "float32"):
            raise InputError(
                f"{model}: a static encoder adds up the vectors of all tokens: it has no prompts, no length and no "
                "precision but float32; leave these options out"
            )
        return StaticEncoder.load(folder)
    return SentenceEncoder.open(folder, settings, memo, device)


def as_encoder(model: Any, *, memo: Path | None = None) -> Encoder:
    """Take an encoder in any form: by name, opened, as a SentenceTransformer, or as a function.

    Raises:
        InputError: it is none of these.
    """
    if isinstance(model, str | Path):
        return open_encoder(model, memo=memo)
    if hasattr(model, "identity") and hasattr(model, "encode"):
        opened: Encoder = model
        return opened
    if any(kind.__module__.startswith("sentence_transformers.") for kind in type(model).__mro__):
        if not hasattr(model, "encode_query"):
            raise InputError(f"model is a {type(model).__name__}, which gives no vectors; give a SentenceTransformer")
        return SentenceEncoder(model)
    if isinstance(getattr(model, "encode", None), Callable):  # type: ignore[arg-type]
        return CallableEncoder(model.encode)
    if callable(model):
        return CallableEncoder(model)
    raise InputError(
        f"model is {model!r:.100}; expected a folder, a name, a SentenceTransformer, or a function that turns texts "
        "into vectors"
    )


def model_folder(model: str) -> Path:
    """Find the folder of a model by its folder or name; see ``open_encoder``.

    Raises:
        InputError: neither a folder nor a known name.
    """
    folder = models.find_folder(model)
    if folder is not None:
        if (folder / "identity.json").is_file() and (folder / "negatives.parquet").is_file():
            raise InputError(
                f"model {model!r:.200}: is a result of foils mine, which holds negatives and no model; train one with "
                "it (foils train DATA --mined RESULT --out MODEL), and give that"
            )
        return folder
    if model in NAMES:
        return minilm_folder()
    raise InputError(
        f"model {model!r:.200}: there is no such folder; give the folder of a static encoder (foils train saves one) "
        "or of sentence-transformers, owner/name on the Hugging Face hub, or minilm"
    )


def is_static(folder: Path) -> bool:
    """Tell the model2vec format; a folder without modules.json is taken for one, which then says what is missing."""
    config = folder / models.CONFIG
    said = models.read_json(config) if config.is_file() else {}
    kind = said.get("model_type") if isinstance(said, dict) else None
    if (folder / models.MODULES).is_file():
        ours = kind is None and "normalize" in said  # an older folder of model2vec does not tell its type
        return kind == "model2vec" or (ours and models.module_types(folder)[0].endswith(".StaticEmbedding"))
    if kind not in (None, "model2vec"):
        raise InputError(
            f"{folder}: is a model of transformers ({kind!r:.60}) that does not say how tokens become one vector: "
            f"there is no {models.MODULES}; open it as a SentenceTransformer and save that one"
        )
    return True
