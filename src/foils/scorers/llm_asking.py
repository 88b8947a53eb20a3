"""Ask until every passage is judged, the tries are used up or the budget is spent.

    wait before try t:   min(60, 0.5 · 2^(t − 1)) · (0.5 + u) seconds, at least what the server asks for (at most 120)

with u counter noise of the question. What a try answers is handed on at once, and the next asks for the rest alone: in
another order and under other ids, for a model without noise would else repeat its mistake. A server that asks to wait
is left alone by all. Where call after call fails, nothing more is asked.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from foils._array import Key, counter_uniform
from foils.errors import InputError
from foils.positives import Int64
from foils.scorers.llm_answers import WrongFormError, probabilities, used_tokens
from foils.scorers.llm_budget import Budget
from foils.scorers.llm_endpoint import Endpoint, Reply, SchemaRefusedError
from foils.scorers.llm_faults import WRONG_FORM, begin, hint, said_by
from foils.scorers.llm_outcomes import Outcome
from foils.scorers.llm_prompt import Call, Prompt, Question, compose
from foils.search.vectors import Float32

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the second try, and before any other."""
MOST_ASKED_WAIT = 120.0
"""Seconds that a server may ask to wait."""
SILENT = 10
"""Questions in a row that nothing came of, until no more are asked."""

Store = Callable[[Int64, Float32], None]
"""Takes answers as they come: places in the question, probabilities."""


class StoppedError(Exception):
    """The run ends; nothing more is asked."""


@dataclass(eq=False)
class Tally:
    """What became of calls and questions, over all threads.

    Attributes:
        failures: of calls, by kind.
        answered: passages that got a probability.
        in_a_row: questions without any answer since the last one with some.
        sample: the beginning of an answer in another form than was asked for.
        several: whether a call asked about several passages.
    """

    failures: Counter[str] = field(default_factory=Counter)
    answered: int = 0
    in_a_row: int = 0
    sample: str = ""
    several: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def silent(self) -> bool:
        """Whether there is no use in asking on."""
        return self.in_a_row >= SILENT


@dataclass(eq=False)
class Asker:
    """Asks one endpoint, from several threads.

    Attributes:
        endpoint: whom.
        prompt: what all calls share.
        budget: what may be spent.
        retries: tries after the first.
        answer_tokens: allowed for an answer; None = by its form.
        tally: what became of it.
        stopped: set when the run ends.
    """

    endpoint: Endpoint
    prompt: Prompt
    budget: Budget
    retries: int
    answer_tokens: int | None
    tally: Tally = field(default_factory=Tally)
    stopped: threading.Event = field(default_factory=threading.Event)
    _quiet_until: float = 0.0

    def ask(self, question: Question, store: Store) -> tuple[Int64, Outcome]:
        """Judge the passages of a question.

        Returns:
            the places of those that are left without an answer, and why.

        Raises:
            InputError: the server refuses, or has never given an answer.
            StoppedError: the run ends.
        """
        left = np.arange(len(question.passages))
        failure = ""
        for attempt in range(self.retries + 1):
            if attempt:
                self._pause(question, attempt)
            reply = self._try(question.take(left), attempt)
            if reply is None:
                return left, Outcome.SILENT if self.tally.silent else Outcome.BUDGET
            found, failure = reply
            done = ~np.isnan(found)
            if done.any():
                store(left[done], found[done])
                self._count(int(done.sum()))
                left = left[~done]
            if not len(left):
                return left, Outcome.ANSWERED
        self._exhausted(failure, nothing=len(left) == len(question.passages))
        return left, Outcome.TRIES

    def _try(self, question: Question, attempt: int) -> tuple[Float32, str] | None:
        """Make one call: float32[n], NaN = no answer, and why; None = no call was made."""
        call = compose(self.prompt, question, attempt, self.answer_tokens)
        while True:
            self._wait(self._quiet_until - time.monotonic())
            if self.tally.silent or not self.budget.reserve(call.most_tokens):
                return None
            used = call.most_tokens  # what is billed of a call that fails, nobody knows
            try:
                reply = self.endpoint.call(call.body)
                said = used_tokens(reply.completion)
                used = 0 if reply.failure == "429" else used if said is None else said
                return self._read(reply, call)
            except SchemaRefusedError:  # once: the next call goes without
                used = 0
            finally:
                self.budget.settle(call.most_tokens, used)

    def _read(self, reply: Reply, call: Call) -> tuple[Float32, str]:
        nothing, failure, sample = np.full(len(call.ids), np.nan, np.float32), reply.failure, reply.sample
        if not failure:
            try:
                return probabilities(reply.completion, self.prompt.answer, call.ids), ""
            except WrongFormError:
                failure, sample = WRONG_FORM, begin(self.endpoint.without_key(said_by(reply.completion)))
        with self.tally.lock:
            self.tally.failures[failure] += 1
            self.tally.sample = self.tally.sample or sample
            self.tally.several |= len(call.ids) > 1
            if reply.wait_seconds:
                until = time.monotonic() + min(reply.wait_seconds, MOST_ASKED_WAIT)
                self._quiet_until = max(self._quiet_until, until)
        return nothing, failure

    def _pause(self, question: Question, attempt: int) -> None:
        noise = float(counter_uniform(Key(0, "scorers.llm.wait", attempt), question.query_bits, question.bits[0]))
        self._wait(min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)) * (0.5 + noise))

    def _wait(self, seconds: float) -> None:
        if self.stopped.wait(max(seconds, 0.0)):
            raise StoppedError

    def _count(self, answered: int) -> None:
        with self.tally.lock:
            self.tally.answered += answered
            self.tally.in_a_row = 0

    def _exhausted(self, failure: str, *, nothing: bool) -> None:
        """Give a question up; where there never was an answer, that is no accident."""
        with self.tally.lock:
            self.tally.in_a_row += nothing
            never = not self.tally.answered and (failure.startswith("connection") or self.tally.silent)
        if never:
            place = self.endpoint.place
            raise InputError(
                f"{place.url} has given no answer for the model {place.model!r}: {self._reasons()}; {self.hint()}"
            )

    def hint(self) -> str:
        """Say what to do about calls that failed."""
        tally = self.tally
        return hint(tally.failures, self.prompt.answer, tally.sample, several=tally.several)

    def _reasons(self) -> str:
        return ", ".join(f"{kind} {count}×" for kind, count in self.tally.failures.most_common())
