"""Which negatives does matrix factorisation learn from? CiteULike-a and a tenth of Gowalla's users.

    FOILS_DATA=… python benchmarks/recommender.py [--out docs/training-recommender.json]
    FOILS_DATA=… python benchmarks/recommender.py --choose     # how SETTINGS were chosen; prints a table
    FOILS_DATA=… python benchmarks/recommender.py --choose --arm dns    # what another arm would have chosen

Fixed before the run: BPR matrix factorisation in plain PyTorch, the same number of steps for every arm, five seeds
(first vectors, order of the pairs, draws), Recall@20 and nDCG@20 over *all* items but those that the user has in train,
paired differences to uniform and to in-batch only, 95 % intervals over seeds and users. Rates are chosen once per data
set, by the *uniform* arm on a tenth of the train pairs held out, one seed; no arm is tuned on test, none but uniform on
anything.

    uniform       one negative per pair, drawn by NegativeStream
    popularity    one, by the number of users to the power 0.75
    dns           eight uniform candidates, the one that the model scores highest (foils.torch.hardest)
    in-batch      sampled softmax over the batch's other items (foils.torch.InfoNCE), known positives masked
    in-batch logQ the same, corrected for how often an item comes

Needs the extra ``torch``. Prints the table as Markdown and writes all numbers as JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import foils
import foils.torch
from foils import _array
from foils.collection import Collection
from foils.evaluating import bootstrap_ratio, evaluate_vectors, paired_difference
from foils.positives import Examples, Positives

DIM, BATCH, SEEDS, CANDIDATES = 64, 512, 5, 8
METRICS = ("recall@20", "ndcg@20")
UNIFORM, IN_BATCH, IN_BATCH_LOGQ = "uniform", "in-batch", "in-batch logQ"
STREAMS = {UNIFORM: ("uniform", 1), "popularity": ("popularity", 1), "dns": ("uniform", CANDIDATES)}
"""Arms that draw: recipe and draws per pair; the hardest of several is used."""
ARMS = (UNIFORM, "popularity", "dns", IN_BATCH, IN_BATCH_LOGQ)
GOWALLA_SHARE = 0.1
HELD_OUT = 0.1
FIRST_LENGTH = 0.1
COUNTED_BATCHES = 8
"""Of the last epoch, for the in-batch arms: each batch alone has a quarter of a million pairs."""


@dataclass(frozen=True)
class Settings:
    """What the uniform arm chose.

    Attributes:
        rate: of Adam.
        decay: λ of λ/2 (|u|² + |i|² + |j|²), the mean over a batch's pairs.
        epochs: passes over the train pairs.
    """

    rate: float
    decay: float
    epochs: int


GRID = tuple(Settings(rate, decay, 12) for rate in (5e-3, 1e-2) for decay in (1e-2, 3e-2, 1e-1))
SETTINGS = {"citeulike_a": Settings(5e-3, 3e-2, 12), "gowalla": Settings(5e-3, 1e-1, 12)}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/training-recommender.json"))
    parser.add_argument("--data", choices=tuple(SETTINGS), action="append", help="one data set; again for the other")
    parser.add_argument("--choose", action="store_true", help="choose the settings on held-out train pairs, and stop")
    parser.add_argument("--arm", choices=ARMS, default=UNIFORM, help="with --choose: another arm")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = options.data or tuple(SETTINGS)
    if options.choose:
        for name in names:
            choose(name, options.arm)
        return
    rows = [row for name in names for row in measure(name)]
    versions = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
    report = {"versions": {"foils": foils.__version__, **versions}, "rows": rows}
    options.out.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(markdown(rows) + "\n")


def read(name: str) -> Collection:
    """Load a data set; of Gowalla a tenth of the users, by hash, and the items that they have in train."""
    data = foils.load(name)
    if name != "gowalla":
        return data
    users = np.arange(len(data.anchors))
    users = users[_array.counter_uniform(_array.Key(0, "benchmark.users", 0), users, users) < GOWALLA_SHARE]
    train = data.judgements.select(("train",))
    return data.part(users, np.unique(train.items[np.isin(train.anchors, users)]))


def measure(name: str) -> Iterator[dict[str, Any]]:
    """Train every arm with every seed; give one row per arm."""
    data, found = read(name), {}
    for arm in ARMS:
        runs = [run(data, arm, SETTINGS[name], seed) for seed in range(SEEDS)]
        found[arm] = runs
        sys.stderr.write(f"{name} {arm}: {[round(float(values['ndcg@20'].mean()), 4) for values, *_ in runs]}\n")
    train = data.positives().examples()
    for arm in ARMS:
        hidden, drawn = (np.array([one[place] for one in found[arm]], float) for place in (1, 2))
        row: dict[str, Any] = {
            "data": name, "arm": arm, "seeds": SEEDS, "users": len(data.anchors), "items": len(data.items),
            "train_pairs": len(train), "evaluated": len(found[arm][0][0]["ndcg@20"]),
            "steps": SETTINGS[name].epochs * -(-len(train) // BATCH), "settings": vars(SETTINGS[name]),
            "hidden_per_1000": interval(bootstrap_ratio(1000 * hidden, drawn, rounds=2000)),
            "cpu_seconds": float(np.mean([one[3] for one in found[arm]])),
        }  # fmt: skip
        for metric in METRICS:
            table = stacked(found[arm], metric)
            row[metric] = {"mean": float(table.mean()), "by_seed": table.mean(axis=1).tolist()}
            for against in (UNIFORM, IN_BATCH):
                if against != arm:
                    row[metric][f"minus {against}"] = interval(
                        paired_difference(table, stacked(found[against], metric), rounds=2000).interval
                    )
        yield row


def stacked(runs: list[Any], metric: str) -> Any:
    """float64[S, Q] of one metric."""
    return np.array([values[metric] for values, *_ in runs])


def run(data: Collection, arm: str, settings: Settings, seed: int, split: str = "test") -> tuple[Any, Any, Any, float]:
    """Train and evaluate; give values, hidden positives used and negatives counted per user, and CPU seconds."""
    began = time.process_time()
    users, items, hidden, drawn = train(data, arm, settings, seed, data.positives((split,)))
    spent = time.process_time() - began
    vectors = users.weight.detach().numpy(), items.weight.detach().numpy()
    found = evaluate_vectors(data, *vectors, split=split, exclude=("train",), metrics=METRICS, similarity="dot")
    return found.values, hidden, drawn, spent


def train(data: Collection, arm: str, settings: Settings, seed: int, secret: Positives) -> tuple[Any, ...]:
    """Train by mini-batches of pairs; ``secret`` are positives that the model is not told of, to count them."""
    torch.manual_seed(seed)
    tables = [nn.Embedding(len(side), DIM, sparse=True) for side in (data.anchors, data.items)]
    for table in tables:
        nn.init.normal_(table.weight, std=FIRST_LENGTH)
    optimizer = torch.optim.SparseAdam([table.weight for table in tables], lr=settings.rate)
    known = data.positives()
    examples = known.examples()
    step = Drawn(data, arm, seed, tables) if arm in STREAMS else InBatch(data, arm, tables)
    hidden, drawn = np.zeros((2, len(data.anchors)), np.int64)
    for epoch in range(settings.epochs):
        order = np.random.default_rng((seed, epoch)).permutation(len(examples))
        for number, rows in enumerate(np.array_split(order, -(-len(order) // BATCH))):
            batch = examples.take(rows)
            loss, lengths, negatives = step(batch, epoch)
            optimizer.zero_grad()
            (loss + settings.decay / 2 * lengths / len(batch)).backward()
            optimizer.step()
            if epoch == settings.epochs - 1 and (arm in STREAMS or number < COUNTED_BATCHES):
                counted = (negatives >= 0) & ~known.contains(batch.anchors, negatives)
                found = counted & secret.contains(batch.anchors, negatives)
                hidden += np.bincount(batch.anchors, found.sum(axis=1), len(hidden)).astype(np.int64)
                drawn += np.bincount(batch.anchors, counted.sum(axis=1), len(drawn)).astype(np.int64)
    return *tables, hidden, drawn


class Drawn:
    """BPR against one negative per pair: drawn, or the hardest of several."""

    def __init__(self, data: Collection, arm: str, seed: int, tables: list[nn.Embedding]) -> None:
        recipe, draws = STREAMS[arm]
        self.stream, self.tables = foils.NegativeStream(data, recipe, seed, negatives=draws), tables

    def __call__(self, batch: Examples, epoch: int) -> tuple[Tensor, Tensor, Any]:
        """Give the loss, the squared lengths of the rows that it used, and int64[B, 1] negatives."""
        users = self.tables[0](torch.from_numpy(batch.anchors))
        drawn = torch.from_numpy(self.stream.batch(batch, epoch).items)
        if drawn.shape[1] > 1:
            with torch.no_grad():
                vectors = nn.functional.embedding(drawn.clamp(min=0), self.tables[1].weight)
                drawn = foils.torch.hardest(torch.einsum("bd,bmd->bm", users, vectors), drawn).items
        positives = self.tables[1](torch.from_numpy(batch.positives))
        negatives = self.tables[1](drawn[:, 0].clamp(min=0))
        losses = nn.functional.softplus((users * (negatives - positives)).sum(dim=1))
        has = drawn[:, 0] >= 0
        return losses[has].sum() / has.sum().clamp(min=1), length(users, positives, negatives), drawn.numpy()


class InBatch:
    """Softmax over the items of the batch; an item counts once, or by the law of the batch."""

    def __init__(self, data: Collection, arm: str, tables: list[nn.Embedding]) -> None:
        known, self.tables = data.positives(), tables
        self.loss = foils.torch.InfoNCE(1.0, positives=known)
        counts = np.bincount(known.items, minlength=len(data.items))
        with np.errstate(divide="ignore"):
            law = np.log(counts / counts.sum()).astype(np.float32)
        self.law = law if arm == IN_BATCH_LOGQ else None

    def __call__(self, batch: Examples, epoch: int) -> tuple[Tensor, Tensor, Any]:
        """Give the loss, the squared lengths of the rows that it used, and int64[B, N] the batch's items."""
        users = self.tables[0](torch.from_numpy(batch.anchors))
        items = self.tables[1](torch.from_numpy(batch.positives))
        law = None if self.law is None else self.law[batch.positives] + np.log(np.float32(len(batch)))
        found = self.loss(users, items, anchors=batch.anchors, items=batch.positives, positive_log_q=law)
        distinct = np.unique(batch.positives)
        return found.loss, length(users, items), np.broadcast_to(distinct, (len(batch), len(distinct)))


def length(*tables: Tensor) -> Tensor:
    """Sum the squared lengths of all rows."""
    return sum((table.square().sum() for table in tables), torch.zeros(()))


def choose(name: str, arm: str) -> None:
    """Print nDCG@20 of an arm on held-out train pairs, for every settings of the grid."""
    data = held_out(read(name))
    for settings in GRID:
        values, *_, spent = run(data, arm, settings, 0, split="valid")
        sys.stdout.write(f"| {name} | {arm} | {settings} | {values['ndcg@20'].mean():.4f} | {spent:.0f} s |\n")
        sys.stdout.flush()


def held_out(data: Collection) -> Collection:
    """Turn a tenth of the train pairs into the split ``valid``, by hash; leave test out."""
    judged = data.judgements.select(("train",))
    noise = _array.counter_uniform(_array.Key(0, "benchmark.valid", 0), judged.anchors, judged.items)
    splits = (noise < HELD_OUT).astype(np.int16)
    return replace(data, judgements=replace(judged, splits=splits, split_names=("train", "valid")))


def interval(found: Any) -> list[float]:
    """Give estimate, low and high."""
    return [found.estimate, found.low, found.high]


def markdown(rows: list[dict[str, Any]]) -> str:
    """Make the table of docs/training-recommender.md."""
    lines = [
        "| data | negatives | Recall@20 | minus uniform | nDCG@20 | minus uniform | minus in-batch "
        "| hidden positives per 1,000 negatives used | CPU s per run |",
        "|---" * 9 + "|",
    ]
    for row in rows:
        recall, ndcg = (row[metric] for metric in METRICS)
        estimate, low, high = row["hidden_per_1000"]
        cells = [
            row["data"], row["arm"], f"{recall['mean']:.4f}", shown(recall, UNIFORM), f"{ndcg['mean']:.4f}",
            shown(ndcg, UNIFORM), shown(ndcg, IN_BATCH), f"{estimate:.2f} [{low:.2f}, {high:.2f}]",
            f"{row['cpu_seconds']:.0f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def shown(part: dict[str, Any], against: str) -> str:
    """Show a difference with its interval, in bold where the interval leaves out 0."""
    if f"minus {against}" not in part:
        return ""
    estimate, low, high = part[f"minus {against}"]
    text = f"{estimate:+.4f} [{low:+.4f}, {high:+.4f}]".replace("-", "−")
    return f"**{text}**" if low > 0 or high < 0 else text


if __name__ == "__main__":
    main()
