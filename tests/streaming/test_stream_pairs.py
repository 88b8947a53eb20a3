"""Negatives for interactions: equal to a plain reference, pure, of the law that they state, never a known positive."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import foils
from foils import Collection, Examples, InputError, NegativeStream, _array
from foils._array import Key
from foils.drawing import TICKETS
from foils.errors import DataError, RecipeError

ERROR_RATE = 1e-4


def interactions(pairs, n_users, n_items, **more):
    return Collection.from_arrays(np.array(sorted(pairs)).reshape(-1, 2), anchors=n_users, items=n_items, **more)


@st.composite
def worlds(draw):
    n_users, n_items = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    cells = st.tuples(st.integers(0, n_users - 1), st.integers(0, n_items - 1))
    return interactions(draw(st.sets(cells, min_size=1, max_size=40)), n_users, n_items)


def tickets_of(recipe, data):
    """Give every item's tickets by the definition."""
    if recipe == "uniform":
        return np.ones(len(data.items), np.int64)
    weights = np.bincount(data.positives().items, minlength=len(data.items)) ** 0.75
    return np.where(weights > 0, np.maximum(np.rint(weights / weights.sum() * TICKETS), 1), 0).astype(np.int64)


def reference(recipe, data, anchor, positive, m, seed, epoch):
    """Draw for one example by plain lists."""
    known = set(data.positives().row(anchor).tolist())
    tickets = tickets_of(recipe, data)
    free = [item for item in range(len(data.items)) if item not in known and tickets[item]]
    if not free:
        return [-1] * m, [np.nan] * m
    ends = np.cumsum([tickets[item] for item in free])
    noise = _array.counter_uniform(Key(seed, "stream.item", epoch), np.int64((anchor << 32) | positive), np.arange(m))
    places = [next(place for place, end in enumerate(ends) if int(u * ends[-1]) < end) for u in noise.tolist()]
    return [free[place] for place in places], [np.log(m * tickets[free[place]] / ends[-1]) for place in places]


@pytest.mark.parametrize("recipe", ["uniform", "popularity"])
@settings(max_examples=25, deadline=None)
@given(data=worlds(), m=st.integers(1, 7), seed=st.integers(0, 5), epoch=st.integers(0, 3))
def test_it_equals_a_plain_reference(recipe, data, m, seed, epoch):
    examples = data.positives().examples()
    batch = NegativeStream(data, recipe, seed, negatives=m).batch(examples, epoch)
    assert batch.items.dtype == np.int64
    assert batch.log_q.dtype == np.float32
    assert batch.triples is None
    for row, (anchor, positive) in enumerate(zip(examples.anchors, examples.positives, strict=True)):
        items, log_q = reference(recipe, data, anchor, positive, m, seed, epoch)
        assert batch.items[row].tolist() == items
        np.testing.assert_allclose(batch.log_q[row], log_q, atol=1e-5)


def crowd(n_users=40, n_items=300, seed=0):
    rng = np.random.default_rng(seed)
    popular = (rng.random((n_users, 12)) ** 3 * n_items).astype(int)
    return interactions({(user, item) for user in range(n_users) for item in popular[user].tolist()}, n_users, n_items)


@pytest.mark.parametrize("recipe", ["uniform", "popularity"])
@pytest.mark.parametrize("cells", [1, 50, 1 << 17])
def test_a_batch_depends_on_its_examples_alone(recipe, cells, monkeypatch):
    """Nor on whether a kernel is compiled, or on chunks, blocks and threads."""
    data = crowd()
    examples, stream = data.positives().examples(), NegativeStream(data, recipe, negatives=5)
    whole = stream.batch(examples, 2)
    monkeypatch.setattr("foils.drawing.with_replacement.CHUNK", cells)
    compiled = stream.batch(examples, 2)
    monkeypatch.setattr("foils._compiled.is_available", lambda: False)
    monkeypatch.setattr("foils.drawing.kernels_numpy.CELLS", cells)
    for batch in (compiled, stream.batch(examples, 2)):
        np.testing.assert_array_equal(batch.items, whole.items)
        np.testing.assert_array_equal(batch.log_q, whole.log_q)
    rows = np.random.default_rng(1).permutation(len(examples))
    rows = np.concatenate([rows, rows[:20]])  # some of them twice
    for part in np.array_split(rows, 7):
        batch = NegativeStream(data, recipe, negatives=5).batch(examples.take(part), 2)
        np.testing.assert_array_equal(batch.items, whole.items[part])
        np.testing.assert_array_equal(batch.log_q, whole.log_q[part])


def test_epochs_and_seeds_draw_anew():
    data = crowd()
    examples = data.positives().examples()
    drawn = [NegativeStream(data, "uniform", seed, negatives=8).batch(examples, epoch).items
             for seed, epoch in ((0, 0), (0, 1), (1, 0))]  # fmt: skip
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (drawn[one] == drawn[other]).mean() < 0.05
    more = NegativeStream(data, "uniform", 0, negatives=11).batch(examples, 0).items
    np.testing.assert_array_equal(more[:, :8], drawn[0])


@pytest.mark.parametrize("recipe", ["uniform", "popularity"])
def test_log_q_is_the_expected_number_of_times(recipe):
    data = interactions({(0, 0), (0, 3), (1, 0), (1, 1), (2, 0), (2, 5), (3, 1), (3, 2)}, 4, 7)
    one = Examples(np.array([1]), np.array([1]))
    stream, m, epochs = NegativeStream(data, recipe, negatives=50), 50, 200
    batches = [stream.batch(one, epoch) for epoch in range(epochs)]
    drawn = np.concatenate([batch.items.ravel() for batch in batches])
    law = {item: np.exp(float(log_q)) for batch in batches
           for item, log_q in zip(batch.items.ravel().tolist(), batch.log_q.ravel(), strict=True)}  # fmt: skip
    assert sum(law.values()) == pytest.approx(m, rel=1e-5)  # everything that may be drawn was
    counts = np.bincount(drawn, minlength=7)
    assert not set(law) & {0, 1}
    expected = np.array([law[item] / m * len(drawn) for item in law])
    expected *= len(drawn) / expected.sum()  # log_q is float32
    assert stats.chisquare(counts[list(law)], expected).pvalue > ERROR_RATE


def test_no_item_is_favoured_by_its_number():
    """Taking the first of a sorted set difference would draw small numbers alone."""
    data = crowd(200, 1000)
    items = NegativeStream(data, "uniform", negatives=20).batch(data.positives().examples(), 0).items
    deciles = np.bincount(items.ravel() // 100, minlength=10) / items.size
    assert np.abs(deciles - 0.1).max() < 0.02


def test_known_positives_and_their_duplicates_are_never_drawn():
    groups = np.full(30, -1)
    groups[[4, 9, 17]] = 1
    data = interactions({(0, 4), (0, 5), (1, 9), (2, 0)}, 3, 30, item_groups=groups)
    items = NegativeStream(data, "uniform", negatives=400).batch(data.positives().examples(), 0).items
    assert not np.isin(items[:2], [4, 5, 9, 17]).any()
    assert set(items[2].tolist()) == set(range(30)) - {4, 9, 17}
    assert set(items[3].tolist()) == set(range(1, 30))


def test_items_without_text_are_never_drawn():
    data = Collection.from_arrays([(0, 0)], anchors=1, items=["a", " ", "b", ""])
    assert set(NegativeStream(data, "uniform", negatives=60).batch(data.positives().examples(), 0).items[0]) == {2}


def test_who_has_everything_gets_nothing_and_the_rest_are_served():
    data = interactions({(0, item) for item in range(6)} | {(1, 2)} | {(2, item) for item in range(5)}, 3, 6)
    examples = data.positives().examples()
    for recipe in ("uniform", "popularity"):
        batch = NegativeStream(data, recipe, negatives=9).batch(examples, 0)
        full = examples.anchors == 0
        assert (batch.items[full] == -1).all()
        assert np.isnan(batch.log_q[full]).all()
        assert (batch.items[~full] >= 0).all()
        assert (batch.items[examples.anchors == 2] == 5).all() or recipe == "popularity"


def test_no_examples_give_no_negatives():
    data = crowd()
    batch = NegativeStream(data, "uniform", negatives=3).batch(data.positives().examples().take(np.zeros(0, int)), 0)
    assert batch.items.shape == batch.log_q.shape == (0, 3)


def test_the_split_says_what_is_excluded_and_what_examples_are():
    data = interactions({(0, 0), (0, 1)}, 1, 4, splits=["train", "test"])
    train = Examples(np.array([0]), np.array([0]))
    assert 1 in NegativeStream(data, "uniform", negatives=50).batch(train, 0).items
    test = Examples(np.array([0]), np.array([1]))
    with pytest.raises(DataError, match=r"example 0 \(1 in all\) is no positive of the split 'train'"):
        NegativeStream(data, "uniform", negatives=50).batch(test, 0)
    assert 0 in NegativeStream(data, "uniform", negatives=50, split="test").batch(test, 0).items


@pytest.mark.parametrize(
    ("anchors", "positives", "message"),
    [
        ([0, 9], [1, 1], r"example 1 has the anchor row 9; the collection has 2"),
        ([0], [-1], r"example 0 has the positive row -1"),
        ([0], [0.5], "examples are float64"),
        ([0, 1], [1], "2 anchors and 1 positives"),
    ],
)
def test_wrong_examples_are_refused(anchors, positives, message):
    data = interactions({(0, 1), (1, 1)}, 2, 3)
    with pytest.raises(DataError, match=message):
        NegativeStream(data, "uniform", negatives=1).batch(Examples(np.array(anchors), np.array(positives)), 0)


def test_other_forms_are_refused():
    data = interactions({(0, 1), (1, 1)}, 2, 3)
    with pytest.raises(InputError, match=r"expected foils.Examples\(anchors, positives\)"):
        NegativeStream(data, "uniform", negatives=1).batch([0, 1], 0)


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        ("nv-retriever", (), r"the source dense searches.*foils\.mine.*uniform"),
        ("uniform", ("source.uniform.k=9",), "leave k out"),
        ("bernoulli", (), r"holds none; read it with Collection\.from_triples"),
        ("pseudo-typed", (), r"holds none; read it with Collection\.from_triples"),
    ],
)
def test_recipes_that_cannot_be_streamed_are_refused(recipe, changes, message):
    with pytest.raises(InputError, match=message):
        NegativeStream(crowd(), recipe, negatives=1, settings=changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source: {uniform: {}}\nsampler: {top_k: {}}", r"the sampler top_k needs scores; .* foils\.torch\.hardest"),
        (
            "source: {uniform: {}}\nscorers: [{vectors: {}}]\nrules: [{max_score: {}}]\nsampler: {uniform: {}}",
            r"the rule max_score needs scores; give rules to foils\.torch\.InfoNCE",
        ),
        ("source: {in_batch: {}}\nsampler: {uniform: {}}", r"in_batch depends on .* foils\.torch\.InfoNCE"),
        (
            "source: {uniform: {}}\nscorers: [{vectors: {}}]\nsampler: {uniform: {}}",
            "the scorer vectors needs scores",
        ),
    ],
)
def test_parts_that_need_scores_are_refused(text, message, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(RecipeError, match=message):
        NegativeStream(crowd(), tmp_path / "mine.yaml", negatives=1)


@pytest.mark.parametrize("negatives", [0, -1, 1.5])
def test_the_number_of_negatives_is_checked(negatives):
    with pytest.raises(InputError, match="negatives is"):
        NegativeStream(crowd(), "uniform", negatives=negatives)


def test_it_says_what_it_draws():
    assert repr(foils.NegativeStream(crowd(), "uniform", 3, negatives=2)) == (
        "NegativeStream('uniform', negatives=2, seed=3)"
    )
