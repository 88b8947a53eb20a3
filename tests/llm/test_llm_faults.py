"""An endpoint that fails: what is tried again, what is never exceeded, and what is said."""

import time
from collections import Counter

import numpy as np
import pytest
from llm_server import _CONTENT, RETRIED, Server, by_words
from llm_world import FIELDS, all_pairs, few_pairs, inputs, scorer, truth

from foils.errors import InputError
from foils.scorers import LlmScorer

SLOW = 0.3
"""Seconds that a call may take where the server is slow: it takes twice as long then."""
TOLD = {
    "slow": "timeout",
    "reset": "connection: ReadError",
    "truncated": "connection: RemoteProtocolError",
    "429": "429",
    "500": "500",
    "503": "503",
    "malformed": "no JSON",
    "empty": "no JSON",
    "bomb": "no JSON",  # it was not asked for, and is not unpacked
    "huge": "answer too large",
}


@pytest.mark.parametrize("fault", RETRIED)
def test_a_fault_is_tried_again_and_nothing_is_lost(server, fault):
    server.faults = lambda number: fault if number in (0, 2) else ""
    data, (anchors, items) = inputs(topics=2), few_pairs(2)
    opened = scorer(server, pairs_per_call=4, timeout=SLOW if fault == "slow" else 5.0).open(data)
    found = opened.score(anchors, items)
    np.testing.assert_array_equal(found, truth(data, anchors, items))
    failed = sum(opened.facts()["failed_calls"].values())
    if fault != "slow":  # a busy machine is slow where it was not told to be
        assert failed == (0 if fault == "half" else 2)
        assert server.calls == 4 + 2
    kinds = set(opened.facts()["failed_calls"])
    assert kinds == ({TOLD.get(fault, "wrong form")} if failed else set())


def test_all_faults_together_lose_nothing_and_spend_no_more_than_allowed(server):
    noise = np.random.default_rng(3)
    drawn = [str(fault) for fault in noise.choice(["", *RETRIED], 4000, p=[0.6] + [0.4 / len(RETRIED)] * len(RETRIED))]
    server.faults = drawn.__getitem__
    data, (anchors, items) = inputs(), all_pairs()
    opened = scorer(server, pairs_per_call=12, concurrency=8, retries=30, max_calls=2000, timeout=SLOW).open(data)
    np.testing.assert_array_equal(opened.score(anchors, items), truth(data, anchors, items))
    assert 32 < server.calls <= opened.facts()["calls"] <= 2000
    assert Counter(server.answered).keys() == set(server.asked)
    assert server.most <= 8


@pytest.mark.parametrize("concurrency", [1, 8])
def test_calls_never_pass_the_budget(server, concurrency):
    server.faults = lambda number: "500" if number % 3 == 1 else "slow" if number == 4 else ""
    data, pairs = inputs(), few_pairs()
    opened = scorer(server, max_calls=20, concurrency=concurrency, retries=2, timeout=SLOW).open(data)
    found = opened.score(*pairs)
    assert server.calls == 20
    assert np.isnan(found).sum() >= len(found) - len({*server.answered})
    assert "the budget is spent (20 calls" in opened.warnings()[0]
    opened.score(*pairs)
    assert server.calls == 20


@pytest.mark.parametrize("concurrency", [1, 8])
def test_tokens_never_pass_the_budget_and_hardly_any_are_left(server, concurrency):
    data, pairs = inputs(), all_pairs()
    opened = scorer(server, max_tokens=12_000, concurrency=concurrency, pairs_per_call=3).open(data)
    found = opened.score(*pairs)
    assert np.isnan(found).any()
    assert 9_000 < server.tokens == opened.facts()["tokens"] <= 12_000


def test_the_budget_reckons_with_the_length_of_answer_that_the_server_is_told(server):
    body = {"max_tokens": None, "max_completion_tokens": 4000}
    opened = scorer(server, body=body, max_tokens=4000).open(inputs())
    assert np.isnan(opened.score(*few_pairs())).all()  # one call could take 4,000 tokens besides what it reads
    assert server.calls == 0


def test_tries_used_up_leave_a_pair_without_a_score(server):
    bad = "passage 1 which answers t0 indeed"
    server.judge = lambda query, passage: 7 if passage == bad else by_words(query, passage)
    data, (anchors, items) = inputs(), few_pairs()
    opened = scorer(server, pairs_per_call=6, retries=2).open(data)
    found = opened.score(anchors, items)
    assert np.flatnonzero(np.isnan(found)).tolist() == [1]
    assert opened.facts()["unanswered_pairs"]["tries used up"] == 1
    assert Counter(server.asked)["what is t0", bad] == 3


def test_a_server_that_asks_to_wait_is_left_alone_by_all(server, monkeypatch):
    monkeypatch.setattr("foils.scorers.llm_asking.MOST_ASKED_WAIT", 0.4)
    times = []
    server.faults = lambda number: times.append(time.monotonic()) or ("429" if number == 0 else "")
    monkeypatch.setattr("foils.scorers.llm_endpoint.asked_to_wait", lambda value: 3600.0 if value else 0.0)
    data, pairs = inputs(topics=2), few_pairs(2)
    scorer(server, concurrency=3).open(data).score(*pairs)
    assert times[3] - times[0] >= 0.4  # an hour was asked for; two more were under way


def test_a_server_that_falls_silent_is_asked_no_more(server):
    server.faults = lambda number: "500" if number >= 5 else ""
    data, pairs = inputs(), few_pairs()
    opened = scorer(server, retries=1, concurrency=1).open(data)
    found = opened.score(*pairs)
    assert (~np.isnan(found)).sum() == 5
    assert server.calls == 5 + 2 * 10
    assert any("asked no more" in warning for warning in opened.warnings())


def test_a_server_that_never_answered_is_an_error():
    with Server() as server:
        url = server.url
    opened = LlmScorer(url=url, **{**FIELDS, "retries": 1}).open(inputs())
    with pytest.raises(InputError, match=r"has given no answer for the model 'judge': connection: ConnectError \d×"):
        opened.score(*few_pairs())


def test_an_address_that_is_none_is_an_error():
    opened = LlmScorer(url="http://a..b/v1", **FIELDS).open(inputs())
    with pytest.raises(InputError, match=r"^http://a..b/v1 is no address: "):
        opened.score(*few_pairs())


def test_a_model_that_never_gives_the_form_is_an_error(server):
    server.faults = lambda number: "prose"
    with pytest.raises(InputError, match=r"has given no answer .* wrong form"):
        scorer(server, retries=0, concurrency=1).open(inputs()).score(*few_pairs())
    assert server.calls == 10


@pytest.mark.parametrize(
    ("fault", "fields", "said"),
    [
        (
            "prose",
            {},
            r'wrong form 10×; one answer begins "I think that all .*!", and .*"answers".* answer_tokens[^;]*$',
        ),
        ("prose", {"pairs_per_call": 2}, r"; fewer pairs_per_call are easier$"),
        ("prose", {"answer": "yes_no"}, r"logprobs of yes or no among the top_logprobs"),
        ("list", {}, r'one answer begins "\[1, 2\]"'),
        ("malformed", {}, r'no JSON 10×; one answer begins "\{"choices": \[\{"mess", .*base address of such a server$'),
        (
            "reset",
            {"retries": 1, "pairs_per_call": 2},
            r"connection: .*; nothing listens there, or it hangs up: [^;]*$",
        ),
        ("500", {}, r"500 10×; the fault is the server's: see its log"),
        ("429", {}, r"429 10×; it asks for fewer calls: lower concurrency"),
        ("huge", {}, r"answer too large 10×; see that url"),
    ],
)
def test_what_to_do_follows_from_the_fault(server, fault, fields, said):
    server.faults = lambda number: fault
    if fields.get("answer") == "yes_no":
        server.faults = lambda number: "list"
    with pytest.raises(InputError, match=said):
        scorer(server, **{"retries": 0, "concurrency": 1, **fields}).open(inputs()).score(*few_pairs())


def test_no_part_of_the_key_stands_where_an_answer_is_cut(server, monkeypatch):
    monkeypatch.setenv("THE_KEY", "secretkey")
    monkeypatch.setitem(_CONTENT, "prose", "x" * 95 + "secretkey")
    server.faults = lambda number: "prose"
    opened = scorer(server, retries=0, concurrency=1, key_env="THE_KEY").open(inputs())
    with pytest.raises(InputError, match=r'begins "x{95}…"'):
        opened.score(*few_pairs())


def test_what_an_answer_holds_is_shown_without_the_key(server, monkeypatch):
    monkeypatch.setenv("THE_KEY", "secretkey")
    monkeypatch.setitem(_CONTENT, "prose", "your key is secretkey \x1b[31m" + "x" * 500)
    server.faults = lambda number: "prose"
    opened = scorer(server, retries=0, concurrency=1, key_env="THE_KEY").open(inputs())
    with pytest.raises(InputError, match=r'begins "your key is … \\x1b\[31mx{50,80}"') as caught:
        opened.score(*few_pairs())
    assert "secretkey" not in str(caught.value)
