"""Models of sentence-transformers as folders: find one by name, and refuse what would have to be run to be read.

Weights are read from safetensors alone, and only modules that sentence-transformers ships are built: neither a pickle
nor code that comes with a model is ever executed.
"""

from __future__ import annotations

import json
import re
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from foils import _extras as extras
from foils.errors import DataError, InputError, did_you_mean

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", flags=re.ASCII)
"""``owner/name`` on the Hugging Face hub."""

NOT_READ = (
    "*.bin", "*.ckpt", "*.gguf", "*.h5", "*.msgpack", "*.onnx", "*.ot", "*.pb", "*.pkl", "*.pt", "*.pth", "*.py",
    "*.tflite", "onnx/*", "openvino/*",
)  # fmt: skip
"""Files of a hub model that are not downloaded: other formats of the weights, pickles, code."""

MODULES, CONFIG, ADAPTER = "modules.json", "config.json", "adapter_config.json"
SETTINGS = "config_sentence_transformers.json"

Kind = Literal["SentenceTransformer", "CrossEncoder"]
USES = {
    "SentenceTransformer": "it encodes single texts; a CrossEncoder is used as the scorer cross_encoder",
    "CrossEncoder": "it reads two texts together; a SentenceTransformer is used as a model",
}
EXTRA = "encoders"


def is_folder(model: str) -> bool:
    """Tell whether a folder of this name is there."""
    try:
        return bool(model) and Path(model).is_dir()
    except (OSError, ValueError):  # a name that is too long, a folder that may not be looked into
        return False


def find_folder(model: str) -> Path | None:
    """Find the folder of a model: one of this name, else that of a hub model; None where it is the name of neither.

    Raises:
        InputError: it is a path that is not there, or the hub gives no such model.
    """
    if is_folder(model):
        return Path(model)
    like_a_path = _like_a_path(model)
    if HUB_NAME.fullmatch(model):
        try:
            return download(model)
        except InputError:
            if not like_a_path:
                raise
    if like_a_path:
        raise InputError(f"model {model!r:.200}: there is no such folder; {_folders_near(Path(model).expanduser())}")
    return None


def _like_a_path(model: str) -> bool:
    """Tell what was meant as a folder: it begins like a path, or the folder that it would be in is there."""
    return model.startswith(("./", "../", "/", "~")) or ("/" in model and is_folder(str(Path(model).parent)))


def _folders_near(path: Path) -> str:
    """Say which folders there are instead, in the nearest folder above that is there."""
    above = next(parent for parent in path.absolute().parents if is_folder(str(parent)))
    wanted = path.absolute().relative_to(above).parts[0]
    try:
        names = [child.name for child in above.iterdir() if child.is_dir() and not child.name.startswith(".")]
    except OSError:
        names = []
    return f"in {above}: {did_you_mean(wanted, names)}" if names else f"{above} holds no folder"


def require_library() -> None:
    """Check that sentence-transformers is installed, without importing it.

    Raises:
        MissingExtraError: it is not.
    """
    extras.require(EXTRA, ["sentence_transformers"])


def download(name: str) -> Path:
    """Give the folder of a hub model: from the hub's own cache, else downloaded (not with HF_HUB_OFFLINE=1).

    Raises:
        InputError: there is no folder of this name, and the hub does not give such a model either.
    """
    if extras.missing(["huggingface_hub"]):
        raise InputError(
            f"model {name!r:.200}: there is no such folder; for a model of the Hugging Face hub: "
            f"pip install 'foils[{EXTRA}]'"
        )
    hub = import_module("huggingface_hub")
    try:
        return Path(hub.snapshot_download(name, ignore_patterns=list(NOT_READ)))
    except (OSError, ValueError) as error:  # all that the library raises: not found, no network, not allowed
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"model {name!r:.200}: there is no such folder, and the Hugging Face hub gives no such model "
            f"({reason:.300}); check the name, or give the folder of a model"
        ) from error


def read_json(path: Path) -> Any:
    """Read a file of a model.

    Raises:
        DataError: it is not there, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is not JSON: {error}; copy the model again") from error


def check_folder(folder: Path, kind: Kind) -> None:
    """Check, before long work, that a model is of this kind and can be read without running what comes with it.

    Raises:
        DataError: it is of another kind, has modules of its own, weights only as a pickle, or parts that lie elsewhere.
    """
    said = read_json(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    told = said.get("model_type", kind) if isinstance(said, dict) else kind
    if told != kind:
        raise DataError(f"{folder}: is a {told}; expected a {kind} ({USES[kind]})")
    if (folder / ADAPTER).is_file():
        raise DataError(
            f"{folder}: is an adapter ({ADAPTER}), and the model that it adapts lies elsewhere; "
            "merge the two (merge_and_unload) and save the whole model"
        )
    for name in module_types(folder):
        if not name.startswith("sentence_transformers."):
            raise DataError(
                f"{folder}/{MODULES}: the module {name!r:.100} is not one of sentence-transformers; "
                "code that comes with a model is never run; encode elsewhere and give its vectors"
            )
    if "auto_map" in (read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}):
        raise DataError(
            f"{folder}/{CONFIG}: the model needs code that comes with it (auto_map), which is never run; "
            "encode elsewhere and give its vectors"
        )
    for path in sorted(folder.rglob("pytorch_model*.bin")):
        if not list(path.parent.glob("*.safetensors")):
            raise DataError(
                f"{path}: weights are read from .safetensors only, and there is none beside it; open the model where "
                "you trust it and save it again: model.save_pretrained(folder)"
            )


def module_types(folder: Path) -> list[str]:
    """Name the classes of a model's modules; empty where the folder does not tell."""
    if not (folder / MODULES).is_file():
        return []
    modules = read_json(folder / MODULES)
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules):
        raise DataError(f"{folder}/{MODULES}: expected a list of modules; copy the model again")
    return [str(module.get("type")) for module in modules]
