"""Mine with an LLM behind a server that misbehaves, again and again; print what was lost, overspent or asked twice.

    python benchmarks/llm_faults.py [--rounds 20]

Each round draws a mix of faults, a concurrency, list lengths and budgets; the server counts on its own. Expected: no
pair with a wrong score, none lost unless the budget was spent or the tries used up and then named, no budget exceeded.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "llm"))

from llm_server import RETRIED, Server, by_words
from llm_world import world

from foils.mining import Mined, mine
from foils.scorers import llm_asking

TOPICS = 12
DEPTH = 24


def main() -> None:
    """Run the campaign, and fail if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    llm_asking.FIRST_WAIT, llm_asking.MOST_ASKED_WAIT = 0.002, 0.03
    total: Counter[str] = Counter()
    started = time.perf_counter()
    for number in range(rounds):
        tally = campaign(np.random.default_rng(number))
        total.update(tally)
        say(f"round {number}: " + ", ".join(f"{name} {count:,}" for name, count in tally.items()))
    say(f"\n{rounds} rounds in {time.perf_counter() - started:.0f} s")
    for name, count in total.items():
        say(f"  {name:<40}{count:>10,}")
    wrong = [name for name in total if name.startswith("FAULT") and total[name]]
    sys.exit(f"failed: {', '.join(wrong)}" if wrong else 0)


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def campaign(noise: np.random.Generator) -> Counter[str]:
    """Mine once under faults: counts by what they are of."""
    share = noise.uniform(0.1, 0.5)
    weights = [1 - share, *noise.dirichlet(np.ones(len(RETRIED))) * share]
    drawn = [str(fault) for fault in noise.choice(["", *RETRIED], 20_000, p=weights)]
    budget = {
        "max_calls": int(noise.integers(20, 400)) if noise.random() < 0.4 else None,
        "max_tokens": int(noise.integers(20_000, 200_000)) if noise.random() < 0.4 else None,
    }
    pairs_per_call, retries = int(noise.choice([1, 3, 8, 25])), int(noise.choice([1, 4, 12]))
    collection, queries, corpus = world(TOPICS)
    with Server() as server, tempfile.TemporaryDirectory() as folder:
        server.faults = drawn.__getitem__
        fields = {"url": server.url, "model": "judge", "timeout": 0.15, "retries": retries, **budget,
                  "concurrency": int(noise.integers(1, 17)), "pairs_per_call": pairs_per_call}  # fmt: skip
        mined = mine(
            collection, recipe(Path(folder), fields), negatives=2, query_vectors=queries, item_vectors=corpus,
            cache=Path(folder) / "cache", out=Path(folder) / "out",
        )  # fmt: skip
        return counted(mined, server, budget)


def recipe(folder: Path, fields: dict) -> Path:
    """Write a recipe with this judge."""
    parts = {
        "source": {"dense": {"k": DEPTH, "max_depth": DEPTH}},
        "scorers": [{"llm": fields}],
        "rules": [{"max_score": {"threshold": 0.5, "unscored": "keep"}}],
        "sampler": {"top_k": {"column": "dense"}},
    }
    path = folder / "judged.yaml"
    path.write_text(json.dumps(parts))
    return path


def counted(mined: Mined, server: Server, budget: dict) -> Counter[str]:
    """Compare what the result holds with what the server knows."""
    collection = world(TOPICS)[0]
    texts = collection.anchors.full_texts(), collection.items.full_texts()
    left = mined.unscored()
    named = {
        (texts[0][int(anchor)], texts[1][int(item)])
        for anchor, item in zip(left["anchor_id"].to_pylist(), left["item_id"].to_pylist(), strict=True)
    }
    table = mined.result.candidates(["anchor", "items", "score.llm"])
    wrong = scored = 0
    for anchor, items, scores in zip(*(column.to_pylist() for column in table.columns), strict=True):
        for item, score in zip(items, scores, strict=True):
            if score is not None and not np.isnan(score):
                scored += 1
                wrong += abs(score - by_words(texts[0][anchor], texts[1][item])) > 1e-6
    facts = mined.stats["scorers"]["llm"]
    over = [limit is not None and spent > limit for limit, spent in
            ((budget["max_calls"], server.calls), (budget["max_tokens"], server.tokens))]  # fmt: skip
    return Counter(
        {
            "pairs": TOPICS * (DEPTH + 1),
            "scored candidates": scored,
            "pairs left unscored, all named": len(named),
            "calls": server.calls,
            "failed calls": sum(facts["failed_calls"].values()),
            "FAULT: wrong scores": wrong,
            "FAULT: pairs neither scored nor named": TOPICS * (DEPTH + 1) - len(named) - len(server_scored(mined)),
            "FAULT: calls counted otherwise": int(server.calls > facts["calls"]),
            "FAULT: calls over the budget": int(over[0]),
            "FAULT: tokens over the budget": int(over[1]),
        }
    )


def server_scored(mined: Mined) -> list[float]:
    """List the scores that the result holds, of candidates and positives."""
    table = mined.result.candidates(["score.llm", "positive_score.llm"])
    scores = [score for column in table.columns for cell in column.to_pylist() for score in cell]
    return [score for score in scores if score is not None and not np.isnan(score)]


if __name__ == "__main__":
    main()
