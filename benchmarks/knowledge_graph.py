"""Which negatives do DistMult and RotatE learn from? UMLS and Kinships, trained and evaluated by PyKEEN.

    FOILS_DATA=… python benchmarks/knowledge_graph.py [--out docs/training-knowledge-graph.json]
    FOILS_DATA=… python benchmarks/knowledge_graph.py --choose     # how SETTINGS were chosen; prints a table

Fixed before the run: PyKEEN's models, losses, training loop and evaluator; eight negatives per triple, the same number
of epochs for every arm, five seeds; filtered MRR and Hits@10 (realistic ranks, both sides) on all test triples; paired
differences to uniform, triple by triple (the mean of both sides), 95 % intervals over seeds and triples. The rate and
the margin are chosen once per model and data set, by the *uniform* arm on the valid triples, one seed.

    uniform, bernoulli, pseudo-typed   drawn by NegativeStream, through foils.integrations.pykeen
    PyKEEN basic                       its default: known triples of train are drawn too
    PyKEEN basic, filtered             known ones are taken out, and the triple has fewer negatives

Beside that, what each sampler draws is counted, once for every train triple and seed: known triples of train, and true
triples of valid and test, which no sampler can know.

Needs the extra ``kg``. Prints the tables as Markdown and writes all numbers as JSON.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import logging
import platform
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pykeen.evaluation import RankBasedEvaluator
from pykeen.losses import NSSALoss
from pykeen.models import DistMult, RotatE
from pykeen.sampling import BasicNegativeSampler
from pykeen.training import SLCWATrainingLoop

import foils
from foils.collection import Collection
from foils.evaluating import bootstrap_ratio, paired_difference
from foils.integrations.pykeen import stream_sampler, triples_factories

DATA = ("umls", "kinships")
DIM, BATCH, NEGATIVES, EPOCHS, SEEDS = 64, 512, 8, 25, 5
UNIFORM, BASIC, FILTERED = "uniform", "PyKEEN basic", "PyKEEN basic, filtered"
STREAMS = (UNIFORM, "bernoulli", "pseudo-typed")
ARMS = (*STREAMS, BASIC, FILTERED)
METRICS = ("mrr", "hits@10")
SIDES = ("head", "tail")
EQUAL = 1e-12
"""Inverse temperature of the loss: all negatives weigh the same. At 0, PyKEEN's masked scores, −∞, would give NaN."""


@dataclass(frozen=True)
class Settings:
    """What the uniform arm chose.

    Attributes:
        rate: of Adam.
        margin: γ of the loss −log σ(γ + s⁺) − mean log σ(−γ − s⁻).
    """

    rate: float
    margin: float


GRID = {
    "DistMult": tuple(Settings(rate, 0.0) for rate in (3e-3, 1e-2, 3e-2)),
    "RotatE": tuple(Settings(rate, margin) for rate in (1e-2, 3e-2) for margin in (3.0, 6.0, 9.0)),
}
SETTINGS = {
    ("umls", "DistMult"): Settings(1e-2, 0.0),
    ("umls", "RotatE"): Settings(3e-2, 9.0),
    ("kinships", "DistMult"): Settings(3e-3, 0.0),
    ("kinships", "RotatE"): Settings(3e-2, 9.0),
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/training-knowledge-graph.json"))
    parser.add_argument("--data", choices=DATA, action="append", help="one data set; again for the other")
    parser.add_argument("--choose", action="store_true", help="choose the settings on the valid triples, and stop")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message=".pin_memory.")
    for name in ("pykeen", "torch_max_mem"):
        logging.getLogger(name).setLevel(logging.ERROR)
    names = options.data or DATA
    if options.choose:
        for name in names:
            choose(name)
        return
    drawn = [row for name in names for row in count(name)]
    trained = [row for name in names for model in GRID for row in measure(name, model)]
    versions = {name: importlib.metadata.version(name) for name in ("pykeen", "torch", "numpy")}
    versions |= {"foils": foils.__version__, "python": platform.python_version()}
    report = {"versions": versions, "drawn": drawn, "trained": trained}
    options.out.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(f"{markdown_drawn(drawn)}\n\n{markdown_trained(trained)}\n")


def sampler(data: Collection, arm: str, seed: int) -> dict[str, Any]:
    """Give what SLCWATrainingLoop takes."""
    if arm in STREAMS:
        stream = foils.NegativeStream(data, arm, seed, negatives=NEGATIVES)
        return {"negative_sampler": stream_sampler(stream)}
    settings = {"num_negs_per_pos": NEGATIVES, "filtered": arm == FILTERED, "filterer": "python-set"}
    if arm == BASIC:
        del settings["filterer"]
    return {"negative_sampler": BasicNegativeSampler, "negative_sampler_kwargs": settings}


def count(name: str) -> Iterator[dict[str, Any]]:
    """Draw once for every train triple and seed, and count what is true of it."""
    data = foils.load(name)
    parts = {split: factory.mapped_triples for split, factory in triples_factories(data).items()}
    train = parts["train"]
    known, hidden = (np.concatenate([numbers(parts[one]) for one in of]) for of in (("train",), ("valid", "test")))
    for arm in ARMS:
        tables: list[Any] = []
        for seed in range(SEEDS):
            torch.manual_seed(seed)
            made = sampler(data, arm, seed)
            drawer = made["negative_sampler"](
                mapped_triples=train, num_entities=len(data.items), num_relations=len(data.triples.relation_ids),
                **made.get("negative_sampler_kwargs", {}),
            )  # fmt: skip
            negatives, mask = drawer.sample(train)
            there = np.ones(negatives.shape[:2], bool) if mask is None else mask.numpy()
            true = (np.isin(numbers(negatives), triples) for triples in (known, hidden))
            tables.append([there.sum(axis=1), *((there & one).sum(axis=1) for one in true)])
        given, seen, unseen = np.array(tables, float).swapaxes(0, 1)
        yield {
            "data": name, "arm": arm, "triples": len(train), "seeds": SEEDS,
            "negatives_per_triple": float(given.mean()), "triples_short": float((given < NEGATIVES).mean()),
            "known_per_1000": interval(bootstrap_ratio(1000 * seen, given, rounds=2000)),
            "hidden_per_1000": interval(bootstrap_ratio(1000 * unseen, given, rounds=2000)),
        }  # fmt: skip


def numbers(triples: Any) -> Any:
    """int64[…], a number for each (h, r, t) of int64[…, 3]."""
    heads, relations, tails = (np.asarray(triples[..., place]) for place in range(3))
    return (relations << 40) | (heads << 20) | tails


def choose(name: str) -> None:
    """Print the MRR of the uniform arm on the valid triples, for every settings of the grid."""
    data = foils.load(name)
    for model, grid in GRID.items():
        for settings in grid:
            ranks, spent = run(data, model, UNIFORM, settings, 0, split="valid")
            sys.stdout.write(f"| {name} | {model} | {settings} | {(1 / ranks).mean():.4f} | {spent:.0f} s |\n")
            sys.stdout.flush()


def measure(name: str, model: str) -> Iterator[dict[str, Any]]:
    """Train every arm with every seed; give one row per arm."""
    data, settings, values, seconds = foils.load(name), SETTINGS[name, model], {}, {}
    for arm in ARMS:
        runs = [run(data, model, arm, settings, seed) for seed in range(SEEDS)]
        ranks = np.array([one for one, _ in runs])  # [S, 2, T]
        values[arm] = {"mrr": (1 / ranks).mean(axis=1), "hits@10": (ranks <= 10).mean(axis=1)}
        seconds[arm] = float(np.mean([spent for _, spent in runs]))
        sys.stderr.write(f"{name} {model} {arm}: {values[arm]['mrr'].mean(axis=1).round(4).tolist()}\n")
    for arm in ARMS:
        row: dict[str, Any] = {
            "data": name, "model": model, "arm": arm, "seeds": SEEDS, "triples": values[arm]["mrr"].shape[1],
            "epochs": EPOCHS, "settings": vars(settings), "cpu_seconds": seconds[arm],
        }  # fmt: skip
        for metric in METRICS:
            table = values[arm][metric]
            row[metric] = {"mean": float(table.mean()), "by_seed": table.mean(axis=1).tolist()}
            for against in (UNIFORM, BASIC):
                if against != arm:
                    difference = paired_difference(table, values[against][metric], rounds=5000)
                    row[metric][f"minus {against}"] = interval(difference.interval)
        yield row


def run(
    data: Collection, model: str, arm: str, settings: Settings, seed: int, split: str = "test"
) -> tuple[Any, float]:
    """Train, evaluate, and give float64[2, T] filtered realistic ranks by side, and CPU seconds of training."""
    factories = triples_factories(data)
    train, asked = factories["train"], factories[split].mapped_triples
    torch.manual_seed(seed)
    began = time.process_time()
    loss = NSSALoss(margin=settings.margin, adversarial_temperature=EQUAL)
    common = {"triples_factory": train, "embedding_dim": DIM, "loss": loss, "random_seed": seed}
    # As in its paper: no unit entities, which PyKEEN's DistMult has by default.
    network = RotatE(**common) if model == "RotatE" else DistMult(**common, entity_constrainer=None, regularizer=None)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.rate)
    loop = SLCWATrainingLoop(model=network, triples_factory=train, optimizer=optimizer, **sampler(data, arm, seed))
    loop.train(train, num_epochs=EPOCHS, batch_size=BATCH, use_tqdm=False, pin_memory=False)
    spent = time.process_time() - began
    evaluator = RankBasedEvaluator(clear_on_finalize=False)
    known = [factory.mapped_triples for name, factory in factories.items() if name != split]
    result = evaluator.evaluate(
        network, asked, additional_filter_triples=known, batch_size=BATCH, use_tqdm=False, pre_filtered_triples=False
    )
    ranks = np.stack([np.concatenate(evaluator.ranks[side, "realistic"]).astype(np.float64) for side in SIDES])
    if abs((1 / ranks).mean() - result.get_metric("mrr")) > 1e-5:
        raise SystemExit("the ranks are not those that PyKEEN sums up")
    return ranks, spent


def interval(found: Any) -> list[float]:
    """Give estimate, low and high."""
    return [found.estimate, found.low, found.high]


def markdown_drawn(rows: list[dict[str, Any]]) -> str:
    """Make the first table of docs/training-knowledge-graph.md."""
    lines = [
        f"| data | sampler | negatives per triple, of {NEGATIVES} asked | triples with fewer "
        "| known train triples per 1,000 negatives | hidden (valid, test) triples per 1,000 |",
        "|---" * 6 + "|",
    ]
    for row in rows:
        known, hidden = ("{:.1f} [{:.1f}, {:.1f}]".format(*row[name]) for name in ("known_per_1000", "hidden_per_1000"))
        lines.append(
            f"| {row['data']} | {row['arm']} | {row['negatives_per_triple']:.2f} | {row['triples_short']:.1%} "
            f"| {'0' if row['known_per_1000'][0] == 0 else known} | {hidden} |"
        )
    return "\n".join(lines)


def markdown_trained(rows: list[dict[str, Any]]) -> str:
    """Make the second table of docs/training-knowledge-graph.md."""
    lines = [
        "| data | model | negatives | MRR | minus uniform | minus PyKEEN basic | Hits@10 | minus uniform | CPU s |",
        "|---" * 9 + "|",
    ]
    for row in rows:
        mrr, hits = (row[metric] for metric in METRICS)
        cells = [
            row["data"], row["model"], row["arm"], f"{mrr['mean']:.3f}", shown(mrr, UNIFORM), shown(mrr, BASIC),
            f"{hits['mean']:.3f}", shown(hits, UNIFORM), f"{row['cpu_seconds']:.0f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def shown(part: dict[str, Any], against: str) -> str:
    """Show a difference with its interval, in bold where the interval leaves out 0."""
    if f"minus {against}" not in part:
        return ""
    estimate, low, high = part[f"minus {against}"]
    text = f"{estimate:+.3f} [{low:+.3f}, {high:+.3f}]".replace("-", "−")
    return f"**{text}**" if low > 0 or high < 0 else text


if __name__ == "__main__":
    main()
