"""What an LLM answered: probabilities for the ids that were asked, and nothing else.

    json      {"answers": [{"id": "a41d", "p": 0.85}, …]}
    yes_no    P(yes) / (P(yes) + P(no)) of the first token (UniME-V2, 2025)

An answer is text of a stranger: ids that nobody asked are dropped, an entry that is no probability is none, and an id
with two different ones has none.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from foils.scorers.llm_prompt import Answer
from foils.search.vectors import Float32

THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
QUOTES = " \t\n\r\"'`*._▁Ġ"
"""What stands around the word of an answer in tokens of some models."""


class WrongFormError(Exception):
    """An answer is not of the form that was asked for."""


def probabilities(completion: Any, answer: Answer, ids: Sequence[str]) -> Float32:
    """Read a completion: float32[n], NaN where it says nothing valid of an id.

    Args:
        completion: the decoded body.
        answer: the form that was asked for.
        ids: of the passages.

    Raises:
        WrongFormError: it says nothing valid at all.
    """
    try:
        choice = completion["choices"][0]
        given = _listed(choice["message"]["content"]) if answer == "json" else {ids[0]: _yes(choice["logprobs"])}
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise WrongFormError(type(error).__name__) from error
    found = np.array([given.get(one, math.nan) for one in ids], np.float32)
    if np.isnan(found).all():
        raise WrongFormError("no probability for an id that was asked")
    return found


def used_tokens(completion: Any) -> int | None:
    """Read how many tokens a call used; None where the server does not say."""
    try:
        total = completion["usage"]["total_tokens"]
    except (LookupError, TypeError):
        return None
    return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None


def _listed(content: Any) -> Mapping[str, float]:
    entries = _object(content)["answers"]
    found: dict[str, float] = {}
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            continue
        p = _probability(entry.get("p"))
        same = found.get(entry["id"], p) == p
        found[entry["id"]] = p if same else math.nan
    return found


def _object(content: Any) -> Any:
    """Find the JSON object of an answer, also after thoughts and within a fence."""
    if not isinstance(content, str):
        raise TypeError
    text = THOUGHTS.sub("", content)
    return json.JSONDecoder().raw_decode(text, text.index("{"))[0]


def _probability(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return math.nan
    return float(value)


def _yes(logprobs: Any) -> float:
    """Weigh yes against no among the likeliest first tokens."""
    mass = {"yes": 0.0, "no": 0.0}
    for token in logprobs["content"][0]["top_logprobs"]:
        word, logprob = str(token["token"]).strip(QUOTES).casefold(), token["logprob"]
        if word in mass and logprob <= 0:
            mass[word] += math.exp(logprob)
    total = mass["yes"] + mass["no"]
    return mass["yes"] / total if total > 0 else math.nan
