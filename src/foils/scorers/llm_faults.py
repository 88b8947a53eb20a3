"""What to do where an endpoint gives no answer: by the kind of fault that was met most.

A connection that fails is no matter of pairs_per_call, and an answer in another form none of retries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from foils.errors import printable
from foils.scorers.llm_prompt import Answer

WRONG_FORM, NO_JSON = "wrong form", "no JSON"
SHOWN = 100
"""Characters of an answer that are shown."""
EXPECTED: dict[Answer, str] = {
    "json": 'a chat completion whose content is {"answers": [{"id": "…", "p": 0.0}]}',
    "yes_no": "a chat completion with the logprobs of yes or no among the top_logprobs of its first token",
}
HINTS = {
    "connection": "nothing listens there, or it hangs up: see that the server runs, and that url has its host and port",
    "timeout": "raise timeout, or lower concurrency",
    "429": "it asks for fewer calls: lower concurrency, or raise retries",
    "5": "the fault is the server's: see its log, and that it has loaded the model",
    "408": "raise timeout, or lower concurrency",
    "answer too large": "see that url is the base address of such a server",
}
"""How a failure begins, and what mends it."""


def hint(failures: Mapping[str, int], answer: Answer, sample: str, *, several: bool) -> str:
    """Say what to do.

    Args:
        failures: of calls, by kind.
        answer: the form that was asked for.
        sample: the beginning of an answer in another form; "" = there was none.
        several: whether a call asked about several pairs.
    """
    most = max(failures, key=lambda kind: failures[kind], default="")
    if most in (WRONG_FORM, NO_JSON):
        fewer = "; fewer pairs_per_call are easier" if several else ""
        model = "choose a model that can, or allow more answer_tokens where it thinks aloud"
        mend = "see that url is the base address of such a server" if most == NO_JSON else model
        return f'one answer begins "{sample}", and {EXPECTED[answer]} was expected: {mend}{fewer}'
    mend = next((text for begins, text in HINTS.items() if most.startswith(begins)), "")
    return mend or "see what the server says, and raise retries or timeout"


def said_by(completion: Any) -> str:
    """Give what a model wrote, or the whole answer where it wrote nothing."""
    try:
        said = completion["choices"][0]["message"]["content"]
    except (LookupError, TypeError):
        said = None
    return said if isinstance(said, str) and said else json.dumps(completion, ensure_ascii=False)


def begin(text: str) -> str:
    """Cut a text and escape what could steer a terminal."""
    return printable(text[:SHOWN])[:SHOWN]
