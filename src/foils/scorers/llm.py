"""What an LLM says of pairs, over any endpoint that speaks the OpenAI protocol.

The column is the probability, as the model states it, that the item answers the anchor: uncalibrated. Many candidates
of an anchor may go into one call (RLHN, 2025), or one by one, read from the likelihoods of yes and no (UniME-V2, 2025).
A cheap model first and a strong one where it doubts are two of these scorers, the second with a ``band``.

What is answered is kept at once by content (both texts, model, instruction, task, form), whatever the address: nobody
is asked twice, and a killed run loses the calls that were under way. So a model's name must stand for one model. Budget
and tries used up, a pair stays without a score. The budget is that of one start: a run that is resumed has it anew.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from foils.candidates import Candidates, Kind
from foils.collection import Collection
from foils.errors import InputError, RecipeError
from foils.positives import Int64
from foils.scorers.band import Band
from foils.scorers.llm_asking import Asker, StoppedError
from foils.scorers.llm_budget import Budget
from foils.scorers.llm_endpoint import Endpoint, Place
from foils.scorers.llm_outcomes import Outcome, Outcomes, Seen
from foils.scorers.llm_pairs import TextPairs
from foils.scorers.llm_prompt import RUBRIC, VERSION, Answer, Prompt, compose, expected_tokens
from foils.scorers.pair_cache import PairCache
from foils.scorers.texts import check_both, scored
from foils.search import Inputs
from foils.search.vectors import Float32

OWN = frozenset(
    {"model", "messages", "temperature", "stream", "n", "response_format", "logprobs", "top_logprobs", "max_tokens"}
)
"""Fields of a request that are made here; ``body`` may leave out (null) those that a server does not know."""
ANSWER_LIMIT = "max_completion_tokens"
"""What some servers call the most tokens of an answer, instead of ``max_tokens``."""

Bool = npt.NDArray[np.bool_]
Whole = Annotated[int, msgspec.Meta(ge=1)]


class LlmScorer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Relevance by an LLM behind an HTTP endpoint."""

    relevance: ClassVar[bool] = True
    execution: ClassVar[tuple[str, ...]] = (
        "url", "key_env", "concurrency", "timeout", "retries", "max_calls", "max_tokens"
    )  # fmt: skip
    """Where, how fast and how often is asked: no answer follows from these, so a resumed run may choose anew."""
    budget: ClassVar[tuple[str, ...]] = ("max_calls", "max_tokens")
    """Of these, what may leave pairs without a score: given another, a run goes on with these pairs."""
    url: str = ""
    """Base address, such as http://127.0.0.1:8000/v1; the path /chat/completions is added."""
    model: str = ""
    """Name of the model at the endpoint; answers are kept under it."""
    instruction: str = RUBRIC
    """The rubric: what counts as relevant."""
    task: str = ""
    """What anchors and items are, and what your users look for; added to the rubric."""
    answer: Answer = "json"
    """``json``: the model writes probabilities; ``yes_no``: the likelihood of yes against no, one pair per call."""
    pairs_per_call: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    """Candidates of an anchor that are listed in one call, in random order."""
    max_calls: Whole | None = None
    """Calls of one start at most, tries again included; null = no limit."""
    max_tokens: Whole | None = None
    """Tokens of one start at most, read and written; null = no limit."""
    answer_tokens: Whole | None = None
    """Tokens that an answer may have: more for a model that thinks aloud; null = as the form needs."""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 4
    """Calls at the same time."""
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    """Seconds that a call may take."""
    retries: Annotated[int, msgspec.Meta(ge=0, le=100)] = 4
    """Tries after a failed one."""
    key_env: str = ""
    """Name of the environment variable that holds the key."""
    body: dict[str, Any] = {}
    """Further fields of a request, such as {reasoning_effort: low}; null leaves a field out."""
    positives: Literal["ask", "skip"] = "ask"
    """Whether known positives are asked about too, as rules that compare with them need; ``skip`` costs less."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "llm"
    """Name of the column."""
    band: Band | None = None
    """Candidates that are asked about, by an earlier column; null = all."""

    def __post_init__(self) -> None:
        """Check what fields say together.

        Raises:
            RecipeError: several pairs for one word, a field of the request that is made here, or a budget of tokens
                and answers of any length.
        """
        if self.answer == "yes_no" and self.pairs_per_call > 1:
            raise RecipeError("answer yes_no judges one pair per call; set pairs_per_call to 1, or answer to json")
        _check_body(self.body, self.max_tokens)

    def columns(self) -> Mapping[str, Kind]:
        """The probability, as column ``name``."""
        return {self.name: Kind.PROBABILITY}

    def reads(self) -> tuple[str, ...]:
        """No vectors."""
        return ()

    def check_service(self) -> None:
        """See that endpoint, model and key are named, without calling; see ``Place.check``."""
        self._place.check(self.name)

    def expected(self, collection: Collection, anchors: Int64, items: Int64) -> tuple[int, int]:
        """Estimate what asking about these pairs takes, once each: calls and tokens, without failures."""
        pairs = TextPairs.of_rows(collection, anchors, items)
        calls = pairs.calls(self.pairs_per_call)
        return len(calls), expected_tokens(self._prompt, len(calls), len(pairs), pairs.sent_bytes(calls))

    def least_call(self, collection: Collection, anchors: Int64, items: Int64) -> int:
        """Say how many tokens the smallest call about these pairs may take: what the budget must hold; 0 = no call."""
        pairs = TextPairs.of_rows(collection, anchors, items)
        each = (pairs.question(places) for places in pairs.calls(self.pairs_per_call))
        calls = [compose(self._prompt, question, 0, self._answer_limit) for question in each]
        return min((call.most_tokens for call in calls), default=0)

    def check(self, inputs: Inputs) -> None:
        """See that there are texts."""
        check_both(inputs)

    def unanswered(self, candidates: Candidates, first: int) -> tuple[Bool, Bool]:
        """Tell who was to be asked about and has no score: bool[A, K] candidates, bool[P] positives.

        Args:
            candidates: with the column.
            first: depth of the first look.
        """
        column = candidates.columns[self.name]
        asked = candidates.items >= 0 if self.band is None else self.band.holds(candidates, first)
        positives = np.isnan(np.asarray(column.positives))
        return asked & np.isnan(column.values), positives if self.positives == "ask" else np.zeros_like(positives)

    def digests(self, inputs: Inputs) -> Mapping[str, str]:
        """The version of what surrounds the instruction."""
        return {f"scorers.{self.name}.prompt": str(VERSION)}

    def open(self, inputs: Inputs) -> OpenLlm:
        """Bind to the texts of a run; nothing is called yet."""
        asker = Asker(
            Endpoint.open(self._place, self.body),
            self._prompt,
            Budget(self.max_calls, self.max_tokens),
            self.retries,
            self._answer_limit,
        )
        return OpenLlm(inputs, self, asker, PairCache.open(inputs.cache, self._identity()))

    @property
    def _answer_limit(self) -> int | None:
        """Tokens that an answer may have, however it is said; None = as the form needs."""
        return self.body.get(ANSWER_LIMIT) or self.answer_tokens

    @property
    def _prompt(self) -> Prompt:
        return Prompt(self.instruction, self.task, self.answer)

    @property
    def _place(self) -> Place:
        return Place(self.url, self.model, self.key_env, self.timeout, self.concurrency)

    def _identity(self) -> dict[str, str | int | None]:
        """Say what an answer follows from, beside the texts."""
        return {
            "scorer": "llm",
            "prompt": VERSION,
            "model": self.model,
            "instruction": self.instruction,
            "task": self.task,
            "answer": self.answer,
            "pairs_per_call": self.pairs_per_call,
            "answer_tokens": self.answer_tokens,
            "body": json.dumps(self.body, sort_keys=True),
        }


@dataclass(eq=False)
class OpenLlm:
    """An LLM bound to the texts of a run.

    Attributes:
        inputs: the run's data.
        fields: the scorer.
        asker: asks.
        cache: of this model and prompt.
        lock: one block of pairs at a time; its calls run at the same time.
        storing: guards the cache.
        refusal: what ended the asking for good.
        seen: what came of the pairs of this start.
    """

    inputs: Inputs
    fields: LlmScorer
    asker: Asker
    cache: PairCache
    lock: threading.Lock = field(default_factory=threading.Lock)
    storing: threading.Lock = field(default_factory=threading.Lock)
    refusal: InputError | None = None
    seen: Seen = field(default_factory=Seen)

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: float32[P]; NaN for −1, for items with empty text, and where no answer was to be had.

        Raises:
            InputError: the endpoint refuses, or has never answered.
        """
        at = self._asked(anchors, items)
        scores = np.full(len(items), np.nan, np.float32)
        with self.lock:
            pairs = TextPairs.of_rows(self.inputs.collection, anchors[at], items[at])
            found = self._kept(pairs)
            missing = np.flatnonzero(np.isnan(found))
            outcomes = np.full(len(found), Outcome.KEPT, np.int8)
            if len(missing):
                outcomes[missing] = self._ask(pairs.take(missing))
                found = self._kept(pairs)
            self.seen.note(pairs.codes, outcomes)
        scores[at] = found[pairs.of]
        return scores

    def known(self, anchors: Int64, items: Int64) -> Bool:
        """Tell which pairs need not be asked about: their answers are kept, or the item has no text."""
        at = self._asked(anchors, items)
        known = np.ones(len(items), bool)
        pairs = TextPairs.of_rows(self.inputs.collection, anchors[at], items[at])
        known[at] = ~np.isnan(self._kept(pairs))[pairs.of]
        return known

    def facts(self) -> Mapping[str, Any]:
        """Say what was asked in this start, and what came of it."""
        budget, seen = self.asker.budget, self.seen
        unsent = {"budget": seen.count(Outcome.BUDGET), "silent": seen.count(Outcome.SILENT)}
        return {
            "calls": budget.calls,
            "tokens": budget.tokens,
            "max_calls": budget.max_calls,
            "max_tokens": budget.max_tokens,
            "answered_pairs": seen.count(Outcome.ANSWERED),
            "kept_pairs": seen.count(Outcome.KEPT),
            "unanswered_pairs": {
                "tries used up": seen.count(Outcome.TRIES),
                **{why: count for why, count in unsent.items() if count},
            },
            "failed_calls": dict(sorted(self.asker.tally.failures.items())),
        }

    def warnings(self) -> list[str]:
        """Say what a user should know."""
        name, said = self.fields.name, []
        kept = self.cache.path is not None
        if unsent := self.seen.count(Outcome.BUDGET):
            budget = self.asker.budget
            spent = f"the budget is spent ({budget.calls:,} calls, {budget.tokens:,} tokens)"
            if not budget.calls and budget.refused:
                spent = too_small(budget.max_tokens or 0, budget.refused)
            limit = " or ".join(name for name in self.fields.budget if getattr(self.fields, name) is not None)
            said.append(
                f"{name}: {spent}, and {unsent:,} pairs were not asked about; give the same "
                f"command with another {limit}"
                + (", and it goes on with these" if kept else " and --fresh; without a cache, all are asked about anew")
            )
        if self.asker.tally.silent:
            said.append(
                f"{name}: the endpoint gave no answer to {self.asker.tally.in_a_row} questions in a row, and was asked "
                "no more; mine again with --fresh when it answers: kept answers are not asked again"
            )
        if unanswered := self.seen.count(Outcome.TRIES):
            tries = f"{unanswered:,} pairs got no answer after {1 + self.fields.retries} tries"
            said.append(f"{name}: {tries}; {self.asker.hint()}")
        return said

    def stop(self) -> None:
        """Ask nothing more; calls that are under way end, and their answers are kept."""
        self.asker.stopped.set()

    def _asked(self, anchors: Int64, items: Int64) -> Int64:
        """Find the places of pairs that are asked about at all."""
        at = scored(self.inputs, items)
        if self.fields.positives == "ask":
            return at
        return at[~self.inputs.positives.contains(anchors[at], items[at])]

    def _kept(self, pairs: TextPairs) -> Float32:
        with self.storing:
            return self.cache.get(*pairs.keys)

    def _ask(self, pairs: TextPairs) -> Outcomes:
        """Ask about pairs, calls at the same time; each answer is kept when it comes. Says what came of each pair."""
        if self.refusal is not None:
            raise self.refusal
        outcomes = np.full(len(pairs), Outcome.ANSWERED, np.int8)

        def one(places: Int64) -> None:
            if self.refusal is None:
                left, why = self._judge(pairs.take(places))
                outcomes[places[left]] = why

        with ThreadPoolExecutor(self.fields.concurrency, "foils-llm") as pool:
            for done in [pool.submit(one, places) for places in pairs.calls(self.fields.pairs_per_call)]:
                done.result()
        return outcomes

    def _judge(self, asked: TextPairs) -> tuple[Int64, Outcome]:
        """Ask about some pairs of one anchor; see ``Asker.ask``."""

        def store(of: Int64, answers: Float32) -> None:
            with self.storing:
                self.cache.put(*asked.take(of).keys, answers)

        every = np.arange(len(asked))
        try:
            return self.asker.ask(asked.question(every), store)
        except InputError as error:
            self.refusal = error
            self.asker.stopped.set()  # wakes those who wait
            raise
        except StoppedError:
            if self.refusal is None:
                raise
            return every, Outcome.SILENT  # the call that was refused ends the run


def too_small(max_tokens: int, needed: int) -> str:
    """Say that a budget holds no call."""
    return f"max_tokens={max_tokens:,} is less than one call needs (about {needed:,})"


def _check_body(body: Mapping[str, Any], budget: int | None) -> None:
    """Check the user's own fields of a request, with a budget of tokens or without."""
    taken = sorted(name for name, value in body.items() if name in OWN and value is not None)
    if taken:
        raise RecipeError(f"body sets {', '.join(taken)}, which foils makes itself; leave it out, or set null")
    limit = body.get(ANSWER_LIMIT)
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise RecipeError(f"body sets {ANSWER_LIMIT} to {limit!r:.40}; expected a number of tokens, 1 or more")
    if budget is not None and limit is None and "max_tokens" in body:
        raise RecipeError(
            "body leaves out max_tokens, so that nothing bounds an answer and a budget of tokens could not be kept; "
            f"add {ANSWER_LIMIT} to body, or leave max_tokens in the request"
        )
