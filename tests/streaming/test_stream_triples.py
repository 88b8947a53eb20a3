"""Corrupted triples: one side differs, the side by its law, the entity by its own, known triples never."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from foils import Collection, NegativeStream, _array, mine, recipes
from foils._array import Key
from foils.errors import DataError, InputError
from foils.sources.bernoulli import Bernoulli
from foils.sources.pseudo_typed import PseudoTyped
from foils.sources.slots import Slots
from foils.triples import HEAD, TAIL

world = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("triple_world.py"))))

RECIPES = ("uniform", "popularity", "bernoulli", "pseudo-typed")
SURE = 5.0
"""Standard errors that a share may be off; wrong by chance once in 1.7 million."""


def slots_of(data):
    return Slots.of(data, data.positives(), np.ones(len(data.items), bool))


def shares(source, triples, **more):
    return source().head_share(slots_of(world.collection(triples, **more))).tolist()


@st.composite
def graphs(draw):
    entities, relations = draw(st.integers(2, 7)), draw(st.integers(1, 3))
    triple = st.tuples(st.integers(0, entities - 1), st.integers(0, relations - 1), st.integers(0, entities - 1))
    triples = sorted(draw(st.sets(triple, min_size=1, max_size=25)))
    return triples, world.collection(triples, n_entities=entities, n_relations=relations)


def head_share(recipe, triples, relation):
    """Give P(corrupt the head) by the definitions."""
    heads = [h for h, r, _ in triples if r == relation]
    tails = [t for _, r, t in triples if r == relation]
    if recipe == "bernoulli":
        known = [(h, t) for h, r, t in triples if r == relation]
        tph, hpt = len(known) / len(set(heads)), len(known) / len(set(tails))
        return tph / (tph + hpt)
    if recipe == "pseudo-typed":
        return len(set(heads)) / (len(set(heads)) + len(set(tails)))
    return 0.5


def free(recipe, triples, n_entities, triple, side):
    """List the entities that may replace one side, by the definitions."""
    h, r, t = triple
    pool = range(n_entities)
    if recipe == "pseudo-typed":
        pool = sorted({(a if side == HEAD else b) for a, q, b in triples if q == r})
    made = [(e, r, t) if side == HEAD else (h, r, e) for e in pool]
    return [e for e, new in zip(pool, made, strict=True) if new not in set(triples)]


@pytest.mark.parametrize("recipe", ["uniform", "bernoulli", "pseudo-typed"])
@settings(max_examples=25, deadline=None)
@given(graph=graphs(), m=st.integers(1, 6), seed=st.integers(0, 3))
def test_it_equals_a_plain_reference(recipe, graph, m, seed):
    triples, data = graph
    batch = NegativeStream(data, recipe, seed, negatives=m).batch(np.arange(len(triples)), 1)
    keys = (data.triples.tail_anchors << 32) | data.triples.tails
    for row, triple in enumerate(triples):
        heads, tails = (free(recipe, triples, len(data.items), triple, side) for side in (HEAD, TAIL))
        share = head_share(recipe, triples, triple[1])
        share = 0.0 if not heads else 1.0 if not tails else share
        by_side, by_item = (
            _array.counter_uniform(Key(seed, stage, 1), keys[row], np.arange(m)).tolist()
            for stage in ("stream.side", "stream.item")
        )
        for place in range(m):
            side = HEAD if by_side[place] < share else TAIL
            pool = heads if side == HEAD else tails
            found = tuple(int(column[row, place]) for column in
                          (batch.triples.heads, batch.triples.relations, batch.triples.tails))  # fmt: skip
            if not pool:
                assert batch.items[row, place] == -1
                assert batch.triples.sides[row, place] == -1
                assert np.isnan(batch.log_q[row, place])
                continue
            entity = pool[int(by_item[place] * len(pool))]
            assert batch.items[row, place] == entity
            assert batch.triples.sides[row, place] == side
            assert found == ((entity, *triple[1:]) if side == HEAD else (*triple[:2], entity))
            chance = (share if side == HEAD else 1 - share) / len(pool)
            assert batch.log_q[row, place] == pytest.approx(np.log(m * chance), abs=1e-5)


@pytest.mark.parametrize("recipe", RECIPES)
def test_one_side_is_replaced_and_the_result_is_never_known(recipe):
    triples = world.random_triples(np.random.default_rng(0))
    known, data = set(triples), world.collection(triples)
    batch = NegativeStream(data, recipe, negatives=30).batch(np.arange(len(triples)), 0)
    made = batch.triples
    assert (batch.items >= 0).all()
    for row, (h, r, t) in enumerate(triples):
        for new in zip(made.heads[row].tolist(), made.relations[row].tolist(), made.tails[row].tolist(), strict=True):
            assert (new[0] != h) + (new[1] != r) + (new[2] != t) == 1
            assert new not in known
    np.testing.assert_array_equal(made.sides == HEAD, made.heads != np.array(triples)[:, :1])


@pytest.mark.parametrize("recipe", RECIPES)
def test_rows_and_triples_say_the_same_in_any_batch(recipe):
    triples = world.random_triples(np.random.default_rng(1))
    data = world.collection(triples)
    stream = NegativeStream(data, recipe, negatives=4)
    whole = stream.batch(np.arange(len(triples)), 3)
    rows = np.random.default_rng(2).permutation(len(triples))
    for part in np.array_split(rows, 5):
        for examples in (part, np.array(triples)[part]):
            batch = stream.batch(examples, 3)
            np.testing.assert_array_equal(batch.items, whole.items[part])
            np.testing.assert_array_equal(batch.log_q, whole.log_q[part])
            for name in ("sides", "heads", "relations", "tails"):
                np.testing.assert_array_equal(getattr(batch.triples, name), getattr(whole.triples, name)[part])


def test_bernoulli_sides_are_exact():
    assert shares(Bernoulli, [(0, 0, 5), (1, 0, 6), (2, 0, 7)]) == [0.5]  # one-to-one
    for n in (2, 5, 9):
        assert shares(Bernoulli, [(0, 0, 1 + t) for t in range(n)]) == [n / (n + 1)]  # one-to-many: tph = n, hpt = 1
        assert shares(Bernoulli, [(1 + h, 0, 0) for h in range(n)]) == [1 / (n + 1)]
    # tph = mean of 3 and 1 tails = 2; hpt = 4 pairs over 3 tails
    assert shares(Bernoulli, [(0, 0, 4), (0, 0, 5), (0, 0, 6), (1, 0, 4)]) == pytest.approx([2 / (2 + 4 / 3)])


@pytest.mark.parametrize("source", [Bernoulli, PseudoTyped])
def test_a_relation_without_a_triple_has_an_even_share(source):
    assert shares(source, [(0, 0, 1)], n_relations=3) == [0.5, 0.5, 0.5]
    assert shares(source, [(0, 0, 1), (2, 1, 1)], splits=["train", "test"])[1] == 0.5


def test_pseudo_typed_sides_and_entities_are_of_the_slots():
    triples = [(0, 0, 3), (0, 0, 4), (1, 0, 5), (2, 1, 0)]
    assert shares(PseudoTyped, triples) == [2 / 5, 0.5]
    data = world.collection(triples)
    batch = NegativeStream(data, "pseudo-typed", negatives=200).batch(np.arange(3), 0)
    made = batch.triples
    assert set(made.heads[made.sides == HEAD].tolist()) == {0, 1}
    assert set(made.tails[made.sides == TAIL].tolist()) == {3, 4, 5}


@pytest.mark.parametrize("recipe", RECIPES)
def test_log_q_is_the_expected_number_of_times(recipe):
    triples = [(0, 0, 3), (0, 0, 4), (0, 0, 5), (1, 0, 5), (1, 1, 2), (4, 0, 3), (4, 0, 6)]
    data = world.collection(triples, n_entities=7)
    stream, m = NegativeStream(data, recipe, negatives=100), 100
    batches = [stream.batch([0], epoch) for epoch in range(60)]
    drawn = [pair for batch in batches for pair in zip(batch.triples.sides[0].tolist(), batch.items[0].tolist(),
                                                       batch.log_q[0].tolist(), strict=True)]  # fmt: skip
    law = {(side, item): np.exp(log_q) for side, item, log_q in drawn}
    assert sum(law.values()) == pytest.approx(m, rel=1e-5)  # everything that may be drawn was
    counts = np.array([sum((side, item) == which for side, item, _ in drawn) for which in law])
    expected = np.array(list(law.values()))
    assert stats.chisquare(counts, expected / expected.sum() * len(drawn)).pvalue > 1e-4
    share, heads = head_share(recipe, triples, 0), sum(side == HEAD for side, _, _ in drawn)
    assert abs(heads - share * len(drawn)) < SURE * np.sqrt(len(drawn) * share * (1 - share))


def test_sides_do_not_depend_on_the_place_in_the_batch():
    """A split of the batch into a half of heads and a half of tails would show here."""
    triples = [(h, 0, h + 20) for h in range(20)]
    sides = NegativeStream(world.collection(triples), "uniform", negatives=400).batch(np.arange(20), 0).triples.sides
    deviation = np.abs((sides == HEAD).mean(axis=1) - 0.5)
    assert deviation.max() < SURE * 0.5 / np.sqrt(400)
    assert np.abs((sides == HEAD).mean(axis=0) - 0.5).max() < SURE * 0.5 / np.sqrt(20)


def test_a_full_side_is_never_corrupted_and_a_full_triple_gives_nothing():
    triples = [(0, 0, t) for t in range(3)] + [(1, 1, 1)] + [(h, 2, t) for h in range(3) for t in range(3)]
    batch = NegativeStream(world.collection(triples), "bernoulli", negatives=40).batch(np.arange(len(triples)), 0)
    assert (batch.triples.sides[:3] == HEAD).all()
    assert np.exp(batch.log_q[:3]) == pytest.approx(20)  # 40 draws of two entities, the side is certain
    assert set(batch.triples.sides[3].tolist()) == {HEAD, TAIL}
    assert (batch.items[4:] == -1).all()
    assert (batch.triples.sides[4:] == -1).all()


def test_bernoulli_makes_fewer_false_negatives_of_a_one_to_many_relation():
    """One head has 40 of 50 tails, half of them unrecorded: corrupting the tail hits the unrecorded ones."""
    true = {(0, 0, t) for t in range(10, 50)}
    data = world.collection(sorted(true)[::2], n_entities=60)
    hits = {}
    for recipe in ("uniform", "bernoulli"):
        made = NegativeStream(data, recipe, negatives=500).batch(np.arange(20), 0).triples
        hits[recipe] = sum((0, 0, t) in true for t in made.tails[made.sides == TAIL].tolist())
    assert hits["bernoulli"] < hits["uniform"] / 5  # (tph + hpt) / (2 hpt) = 10.5 times fewer


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        ([7], r"example 0 has the triple row 7; the collection has 3"),
        ([[0, 0, 1, 1]], r"triples are \[1, 4\]; expected \[E\] row numbers, or \[E, 3\]"),
        ([[0, 5, 1]], "the relation row 5"),
        ([[0, 0, 1], [0, 0, 9]], "example 1 has the tail row 9"),
        ([[1, 0, 0]], r"example 0 \(1 in all\) is no positive of the split 'train'"),
        ([[0, 0, 2]], "no positive of the split"),
        ([0.5], "examples are float64"),
    ],
)
def test_wrong_triples_are_refused(examples, message):
    data = world.collection([(0, 0, 1), (1, 0, 2), (0, 0, 2)], splits=["train", "train", "valid"])
    with pytest.raises(DataError, match=message):
        NegativeStream(data, "uniform", negatives=1).batch(examples, 0)


def test_a_pair_of_an_anchor_and_an_entity_is_an_example_too():
    data = world.collection([(0, 0, 3), (0, 0, 4), (1, 0, 5)])
    batch = NegativeStream(data, "pseudo-typed", negatives=50).batch(data.positives().examples(), 0)
    assert batch.triples is None
    sides = data.triples.sides[data.positives().examples().anchors]
    assert set(batch.items[sides == HEAD].ravel().tolist()) <= {0, 1, -1}
    assert set(batch.items[sides == TAIL].ravel().tolist()) <= {3, 4, 5, -1}


# --- mined to disk: every anchor by itself ----------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["bernoulli", "pseudo-typed"])
def test_mining_gives_each_side_its_own_negatives(recipe, tmp_path):
    triples = world.random_triples(np.random.default_rng(3), 40, 9, 2)
    data = world.collection(triples)
    mined = mine(data, recipe, negatives=3, out=tmp_path / "run")
    anchors, items = mined.rows(data)
    log_q = mined.negatives["log_q"].to_pylist()
    for row, anchor in enumerate(anchors.tolist()):
        side, relation = data.triples.sides[anchor], data.triples.anchor_relations[anchor]
        entity = data.triples.anchor_entities[anchor]
        triple = (entity, relation, -1) if side == TAIL else (-1, relation, entity)
        allowed = free(recipe, triples, 9, triple, side)
        given = [item for item in items[row].tolist() if item >= 0]
        assert set(given) <= set(allowed)
        assert len(given) == min(3, len(allowed))
        assert log_q[row] == pytest.approx([np.log(min(1, 3 / len(allowed)))] * len(given), abs=1e-6)


@pytest.mark.parametrize("recipe", ["bernoulli", "pseudo-typed"])
def test_mining_without_triples_is_refused(recipe, tmp_path):
    data = Collection.from_arrays([(0, 1)], anchors=1, items=3)
    with pytest.raises(InputError, match=r"Collection\.from_triples\(path\), or choose uniform or popularity"):
        mine(data, recipe, negatives=1, out=tmp_path / "run")


def test_every_recipe_that_streams_is_tested_here():
    drawing = {name for name in recipes.names() if recipes.load(name).source.fields.random}
    assert drawing - {"in-batch"} == set(RECIPES)
