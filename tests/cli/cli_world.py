"""What the command line is tested on: a small data set on disk, and what a command said."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

QUERIES, ITEMS, DIM = 12, 30, 6
EMPTY = 7
"""The item without text."""
WORDS = [
    f"{a}{b}" for a in ("red", "blue", "old", "big", "soft") for b in ("cat", "dog", "car", "tree", "song", "rain")
]


@dataclass(frozen=True)
class Said:
    """What a command gave: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one complaint about the user's input, without a traceback or a result."""
        assert self.code == 2, self
        assert self.out == ""
        assert "Traceback" not in self.err
        head, _, complaint = self.err.partition("error: ")
        assert complaint, "there is no complaint"
        assert head == "" or head.endswith("\n"), "the complaint does not begin a line"
        assert "error: " not in complaint
        return complaint.strip()

    def json(self) -> Any:
        """The result of a command that was told --json."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Run = Callable[..., Said]


@dataclass(frozen=True)
class Data:
    """A BEIR folder, with vectors beside it."""

    path: Path

    @classmethod
    def make(cls, path: Path) -> Data:
        """Queries 0–5 have a positive in train, 6–10 in test, the last has none; query 0 has two."""
        rng = np.random.default_rng(0)
        (path / "qrels").mkdir(parents=True)
        data = cls(path)
        corpus = [{"_id": f"d{i}", "title": "", "text": " ".join(rng.choice(WORDS, 8))} for i in range(ITEMS)]
        corpus[EMPTY]["text"] = " "
        texts = [record["text"] for record in corpus]
        queries = [{"_id": f"q{i}", "text": " ".join(texts[i].split()[:3]) or "rain"} for i in range(QUERIES)]
        data.write_jsonl("corpus.jsonl", corpus)
        data.write_jsonl("queries.jsonl", queries)
        data.write_qrels("train", [(f"q{i}", f"d{i}", 1) for i in range(6)] + [("q0", "d20", 2), ("q1", "d21", 0)])
        data.write_qrels("test", [(f"q{i}", f"d{i + 1}", 1) for i in range(6, 11)])
        np.save(data.queries, rng.standard_normal((QUERIES, DIM)).astype(np.float32))
        np.save(data.corpus, rng.standard_normal((ITEMS, DIM)).astype(np.float32))
        return data

    @property
    def queries(self) -> Path:
        """Vectors of the queries."""
        return self.path.parent / "q.npy"

    @property
    def corpus(self) -> Path:
        """Vectors of the items."""
        return self.path.parent / "c.npy"

    @property
    def vectors(self) -> tuple[str, ...]:
        """The options that name the vectors."""
        return "--query-vectors", str(self.queries), "--corpus-vectors", str(self.corpus)

    def lines(self, name: str) -> list[str]:
        """Read a file's lines."""
        return (self.path / name).read_text(encoding="utf-8").splitlines()

    def write(self, name: str, lines: list[str]) -> None:
        """Write a file's lines."""
        (self.path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def write_jsonl(self, name: str, records: list[dict[str, Any]]) -> None:
        """Write records."""
        self.write(name, [json.dumps(record) for record in records])

    def write_qrels(self, split: str, rows: list[tuple[str, str, Any]]) -> None:
        """Write judgements."""
        lines = ["\t".join(map(str, row)) for row in rows]
        self.write(f"qrels/{split}.tsv", ["query-id\tcorpus-id\tscore", *lines])

    def change(self, name: str, row: int, **fields: Any) -> None:
        """Change fields of a record; None takes a field away."""
        records = [json.loads(line) for line in self.lines(name)]
        records[row] = {key: value for key, value in (records[row] | fields).items() if value is not None}
        self.write_jsonl(name, records)

    def compress(self, name: str) -> Path:
        """Replace a file by its .gz."""
        path = self.path / name
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        return packed

    def set_vectors(self, path: Path, change: Callable[[np.ndarray], np.ndarray | None]) -> None:
        """Change vectors in place, or replace them."""
        vectors = np.load(path)
        changed = change(vectors)
        np.save(path, vectors if changed is None else changed)


def contents(folder: Path) -> dict[str, bytes]:
    """Read what a folder holds."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def tables(folder: Path) -> dict[str, bytes]:
    """Read the files of a result that equal runs have in common."""
    names = ("negatives.parquet", "candidates.parquet", "items.parquet", "identity.json")
    return {name: (folder / name).read_bytes() for name in names}
