"""Encoders of sentence-transformers: transformers with pooling, static embeddings, routers.

A vector is what the model itself gives for prompt + text: its own pooling and, where it has that module, its own
normalisation. Queries get the model's ``query`` prompt and items its ``document`` (or ``passage``, ``corpus``) prompt,
unless other prompts are given. The model is loaded when the first text is encoded, so that a run whose vectors are all
in the cache never loads it.

On a CPU, batches of equally long texts (``batches``) are encoded by one worker per core (``workers``), in bfloat16
where that is fast and close enough (``precision``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
from tokenizers import Tokenizer

from foils._threads import one_torch_thread, torch_threads
from foils.encoders import batches, models, precision
from foils.encoders.encoder import Float32, Identity, Side
from foils.encoders.fingerprints import folder_digest, module_digest
from foils.encoders.precision import Arithmetic, Precision
from foils.encoders.workers import spread
from foils.errors import DataError, InputError
from foils.positives import Int64

PROMPTS: Mapping[Side, tuple[str, ...]] = {"anchors": ("query",), "items": ("document", "passage", "corpus")}
"""Names that models give the prompts of a side; the first that is not empty counts."""

CHARACTERS_PER_TOKEN = 4
"""Where a model's tokens cannot be counted."""


@dataclass(frozen=True)
class SentenceSettings:
    """How texts are put to the model. Each is part of the key under which vectors are kept.

    Attributes:
        prompts: what stands before the texts of a side, instead of the model's own; "" = nothing.
        max_length: tokens of a text that are read; None = as the model says.
        precision: of products; weights and vectors are float32 in any case.
    """

    prompts: Mapping[Side, str] = field(default_factory=dict)
    max_length: int | None = None
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        """Check the values."""
        if self.precision not in get_args(Precision):
            known = ", ".join(get_args(Precision))
            raise InputError(f"precision is {self.precision!r:.60}; expected one of: {known}")
        if self.max_length is not None and self.max_length < 1:
            raise InputError(f"max_length is {self.max_length}; expected at least 1 token, or None for the model's own")


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """A model of sentence-transformers.

    Attributes:
        source: its folder, or the model in memory.
        settings: how texts are put to it.
        memo: folder where hashes of its files are remembered; None = hash them anew.
        device: such as ``cuda``; None = the best there is.
    """

    source: Path | Any
    settings: SentenceSettings = field(default_factory=SentenceSettings)
    memo: Path | None = None
    device: str | None = None

    @classmethod
    def open(cls, folder: Path, settings: SentenceSettings, memo: Path | None, device: str | None) -> SentenceEncoder:
        """Check a folder without loading the model.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            DataError: the folder would have to run code, or holds no such model.
        """
        models.require_library()
        models.check_folder(folder, "SentenceTransformer")
        return cls(folder, settings, memo, device)

    def identity(self, side: Side) -> Identity | None:
        """Content of the model, prompt, length and precision; pooling and normalisation are part of the content.

        The first time that bfloat16 is thought of for a model, this loads and checks it (see ``precision``).
        """
        return {
            "encoder": "sentence-transformers/2",
            "library": _major("sentence-transformers"),
            "transformers": _major("transformers"),
            "model": self.digest,
            "prompt": self.prompt(side),
            "max_length": self.settings.max_length,
            "precision": self.precision,
            "side": side if self._routes else None,
        }

    @cached_property
    def digest(self) -> str:
        """Hash of the model's content."""
        if isinstance(self.source, Path):
            return folder_digest(self.source, self.memo)
        return module_digest(self.source)

    def prompt(self, side: Side) -> str:
        """Give what stands before each text of a side."""
        if side in self.settings.prompts:
            return self.settings.prompts[side]
        return next((text for name in PROMPTS[side] if (text := self._prompts.get(name))), "")

    @cached_property
    def precision(self) -> Arithmetic | None:
        """The arithmetic of products; None = whatever a model in memory does by itself.

        Where bfloat16 would be fast and moves this model's vectors too far, this warns and is float32.
        """
        asked = self.settings.precision
        if asked != "auto":
            return asked
        if not isinstance(self.source, Path):
            return None
        if not precision.is_fast_at_bfloat16(self.device):
            return "float32"
        cosine = precision.remembered(self.memo, self.digest, self._lowest_cosine)
        if cosine >= precision.LEAST_COSINE:
            return "bfloat16"
        warnings.warn(
            f"{self.source}: encodes in float32, because bfloat16 moves its vectors too far: the lowest cosine between "
            f"the two, of {len(precision.SAMPLE)} texts, is {cosine:.6f}, and {precision.LEAST_COSINE} is needed",
            stacklevel=2,
        )
        return "float32"

    def encode(self, texts: Sequence[str], side: Side) -> Float32:
        """Encode texts: float32[N, d]."""
        return self.encode_telling(texts, side, lambda done: None)

    def encode_telling(self, texts: Sequence[str], side: Side, tell: Callable[[int], None]) -> Float32:
        """Encode texts as ``encode`` does, and tell after each batch how many are done."""
        return self._encoded(texts, side, self.precision, tell)

    def _encoded(
        self, texts: Sequence[str], side: Side, arithmetic: Arithmetic | None, tell: Callable[[int], None]
    ) -> Float32:
        """Encode in a given arithmetic."""
        if not len(texts):
            return self._encoded([""], side, arithmetic, tell)[:0]
        device = self._model.device.type
        encode = self._model.encode_query if side == "anchors" else self._model.encode_document
        cut, prompt, done = self._cut(texts, side), self.prompt(side), 0

        def forward(rows: Int64) -> Float32:
            batch = [texts[row] for row in rows]
            return np.asarray(encode(batch, prompt=prompt, batch_size=len(batch), show_progress_bar=False), np.float32)

        def count(place: int) -> None:
            nonlocal done
            done += len(cut[place])
            tell(done)

        workers = min(torch_threads(), len(cut)) if device == "cpu" else 1
        with one_torch_thread():
            if workers > 1:
                forward(cut[-1][:1])  # sets up the tokenizer, which the workers then share as it is
            parts = spread(
                cut, forward, workers=workers, context=lambda: _products_in(arithmetic, device), done=count
            )  # fmt: skip
        vectors = np.empty((len(texts), parts[0].shape[1]), np.float32)
        vectors[np.concatenate(cut)] = np.concatenate(parts)
        return vectors

    def _cut(self, texts: Sequence[str], side: Side) -> list[Int64]:
        """Cut texts into batches; padded ones on a GPU, and where tokens cannot be counted."""
        on_cpu = self._model.device.type == "cpu"
        tokens = batches.CPU_TOKENS if on_cpu else batches.GPU_TOKENS
        if self._counter is None:
            counts = np.fromiter((len(text) // CHARACTERS_PER_TOKEN for text in texts), np.int64, len(texts))
            return batches.cut_padded(counts, tokens)
        prompt = self.prompt(side)
        whole = [prompt + text for text in texts] if prompt else texts
        counts = batches.count_tokens(self._counter, whole, self._model.max_seq_length)
        return batches.cut_equal(counts, tokens) if on_cpu else batches.cut_padded(counts, tokens)

    def _lowest_cosine(self) -> float:
        """Compare bfloat16 with float32 on the sample."""
        sides = get_args(Side) if self._routes else ("items",)
        return min(
            precision.lowest_cosine(
                *(self._encoded(precision.SAMPLE, side, one, lambda done: None) for one in ("float32", "bfloat16"))
            )
            for side in sides
        )

    @cached_property
    def _counter(self) -> Tokenizer | None:
        """What counts tokens."""
        return batches.counter_of(getattr(self._model, "tokenizer", None))

    @cached_property
    def _prompts(self) -> dict[str, str]:
        if not isinstance(self.source, Path):
            return dict(self.source.prompts)
        path = self.source / models.SETTINGS
        said = models.read_json(path).get("prompts") if path.is_file() else None
        return {name: text for name, text in (said or {}).items() if isinstance(text, str)}

    @cached_property
    def _routes(self) -> bool:
        """Whether a side has modules of its own."""
        if isinstance(self.source, Path):
            kinds = [name.rpartition(".")[2] for name in models.module_types(self.source)]
        else:
            kinds = [type(module).__name__ for module in self.source]
        return not {"Router", "Asym"}.isdisjoint(kinds)

    @cached_property
    def _model(self) -> Any:
        """The model in memory, as the settings want it."""
        if not isinstance(self.source, Path):
            return self.source
        library = import_module("sentence_transformers")
        with quiet_loading():
            try:
                model = library.SentenceTransformer(
                    str(self.source), device=self.device, trust_remote_code=False, local_files_only=True
                )
            except Exception as error:  # the library raises nothing more precise
                raise DataError(f"{self.source}: cannot be opened by sentence-transformers: {error}") from error
        if self.settings.max_length is not None:
            model.max_seq_length = self.settings.max_length
        return model.to(import_module("torch").float32)


def _products_in(arithmetic: Arithmetic | None, device: str) -> AbstractContextManager[Any]:
    """Round the factors of products; nothing is changed for float32, or where the model does as it does."""
    if arithmetic in (None, "float32"):
        return nullcontext()
    torch = import_module("torch")
    context: AbstractContextManager[Any] = torch.autocast(device, dtype=getattr(torch, arithmetic))
    return context


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep transformers from drawing a progress bar over ours."""
    logging = import_module("transformers.utils.logging")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _major(package: str) -> str:
    return version(package).partition(".")[0]
