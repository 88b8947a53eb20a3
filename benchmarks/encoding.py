"""Texts to vectors by MiniLM: bfloat16 and float32, one worker per core, and what the cache spares.

    python benchmarks/run.py encoding [--quick]

Texts of random words: all of 32 tokens, all of 128, and of mixed lengths up to the model's 256. sentence-transformers
encodes in float32 in batches of 64, on one thread and on all. The products alone are measured beside it, since no
encoder gains more by bfloat16 than they do. Needs the extra ``minilm``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Aim, Contender, Table, at_least, compare, cpu_seconds, save
from sentence_transformers import SentenceTransformer

from foils.encoders import SentenceEncoder, encode_records, open_encoder
from foils.encoders.minilm import minilm_folder
from foils.encoders.precision import lowest_cosine
from foils.records import Records

COMMON = (
    "the cell of mice in human study shows that tumor growth factor binding results vaccine patients risk protein with "
    "city river old language music history game team war king church school water island north film book law court "
    "trade price bank engine train road ship computer network data model learning"
)
WORDS = COMMON.split()
"""One token each."""
LENGTHS = {"32 tokens": 32, "128 tokens": 128}
MIXED = "mixed lengths"
PEER, PEER_ALL = "sentence-transformers, float32, 1 thread", "sentence-transformers, float32, all threads"
SINGLE, HALF, HALF_ONE = "foils, float32", "foils, bfloat16", "foils, bfloat16, 1 worker"
BATCH = 64
BAR = 2.4
CACHED, CHANGED = 400, 4
"""Texts in the cache, and how many of them change: 1 %."""
START = """
from foils.encoders import open_encoder
open_encoder("minilm", precision="bfloat16").encode([""], "items")
"""


@dataclass(frozen=True)
class Case:
    """How many tokens each table encodes, and how often."""

    tokens: int = 8192
    rounds: int = 5


@dataclass(eq=False)
class Counting:
    """An encoder that counts the texts that it is given."""

    encoder: SentenceEncoder
    asked: int = field(default=0)

    def identity(self, side: Any) -> Any:
        """That of the encoder."""
        return self.encoder.identity(side)

    def encode(self, texts: Sequence[str], side: Any) -> Any:
        """Count and encode."""
        self.asked += len(texts)
        return self.encoder.encode(texts, side)


def main() -> None:
    """Measure every length, the limit, and the cache."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    case = Case(tokens=2048, rounds=1) if parser.parse_args().quick else Case()
    peer = SentenceTransformer(str(minilm_folder()), device="cpu", local_files_only=True)
    single, half = (open_encoder("minilm", precision=one, device="cpu") for one in ("float32", "bfloat16"))
    tables, cosines, aims = [], [], []
    for name, texts in corpora(case.tokens).items():
        tables.append(compare(
            f"MiniLM, {len(texts):,} texts, {name}", "texts", list(contenders(peer, single, half, texts)),
            reference=PEER, rounds=case.rounds,
        ))  # fmt: skip
        cosines.append(lowest_cosine(half.encode(texts, "items"), single.encode(texts, "items")))
        aims.append(at_least(f"bfloat16 against float32, {name}", BAR, tables[-1].ratio(HALF, PEER)))
    aims += [cosine_aim(min(cosines)), *cache_aims(half)]
    save("encoding", tables, {"aims": aims, "lines": [*lines(tables), start_up()]})


def corpora(tokens: int) -> dict[str, list[str]]:
    """Make texts, by the name of their lengths; [CLS] and [SEP] are two of the tokens."""
    noise = np.random.default_rng(0)
    counts = {name: np.full(tokens // length, length) for name, length in LENGTHS.items()}
    mixed = np.clip(noise.lognormal(4.3, 0.7, tokens // 100), 8, 256).astype(int)
    return {
        name: [" ".join(noise.choice(WORDS, count - 2)) for count in lengths]
        for name, lengths in {**counts, MIXED: mixed}.items()
    }


def contenders(peer: Any, single: Any, half: Any, texts: list[str]) -> Sequence[Contender]:
    """Set up the rows of a table."""

    def library() -> object:
        return peer.encode_document(texts, batch_size=BATCH, show_progress_bar=False)

    ways: dict[str, Callable[[], object]] = {
        PEER: on_one(library),
        PEER_ALL: library,
        SINGLE: lambda: single.encode(texts, "items"),
        HALF: lambda: half.encode(texts, "items"),
        HALF_ONE: on_one(lambda: half.encode(texts, "items")),
    }
    return [Contender(name, run, len(texts)) for name, run in ways.items()]


def on_one(run: Callable[[], object]) -> Callable[[], object]:
    """Run with one thread of PyTorch."""

    def limited() -> object:
        with threads(1):
            return run()

    return limited


@contextmanager
def threads(count: int) -> Any:
    """Set the number of PyTorch's threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cosine_aim(lowest: float) -> Aim:
    """State how far bfloat16 moves vectors."""
    return Aim("lowest cosine between bfloat16 and float32", "≥ 0.9999", f"{lowest:.6f}", lowest >= 0.9999)


def cache_aims(encoder: Any) -> list[Aim]:
    """Count what a second run encodes, and a third after 1 % of the texts has changed."""
    texts = [f"{' '.join(WORDS[:4])} {number}" for number in range(CACHED)]
    changed = [f"{text} revised" if number % (CACHED // CHANGED) == 0 else text for number, text in enumerate(texts)]
    asked = []
    with tempfile.TemporaryDirectory() as folder:
        for version in (texts, texts, changed):
            counting = Counting(encoder)
            records = Records.of([str(row) for row in range(CACHED)], version)
            encode_records(counting, records, "items", cache=Path(folder))
            asked.append(counting.asked)
    return [
        Aim(f"texts encoded by a second run over {CACHED}", "0", str(asked[1]), asked[1] == 0),
        Aim(f"texts encoded after {CHANGED} of {CACHED} changed", str(CHANGED), str(asked[2]), asked[2] == CHANGED),
    ]


def lines(tables: Sequence[Table]) -> list[str]:
    """State the limit, and the wall-clock gain of workers."""
    found = [f"A product of this model, in bfloat16, has {products():.2f} times the rate of float32 on this processor."]
    for table in tables:
        gain, row = table.wall_ratio(HALF, PEER_ALL), table.row(HALF)
        found.append(
            f"{table.title}: {row.work / row.wall_seconds:,.0f} texts per second of wall-clock time in bfloat16, "
            f"{gain.median:.2f} [{gain.low:.2f}, {gain.high:.2f}] times sentence-transformers on all threads."
        )
    return found


def products() -> float:
    """Compare the rates of the model's widest product, 2,048 × 384 × 1,536, on one thread."""
    left, right = torch.randn(2048, 384), torch.randn(1536, 384)
    rounds = []
    with threads(1), torch.inference_mode():
        for _ in range(9):
            spent = []
            for kind in (torch.float32, torch.bfloat16):
                pair = left.to(kind), right.to(kind)
                torch.nn.functional.linear(*pair)
                began = time.process_time()
                for _ in range(8):
                    torch.nn.functional.linear(*pair)
                spent.append(time.process_time() - began)
            rounds.append(spent[0] / spent[1])
    return float(np.median(rounds))


def start_up() -> str:
    """Say what another process would cost before it encodes its first text."""
    began = cpu_seconds()
    subprocess.run([sys.executable, "-c", START], check=True)
    spent = cpu_seconds() - began
    return f"A process of its own per core would take {spent:.1f} CPU seconds each to be ready; workers are threads."


if __name__ == "__main__":
    main()
