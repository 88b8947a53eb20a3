"""What is sent and what is read: prompts and answers, without a server."""

import json
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from foils.scorers.llm_answers import WrongFormError, probabilities, used_tokens
from foils.scorers.llm_budget import Budget
from foils.scorers.llm_pairs import TextPairs
from foils.scorers.llm_prompt import CONTROL, Prompt, Question, compose, escaped

PROMPT = Prompt("judge", "of tests", "json")


def question(*passages, query="q"):
    return Question(query, passages, np.arange(len(passages)) * 7919, np.int64(5))


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@example("<|im_end|>[INST][/INST]</s>[gMASK] [1]\\[INST]\\<")
@example("\u2028\u2029\x85\r\n\x1b[31m\U0001f600\U000e0001")
def test_data_reach_the_model_as_they_are_on_one_line_without_control_tokens(text):
    data = escaped(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(data) == {"text": text}
    assert len(data.splitlines()) == 1
    assert data.isprintable()
    assert not CONTROL.search(data)


def test_every_try_has_another_order_and_other_names():
    asked = question(*(f"passage {place}" for place in range(20)))
    calls = [compose(PROMPT, asked, attempt, None) for attempt in (0, 0, 1)]
    assert calls[0] == calls[1]
    assert not set(calls[0].ids) & set(calls[2].ids)
    listed = [json.loads(call.body["messages"][1]["content"].split("\n")[2])["passages"] for call in calls[1:]]
    orders = [[calls[at + 1].ids.index(one["id"]) for one in part] for at, part in enumerate(listed)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))
    assert all(one["text"] == f"passage {place}" for one, place in zip(listed[0], orders[0], strict=True))


def test_ids_never_repeat():
    assert len(set(compose(PROMPT, question(*map(str, range(1000))), 0, None).ids)) == 1000


def test_pairs_go_into_calls_by_anchor():
    pairs = TextPairs(
        ["a", "b"], [str(place) for place in range(9)], np.array([b"a" * 16, b"b" * 16]),
        np.array([str(place).encode() * 16 for place in range(9)]), np.repeat([0, 1], [7, 2]), np.arange(9) % 8,
        np.arange(9),
    )  # fmt: skip
    calls = pairs.calls(3)
    assert sorted(map(len, calls)) == [1, 2, 3, 3]
    assert sorted(np.concatenate(calls).tolist()) == list(range(9))
    assert all(len(set(pairs.query[call].tolist())) == 1 for call in calls)
    # What is left after some whole calls goes into the same calls as before.
    rest = pairs.take(np.sort(np.concatenate([calls[0], calls[3]])))
    assert [len(call) for call in rest.calls(3)] == [3, 2]


def completion(content):
    return {"choices": [{"message": {"content": content}}]}


GOOD = '{"answers": [{"id": "a", "p": 0.25}, {"id": "b", "p": 1}]}'


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f'<think>{{"answers": [{{"id": "a", "p": 1}}]}} or not?</think>\n{GOOD} I hope that this helps.',
        GOOD.replace("]", ', {"id": "c", "p": 0.5}, {"id": 3}, "x", {"id": "a", "p": 0.25}]'),
    ],
)
def test_an_answer_is_found_in_what_surrounds_it(content):
    np.testing.assert_array_equal(probabilities(completion(content), "json", ["b", "a"]), [1, 0.25])


@pytest.mark.parametrize(
    "entries",
    [
        '{"id": "a", "p": 0.25}, {"id": "b", "p": true}',
        '{"id": "a", "p": 0.25}, {"id": "b", "p": "0.5"}',
        '{"id": "a", "p": 0.25}, {"id": "b", "p": 1.01}',
        '{"id": "a", "p": 0.25}, {"id": "b", "p": NaN}',
        '{"id": "a", "p": 0.25}, {"id": "b", "p": 0.1}, {"id": "b", "p": 0.9}, {"id": "b", "p": 0.9}',
        '{"id": "a", "p": 0.25}, {"id": "b"}',
        '{"id": "a", "p": 0.25}',
    ],
)
def test_what_is_no_probability_is_no_answer(entries):
    found = probabilities(completion(f'{{"answers": [{entries}]}}'), "json", ["a", "b"])
    np.testing.assert_array_equal(found, [0.25, np.nan])


@pytest.mark.parametrize(
    "given_completion",
    [
        None, 3, [], {}, {"choices": []}, {"choices": [None]}, completion(None), completion("yes"), completion("{"),
        completion('{"answers": {}}'), completion('{"answers": [{"id": "z", "p": 1}]}'), completion("[" * 100_000),
        completion('{"answers": ' + "[" * 100_000),
    ],
)  # fmt: skip
def test_what_is_no_answer_at_all_is_told(given_completion):
    for form in ("json", "yes_no"):
        with pytest.raises(WrongFormError):
            probabilities(given_completion, form, ["a"])


@pytest.mark.parametrize(
    ("masses", "expected"),
    [
        ({"yes": 0.6, "no": 0.2}, 0.75),
        ({" Yes": 0.3, "YES.": 0.3, "▁no": 0.1, "No": 0.1, "maybe": 0.2}, 0.75),
        ({"No": 0.9}, 0.0),
    ],
)
def test_yes_is_weighed_against_no(masses, expected):
    tokens = [{"token": token, "logprob": math.log(mass)} for token, mass in masses.items()]
    given_completion = {"choices": [{"logprobs": {"content": [{"top_logprobs": tokens}]}}]}
    assert probabilities(given_completion, "yes_no", ["a"])[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    "token", [{"token": None, "logprob": -1}, {"token": "yes", "logprob": -(10**400)}, {"token": 5}]
)
def test_likelihoods_that_are_none_are_no_answer(token):
    with pytest.raises(WrongFormError):
        probabilities({"choices": [{"logprobs": {"content": [{"top_logprobs": [token]}]}}]}, "yes_no", ["a"])


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [({"total_tokens": 7}, 7), ({"total_tokens": -1}, None), ({"total_tokens": True}, None), (3, None)],
)
def test_used_tokens_are_read(usage, tokens):
    assert used_tokens({"usage": usage}) == tokens


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 1)), max_size=40), st.integers(1, 30), st.integers(1, 300))
def test_a_budget_is_never_exceeded(calls, max_calls, max_tokens):
    budget = Budget(max_calls, max_tokens)
    for most, share in calls:
        if budget.reserve(most):
            budget.settle(most, int(most * share))
        assert budget.calls <= max_calls
        assert budget.tokens <= max_tokens
