"""Side by side: where sentence-transformers' mine_hard_negatives goes wrong without a word, and what foils does.

    python benchmarks/compat_faults.py

Each case is one call of both functions with a model of two dimensions, so that every number can be checked by hand: the
query lies at (1, 0), and the texts t0, t1, t2 … have the cosines 0.99, 0.98, 0.97 … to it. No download, no GPU, one
second beside the imports. Prints the table of docs/compat.md. Needs the extra ``train``.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers.util import mine_hard_negatives as original
from torch import nn

from foils.compat import mine_hard_negatives as ours

TEXTS = {f"t{rank}": 0.99 - 0.01 * rank for rank in range(60)}
PAIR = {"query": ["q"], "answer": ["p"]}
Miner = Callable[..., Any]


def main() -> None:
    """Print the table."""
    sys.stdout.write(markdown() + "\n")


def markdown() -> str:
    """Give the table of all cases."""
    rows = [f"| | case | sentence-transformers {version('sentence-transformers')} | foils |", "|---|---|---|---|"]
    for number, case in enumerate(CASES, 1):
        rows.append(f"| {number} | {case.asked} | {case.told(original)} | {case.told(ours)} |")
    return "\n".join(rows)


@dataclass(frozen=True)
class Case:
    """What is asked, and how an answer is told."""

    asked: str
    tell: Callable[[Miner], str]

    def told(self, miner: Miner) -> str:
        """Run the case without the functions' own output; tell also whether it warned."""
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            return self.tell(miner)


class Plane(nn.Module):
    """A model with the interface of a SentenceTransformer: a table of texts and their cosines to the query."""

    def __init__(self, cosines: dict[str, float]) -> None:
        super().__init__()
        self.rows = {text: row for row, text in enumerate(cosines)}
        cosine = np.array(list(cosines.values()))
        self.table = nn.Parameter(
            torch.tensor(np.stack([cosine, np.sqrt(1 - cosine**2)], axis=1)).float(), requires_grad=False
        )
        self.model_card_data = SimpleNamespace(base_model=None)  # what a checkpoint has that was saved and loaded
        self.similarity_fn_name, self.device = "cosine", torch.device("cpu")
        self.tokenizer, self.prompts, self.default_prompt_name = None, {}, None

    def encode_query(self, texts: list[str], **_: object) -> np.ndarray:
        """Look the vectors up."""
        return self.table[[self.rows[text] for text in texts]].numpy()

    encode_document = encode_query

    def similarity(self, queries: object, documents: object) -> torch.Tensor:
        """All inner products."""
        return torch.as_tensor(queries) @ torch.as_tensor(documents).T

    def similarity_pairwise(self, queries: object, documents: object) -> torch.Tensor:
        """Inner products of rows."""
        return (torch.as_tensor(queries) * torch.as_tensor(documents)).sum(dim=1)


class Reversed:
    """A cross-encoder that prefers the later texts; counts the pairs it is asked about."""

    pairs = 0

    def predict(self, pairs: list[tuple[str, str]], **_: object) -> torch.Tensor:
        """Give 0.01 for t1, 0.02 for t2 …, and 1 for the positive."""
        self.pairs += len(pairs)
        return torch.tensor([1.0 if text == "p" else int(text[1:]) / 100 for _, text in pairs])


def mined(miner: Miner, model: Plane, pairs: dict[str, list[str]] | None = None, **settings: Any) -> Any:
    """Mine among the texts that are not positives."""
    pairs = pairs or PAIR
    corpus = [text for text in model.rows if text not in pairs["query"] + pairs["answer"]]
    return miner(Dataset.from_dict(pairs), model, corpus=corpus, verbose=False, **settings)


def window(miner: Miner) -> str:
    """``range_min`` and a margin."""
    rows = mined(miner, Plane({"q": 1.0, "p": 0.95, **TEXTS}), range_min=5, relative_margin=0.05)
    return f"{', '.join(rows['negative'])}"


def rescored(miner: Miner) -> str:
    """A cross-encoder without a threshold."""
    judge = Reversed()
    rows = mined(miner, Plane({"q": 1.0, "p": 0.95, **TEXTS}), cross_encoder=judge)
    return f"asked about {judge.pairs} pairs; {', '.join(rows['negative'])}"


def cached(miner: Miner) -> str:
    """Mine, train on, mine again."""
    before = Plane({"q": 1.0, "p": 0.95, "easy": 0.1, "hard": 0.9})
    after = Plane({"q": 1.0, "p": 0.95, "easy": 0.9, "hard": 0.1})
    with tempfile.TemporaryDirectory() as folder:
        found = [mined(miner, model, num_negatives=1, cache_folder=folder)["negative"][0] for model in (before, after)]
    return f"{found[0]}, then {found[1]}{' (of the old vectors)' if found[1] == 'hard' else ''}"


def weak(miner: Miner) -> str:
    """One positive at 0.95 and one at 0.5."""
    model = Plane({"q": 1.0, "q2": 0.99999, "p": 0.95, "p2": 0.5, **TEXTS})
    rows = mined(miner, model, {"query": ["q", "q2"], "answer": ["p", "p2"]}, relative_margin=0.05)
    found = {query: [row["negative"] for row in rows if row["query"] == query] for query in ("q", "q2")}
    return "; ".join(f"{query}: {', '.join(texts) or 'is not in the result'}" for query, texts in found.items())


def copies(miner: Miner) -> str:
    """The positive again, in another case and with another space."""
    model = Plane({"q": 1.0, "The answer": 0.95, "the answer": 0.949, "The  answer": 0.948, **TEXTS})
    rows = mined(miner, model, {"query": ["q"], "answer": ["The answer"]}, range_min=4)
    return ", ".join(f"`{text}`" if " " in text else text for text in rows["negative"])


def seeded(miner: Miner) -> str:
    """The same call twice."""
    model = Plane({"q": 1.0, "p": 0.95, **TEXTS})
    settings = {"sampling_strategy": "random", "range_max": 60, "num_negatives": 10}
    first, second = (list(mined(miner, model, **settings)["negative"]) for _ in range(2))
    return "the same negatives" if first == second else "other negatives"


CASES = (
    Case(
        "`range_min=5, relative_margin=0.05`; the positive has 0.95, so t9 is the first that the margin keeps", window
    ),
    Case("`cross_encoder=…` alone; it scores later texts higher", rescored),
    Case(
        "`cache_folder=…`: mine, train, mine again; `hard` is what the first model confuses, `easy` the second", cached
    ),
    Case("`relative_margin=0.05`; the positive of q2 has 0.5, behind all the texts that are looked at first", weak),
    Case("`range_min=4`; the positive is `The answer`, at 0.95", copies),
    Case('`sampling_strategy="random"`, the same call twice', seeded),
)


if __name__ == "__main__":
    main()
