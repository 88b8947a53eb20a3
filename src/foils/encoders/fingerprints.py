"""What a model is, by its content: a hash of weights, configuration and tokenizer, never of a name or a path.

Two checkpoints of one base model share their name and not their vectors. Hashing gigabytes takes seconds, so the hash
of a file is remembered under its path, size, times and inode; a file that was changed a moment ago is not remembered,
as the next change may leave all of these as they are.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from foils import _durable as durable

SETTLED_SECONDS = 2.0
"""A file must be this old for its hash to be remembered: file systems tell times in steps of up to two seconds."""

WITHOUT_INFLUENCE = frozenset(
    {".md", ".bin", ".ckpt", ".gguf", ".h5", ".msgpack", ".onnx", ".ot", ".pb", ".pt", ".pth", ".png", ".jpg", ".svg"}
)
"""Endings of files that are never read when encoding: pictures, optimisers, other formats of the weights."""
TRAINER = frozenset({"trainer_state.json", "data_config.json", "train_script.py"})


def folder_digest(folder: Path, memo: Path | None = None) -> str:
    """Hash the names and contents of a model's files.

    Args:
        folder: of the model.
        memo: folder where hashes of files are remembered; None = hash anew.
    """
    remembered = _Remembered.open(memo, folder)
    state = hashlib.blake2b(b"model/1", digest_size=16)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if hidden or path.suffix in WITHOUT_INFLUENCE or path.name in TRAINER or not path.is_file():
            continue
        state.update(f"{name.as_posix()}\0{remembered.digest(path)}\n".encode())
    remembered.save()
    return state.hexdigest()


def module_digest(model: Any) -> str:
    """Hash a model of sentence-transformers that is in memory: structure, prompts, tokenizer and every weight."""
    state = hashlib.blake2b(b"module/1", digest_size=16)
    config = getattr(model, "config", None)
    # What the representation does not show, and a vector follows from.
    cuts = [repr(getattr(model, name, None)) for name in ("truncate_dim", "max_seq_length")]
    facts = [repr(model), _tokenizer(model.tokenizer), repr(model.prompts), repr(config), *cuts]
    state.update("\0".join(facts).encode("utf-8", "surrogatepass"))
    for name, tensor in sorted(model.state_dict().items()):
        plain = tensor.detach().cpu().contiguous()
        state.update(f"{name} {plain.dtype} {tuple(plain.shape)}\0".encode())
        state.update(plain.flatten().view(import_module("torch").uint8).numpy().data)
    return state.hexdigest()


def _tokenizer(tokenizer: Any) -> str:
    """Give all of a tokenizer but what encoding itself sets, the padding and truncation of the last batch."""
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "to_str"):
        return repr(tokenizer)
    whole = json.loads(backend.to_str())
    kept = {name: value for name, value in whole.items() if name not in ("padding", "truncation")}
    return json.dumps([kept, repr(getattr(tokenizer, "model_max_length", None))])


class _Remembered:
    """Hashes of one folder's files from an earlier look."""

    def __init__(self, path: Path | None, known: dict[str, Any]) -> None:
        self.path, self.known, self.changed = path, known, False

    @classmethod
    def open(cls, memo: Path | None, folder: Path) -> _Remembered:
        if memo is None:
            return cls(None, {})
        place = hashlib.blake2b(str(folder.resolve()).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        path = memo / f"{place}.json"
        known: Any = {}
        with suppress(OSError, ValueError):  # not there, or broken: then all is hashed again
            known = json.loads(path.read_text(encoding="utf-8"))
        return cls(path, known if isinstance(known, dict) else {})

    def digest(self, path: Path) -> str:
        """Give the hash of a file's bytes."""
        found = path.stat()
        stamp = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
        entry = self.known.get(str(path))
        if isinstance(entry, list) and entry[:-1] == stamp:
            return str(entry[-1])
        digest = durable.checksum(path)
        if max(found.st_mtime, found.st_ctime) < time.time() - SETTLED_SECONDS:
            self.known[str(path)] = [*stamp, digest]
            self.changed = True
        return digest

    def save(self) -> None:
        """Write what is known; if that fails, the next look hashes again."""
        if self.path is None or not self.changed:
            return
        text = json.dumps(self.known)
        with suppress(OSError):
            write_whole(self.path, lambda partial: partial.write_text(text, encoding="utf-8"))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Have ``write`` fill a temporary file of this process's own, then give it its name in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}-{secrets.token_hex(8)}.part")
    try:
        write(partial)
        durable.rename(partial, path)
    finally:
        durable.remove(partial)
