"""Texts to words to numbers, and numbers to impacts: whatever the chunks, and without any word."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.search.lexical_words import Tokens, words
from foils.search.postings import Postings

TEXTS = st.lists(st.text("ab c1é?", max_size=12), max_size=12)


def test_words_are_runs_of_letters_and_digits_case_folded():
    assert words("Straße_42: naïve CO₂ —Ωmega; 東京 タワー don't") == [
        "strasse", "42", "naïve", "co2", "ωmega", "東京", "タワー", "don", "t",
    ]  # fmt: skip
    assert words("हिन्दी किताब") == ["हिन्दी", "किताब"]  # vowel signs are marks, and parts of words
    assert words("nai\u0308ve \u0308 x") == ["naïve", "x"]
    assert words("plain words 4") == words("plain words 4 é")[:-1]


@given(TEXTS, st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_numbers_are_the_order_of_first_occurrence_whatever_the_chunks(texts, chunk):
    tokens = Tokens.of(iter(texts), chunk=chunk)
    numbers = {}
    expected = [[numbers.setdefault(word, len(numbers)) for word in words(text)] for text in texts]
    assert tokens.vocabulary.to_pylist() == list(numbers)
    assert [tokens.numbers[a:b].tolist() for a, b in zip(tokens.indptr, tokens.indptr[1:], strict=False)] == expected
    assert tokens.numbers.dtype == np.int32


@given(TEXTS, TEXTS)
@settings(max_examples=40, deadline=None)
def test_unknown_words_are_left_out(items, anchors):
    vocabulary = Tokens.of(items).vocabulary
    numbers = {word: number for number, word in enumerate(vocabulary.to_pylist())}
    found = Tokens.of(anchors).numbered_by(vocabulary)
    expected = [[numbers[word] for word in words(text) if word in numbers] for text in anchors]
    assert [found.numbers[a:b].tolist() for a, b in zip(found.indptr, found.indptr[1:], strict=False)] == expected
    assert found.vocabulary.equals(vocabulary)


def test_no_text_gives_no_word():
    for texts in ([], [""], ["", "?"]):
        tokens = Tokens.of(texts)
        assert (len(tokens.numbers), len(tokens.vocabulary), len(tokens.indptr)) == (0, 0, len(texts) + 1)
        assert tokens.numbered_by(pa.array(["a"], pa.large_string())).numbers.tolist() == []


@given(st.lists(st.lists(st.integers(0, 6), max_size=9), max_size=9))
@settings(max_examples=40, deadline=None)
def test_postings_hold_each_item_once_per_word_in_order(lists):
    numbers = np.array([number for one in lists for number in one], np.int32)
    indptr = np.cumsum([0, *map(len, lists)])
    postings = Postings.of(numbers, indptr, 8, k1=1.0, b=0.0, method="atire")  # b = 0: 2f / (f + 1) · ln(N / n)
    for word in range(8):
        part = slice(*postings.indptr[word : word + 2])
        held = [item for item, one in enumerate(lists) if word in one]
        assert postings.indices[part].tolist() == held
        times = np.array([lists[item].count(word) for item in held])
        weight = np.log(len(lists) / max(len(held), 1)) if held else 0.0
        np.testing.assert_allclose(postings.data[part], 2 * times / (times + 1) * weight, rtol=1e-6)
    assert postings.n_items == len(lists)


def test_impacts_do_not_depend_on_how_many_are_computed_together(monkeypatch):
    rng = np.random.default_rng(0)
    given = rng.integers(0, 50, 3000).astype(np.int32), np.sort(np.append(rng.integers(0, 3001, 99), [0, 3000]))
    fields = {"k1": 0.9, "b": 0.4, "method": "lucene"}
    whole = Postings.of(*given, 50, **fields)
    monkeypatch.setattr("foils.search.postings.STEP", 7)
    np.testing.assert_array_equal(Postings.of(*given, 50, **fields).data, whole.data)


def test_many_tokens_are_sorted_with_wide_numbers(monkeypatch):
    given = np.array([3, 1, 3, 0, 1], np.int32), np.array([0, 3, 3, 5])
    fields = {"k1": 0.9, "b": 0.4, "method": "lucene"}
    narrow = Postings.of(*given, 5, **fields)
    monkeypatch.setattr("foils.search.postings.MOST_TOKENS", 2)
    wide = Postings.of(*given, 5, **fields)
    for name in ("data", "indices", "indptr"):
        assert getattr(wide, name).dtype == getattr(narrow, name).dtype
        np.testing.assert_array_equal(getattr(wide, name), getattr(narrow, name))


@pytest.mark.parametrize("method", ["lucene", "robertson", "atire"])
def test_no_impact_is_negative(method):
    postings = Postings.of(np.zeros(9, np.int32), np.arange(10), 1, k1=0.9, b=0.4, method=method)
    assert (postings.data >= 0).all()
    assert (postings.data > 0).any() == (method == "lucene")
