"""Train the small cross-encoder that scorers.py measures, on data that scorers.py does not measure.

    FOILS_DATA=… python benchmarks/scorers_reranker.py --out FOLDER [--cache FOLDER]
    FOILS_DATA=… python benchmarks/scorers.py --reranker FOLDER --only "cross_encoder, small"

Not the first try: after 100 steps over texts of 64 words a model was near chance on the data measured, and little
better on held-out anchors. These steps and words were set then, once, by what a run on held-out anchors alone took.

- Body: all-MiniLM-L6-v2, an encoder; its head for pairs is new. Anchor and item are read together.
- Data: positives of PAIRS, drawn by hash, each against negatives that nv-retriever mines from MiniLM's vectors. These
  come from the positives' items and others, ITEMS of a data set at most; texts are cut to WORDS words.
- Training: ``fit_reranker`` with SETTINGS, binary cross-entropy over about two epochs; a few anchors are held out
  to say which state is kept.

Needs the extras ``minilm`` and ``train``. 15 minutes of CPU on a quiet core that multiplies bfloat16. Prints what was
trained on and what the held-out anchors say; weights stay in FOLDER. Equal weights need equal machines and packages.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scorers_data import drawn, in_one_split, taken

from foils.collection import Collection
from foils.encoders.minilm import minilm_folder
from foils.integrations.sentence_transformers import RerankerSettings, fit_reranker
from foils.integrations.sentence_transformers.outcome import Evaluated
from foils.mining import mine
from foils.positives import Judgements
from foils.records import Records

PAIRS: Mapping[str, int] = {"scifact": 900, "cacm": 400, "medquad": 1200, "rqe_question_entailment": 400}
"""Positive pairs of each data set; none of them is in scorers_data.py."""
ITEMS = 1500
WORDS = 40
NEGATIVES = 8
SETTINGS = RerankerSettings(
    steps=600,
    batch_size=8,
    learning_rate=1e-4,
    mined_per_anchor=3,
    evaluations=6,
    held_out=0.03,
    dev_candidates=10,
    precision="bfloat16",
)


def main() -> None:
    """Make the training data, train, and say how it went."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="new folder of the model")
    parser.add_argument("--cache", type=Path, help="where vectors are kept; default: a temporary folder")
    options = parser.parse_args()
    started = time.process_time()
    data = merged({name: sample(Path(os.environ["FOILS_DATA"]) / name, most) for name, most in PAIRS.items()})
    pairs = len(data.judgements)
    sys.stdout.write(f"{len(data.anchors):,} anchors, {len(data.items):,} items, {pairs:,} positive pairs\n")
    with tempfile.TemporaryDirectory() as folder:
        mined = mine(data, "nv-retriever", negatives=NEGATIVES, model="minilm", cache=options.cache or folder)
        fitted = fit_reranker(
            data, minilm_folder(), out=options.out, mined=mined, settings=SETTINGS, progress=told, on_evaluation=judged
        )
    seconds = time.process_time() - started
    sys.stdout.write(f"best after {fitted.best} of {fitted.steps} steps; {seconds:.0f} s of CPU\n")


def sample(path: Path, most: int) -> Collection:
    """Draw pairs of a data set, whatever their split, and other items beside theirs; positives alone are kept."""
    full = in_one_split(Collection.from_beir(path))
    given = full.judgements
    readable = ~full.anchors.empty[given.anchors] & ~full.items.empty[given.items]
    chosen = drawn(np.flatnonzero((given.grades > 0) & readable), most, 0)
    anchors, own = np.unique(given.anchors[chosen]), np.unique(given.items[chosen])
    others = np.setdiff1d(np.flatnonzero(~full.items.empty), own)
    items = np.union1d(own, drawn(others, max(ITEMS - len(own), 0), 1))
    known = np.flatnonzero((given.grades > 0) & np.isin(given.anchors, anchors) & np.isin(given.items, items))
    return Collection(full.anchors, full.items, taken(given, known)).part(anchors, items)


def merged(parts: Mapping[str, Collection]) -> Collection:
    """Put data sets side by side, their texts cut."""
    anchors = beside({name: part.anchors for name, part in parts.items()})
    items = beside({name: part.items for name, part in parts.items()})
    ends: list[Sequence[int]] = [
        np.cumsum([0, *(len(side) for side in sides)])
        for sides in ([part.anchors for part in parts.values()], [part.items for part in parts.values()])
    ]
    given = [part.judgements for part in parts.values()]
    rows, columns = (
        np.concatenate([getattr(one, side) + start for one, start in zip(given, starts, strict=False)])
        for side, starts in zip(("anchors", "items"), ends, strict=True)
    )
    ones = np.concatenate([np.ones_like(one.grades) for one in given])
    splits = np.concatenate([np.zeros_like(one.splits) for one in given])
    return Collection(anchors, items, Judgements(rows, columns, ones, splits, ("train",)))


def beside(sides: Mapping[str, Records]) -> Records:
    """Join records; an id gets the name of its data set."""
    ids = [f"{name}/{one}" for name, side in sides.items() for one in side.ids.to_pylist()]
    return Records.of(ids, [" ".join(text.split()[:WORDS]) for side in sides.values() for text in side.full_texts()])


def told(step: int, steps: int, loss: float) -> None:
    """Show the progress."""
    if step % 10 == 0:
        sys.stderr.write(f"{step} of {steps} steps, loss {loss:.3f}\n")


def judged(found: Evaluated) -> None:
    """Say how well the held-out anchors' positives are ranked."""
    sys.stdout.write(f"after {found.step} steps: nDCG@10 {found.quality:.3f} of the anchors held out\n")


if __name__ == "__main__":
    main()
