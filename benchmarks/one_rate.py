"""Does one rate give the same share of false negatives whatever scores, where one threshold does not? NFCorpus.

    FOILS_DATA=… python benchmarks/one_rate.py [--vectors FOLDER] [--out docs/one-rate.json]

Fixed before the run: on the anchors of train with at least 5 positives one is kept, drawn by seed, and the others are
hidden; a candidate that is hidden is a positive, every other is not. Four scorers of unlike quality and scale: MiniLM,
a static encoder trained on the known positives with the defaults of ``foils train --kind static``, random vectors of
words (cosine all three), and BM25. For each of 20 seeds, 600 of a scorer's 100 best candidates per anchor are labelled
by the truth, drawn at random; the score is calibrated to them by isotonic regression; then 10 negatives per anchor are
drawn, the best-ranked that ``max_false_negative_rate`` keeps. The threshold is the one that gives MiniLM the rate that
is asked for, known from its truth, and is then applied to the others. The rate that counts is that of the negatives
drawn.

Prints the table as Markdown and writes all numbers as JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import foils
from foils._cache import cache_folder
from foils.collection import Collection
from foils.encoders import encode_collection, open_encoder
from foils.errors import RecipeError
from foils.mining import Mined, mine
from foils.recipes import from_resolved
from foils.training import bag_collection, fit_static

RATES = (0.02, 0.05, 0.10)
SEEDS, LABELS, NEGATIVES, LEAST_POSITIVES = 20, 600, 10, 5
DIM = 512
DENSE = {"source": {"dense": {"k": 100, "max_depth": 100}}, "sampler": {"top_k": {}}}
LEXICAL = {"source": {"bm25": {"k": 100, "max_depth": 100}}, "sampler": {"top_k": {}}}


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels by the truth, as ``foils.calibrate`` takes them."""

    anchor_ids: pa.Array
    item_ids: pa.Array
    labels: Any
    pi: Any


@dataclass(frozen=True, eq=False)
class Mining:
    """What one scorer finds, and the truth of it."""

    name: str
    mined: Mined
    truth: frozenset[tuple[str, str]]

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """All candidates by id."""
        table, ids = self.mined.result.candidates(["unit_id", "items"]), self.mined.result.names.items.to_pylist()
        rows = zip(table["unit_id"].to_pylist(), table["items"].to_pylist(), strict=True)
        return [(anchor, ids[item]) for anchor, items in rows for item in items]

    @cached_property
    def hidden(self) -> Any:
        """bool[P], whether each is a hidden positive."""
        return np.array([pair in self.truth for pair in self.pairs])

    def labels(self, seed: int) -> Labels:
        """Label candidates drawn at random."""
        places = np.random.default_rng(seed).choice(len(self.pairs), LABELS, replace=False)
        anchors, items = zip(*(self.pairs[place] for place in places), strict=True)
        none = np.full(LABELS, LABELS / len(self.pairs))
        return Labels(pa.array(anchors), pa.array(items), self.hidden[places].astype(np.int8), none)

    def drawn(self, mined: Mined) -> dict[str, float | None]:
        """Count what was drawn; there is no rate of nothing."""
        table = mined.negatives.select(["anchor_id", "negative_ids"])
        rows = zip(table["anchor_id"].to_pylist(), table["negative_ids"].to_pylist(), strict=True)
        found = [(anchor, item) in self.truth for anchor, items in rows for item in items]
        asked = NEGATIVES * len(table)
        return {"rate": float(np.mean(found)) if found else None, "filled": len(found) / asked}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/one-rate.json"))
    parser.add_argument("--vectors", type=Path, help="folder of nfcorpus.q.npy and nfcorpus.c.npy, instead of encoding")
    options = parser.parse_args()
    rows = measure(options.vectors)
    options.out.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(markdown(rows) + "\n")


def measure(vectors: Path | None) -> list[dict[str, Any]]:
    """Give one row per scorer and rate."""
    minings = mined_by_all(vectors)
    rows, thresholds = [], {rate: raw_threshold(minings[0], rate) for rate in RATES}
    for one in minings:
        column = one.mined.identity.scores
        settings = [foils.calibrate(one.mined, one.labels(seed), columns=[column]) for seed in range(SEEDS)]
        plain = one.drawn(one.mined)["rate"]
        for rate in RATES:
            rule = f'rules=[{{"max_false_negative_rate": {{"rate": {rate}}}}}]'
            by_rate = [one.drawn(one.mined.rethreshold([each.setting(), rule])) for each in settings]
            raw = cut(one.mined, thresholds[rate])
            rows.append(
                {
                    "scorer": one.name,
                    "asked": rate,
                    "no_rule": plain,
                    "calibration_error_before": _mean(
                        each.before.calibration_error for each in settings if each.before
                    ),
                    "calibration_error_after": _mean(each.after.calibration_error for each in settings if each.after),
                    "by_rate": [each["rate"] for each in by_rate],
                    "by_rate_filled": _mean(each["filled"] for each in by_rate),
                    "threshold": thresholds[rate],
                    "by_threshold": None if raw is None else one.drawn(raw),
                }
            )
    return rows


def mined_by_all(vectors: Path | None) -> list[Mining]:
    """Hide positives, and mine by every scorer without rules."""
    full = foils.load("nfcorpus")
    sides = full.anchors.full_texts(0, len(full.anchors)), full.items.full_texts(0, len(full.items))
    anchors, items = full.positives(("train",)).given().relation.coordinates()
    order = np.random.default_rng(0).permutation(len(anchors))
    kept = order[np.unique(anchors[order], return_index=True)[1]]
    kept = kept[np.bincount(anchors)[anchors[kept]] >= LEAST_POSITIVES]
    known = Collection.from_arrays(np.stack([anchors[kept], items[kept]], axis=1), anchors=sides[0], items=sides[1])
    truth = frozenset(zip(map(str, anchors.tolist()), map(str, items.tolist()), strict=True))
    found = {
        "MiniLM": (DENSE, minilm(full, vectors)),
        "static, trained": (DENSE, static_vectors(known)),
        "random word vectors": (DENSE, word_vectors(*sides)),
    }
    minings = [
        mine(known, from_resolved(recipe, "plain"), negatives=NEGATIVES, query_vectors=pair[0], item_vectors=pair[1])
        for recipe, pair in found.values()
    ]
    minings.append(mine(known, from_resolved(LEXICAL, "plain"), negatives=NEGATIVES))
    return [Mining(name, mined, truth) for name, mined in zip([*found, "BM25"], minings, strict=True)]


def minilm(full: Collection, vectors: Path | None) -> tuple[Any, Any]:
    """Read or make MiniLM's vectors."""
    if vectors is None:
        return encode_collection(open_encoder("minilm"), full, cache=cache_folder())
    return np.load(vectors / "nfcorpus.q.npy"), np.load(vectors / "nfcorpus.c.npy")


def static_vectors(known: Collection) -> tuple[Any, Any]:
    """Train a static encoder on the known positives, by its defaults."""
    bags = bag_collection(known)
    encoder = fit_static(known, bags=bags)
    return encoder.pool(bags.anchors), encoder.pool(bags.items)


def word_vectors(queries: list[str], corpus: list[str]) -> tuple[Any, Any]:
    """Add up a random vector for each word, weighted by its rarity; a text without a known word gets the mean."""
    words = [[re.findall(r"[a-z0-9]{2,}", text.lower()) for text in side] for side in (queries, corpus)]
    spread = Counter(word for text in words[1] for word in set(text))
    place = {word: row for row, word in enumerate(sorted(spread))}
    rarity = np.log(1 + len(corpus) / np.array([spread[word] for word in sorted(spread)]))
    table = np.random.default_rng(0).standard_normal((len(place), DIM)) * rarity[:, None]

    def vector(text: list[str]) -> Any:
        counts = Counter(place[word] for word in text if word in place)
        rows = list(counts) or slice(None)
        weights = 1 + np.log(list(counts.values())) if counts else np.full(len(place), 1 / len(place))
        return weights @ table[rows]

    return tuple(np.stack([vector(text) for text in side]).astype(np.float32) for side in words)  # type: ignore[return-value]


def raw_threshold(one: Mining, rate: float) -> float:
    """Find the threshold by which the drawn negatives have this rate, knowing the truth: bisection on the score."""
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        judged = cut(one.mined, middle)
        low, high = (low, middle) if judged and (one.drawn(judged)["rate"] or 0.0) > rate else (middle, high)
    return low


def cut(mined: Mined, threshold: float) -> Mined | None:
    """Judge by a threshold; None where the scores have no scale that one could stand on."""
    try:
        return mined.rethreshold([f'rules=[{{"max_score": {{"threshold": {threshold}}}}}]'])
    except RecipeError:
        return None


def markdown(rows: list[dict[str, Any]]) -> str:
    """Write the table."""
    head = [
        "| scores by | calibration error | rate asked | without a rule | by `max_false_negative_rate`, mean of "
        f"{SEEDS} (range) | filled | by MiniLM's threshold | filled |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join(head + [_line(row) for row in rows])


def _line(row: dict[str, Any]) -> str:
    rates = [rate for rate in row["by_rate"] if rate is not None]
    nothing = f"; nothing kept in {SEEDS - len(rates)}" if len(rates) < SEEDS else ""
    spread = f"{np.mean(rates):.1%} ({min(rates):.1%} to {max(rates):.1%}{nothing})" if rates else "nothing kept"
    cut = row["by_threshold"]
    other = "refused | –" if cut is None else f"{_share(cut['rate'])} | {cut['filled']:.0%}"
    errors = " → ".join(
        "–" if error is None else f"{error:.3f}"
        for error in (row["calibration_error_before"], row["calibration_error_after"])
    )
    return (
        f"| {row['scorer']} | {errors} | {row['asked']:.0%} | {row['no_rule']:.1%} | {spread} | "
        f"{row['by_rate_filled']:.0%} | {other} |"
    )


def _share(rate: float | None) -> str:
    return "nothing kept" if rate is None else f"{rate:.1%}"


def _mean(values: Any) -> float | None:
    numbers = list(values)
    return float(np.mean(numbers)) if numbers else None


if __name__ == "__main__":
    main()
