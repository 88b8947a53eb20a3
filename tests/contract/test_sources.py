"""The contract of the sources, applied to every member of the registry."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from foils import sources
from foils._array import Key, counter_uniform
from foils.errors import DataError, InputError
from foils.search import Blocks
from foils.sources import (
    BM25,
    HNSW,
    IVF,
    Bernoulli,
    Dense,
    InBatch,
    Mixture,
    Popularity,
    Provided,
    PseudoTyped,
    Run,
    Uniform,
)
from foils.sources.fusing import RRF, Fuse
from foils.sources.mixture import One

problems = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("problems.py"))))

FILE = str(Path(__file__).with_name("some.run"))
SEARCHES = (One(dense=Dense(k=4, max_depth=64)), One(bm25=BM25(k=3, max_depth=64)))
DRAWN = (One(dense=Dense(k=64)), One(uniform=Uniform(k=9)))
EXAMPLES = {
    "bm25": (BM25(k=7), BM25(k=7, k1=1.5, b=0.75, method="robertson")),
    "hnsw": (HNSW(k=7), HNSW(k=7, similarity="dot", connectivity=4)),
    "ivf": (IVF(k=7), IVF(k=7, similarity="dot", lists=9, probes=1)),
    "run": (Run(file=FILE, k=7), Run(file=FILE, k=7, scored=False)),
    "in_batch": (InBatch(batch_size=8), InBatch(batch_size=5, k=3)),
    "mixture": (
        Mixture(of=SEARCHES),
        Mixture(of=SEARCHES, fuse=Fuse(quotas={"dense": 2.0, "bm25": 1.0})),
        Mixture(of=DRAWN, fuse=Fuse(rrf=RRF(c=0.0))),
    ),
    "dense": (Dense(k=7), Dense(k=7, similarity="dot")),
    "uniform": (Uniform(k=7), Uniform()),
    "popularity": (Popularity(k=7), Popularity(alpha=0.0, k=30), Popularity()),
    "provided": (Provided(k=7), Provided(k=3)),
    "bernoulli": (Bernoulli(k=7), Bernoulli()),
    "pseudo_typed": (PseudoTyped(k=7), PseudoTyped()),
}
CASES = [
    pytest.param(name, fields, per, id=f"{name}{number}-{per}")
    for name, examples in EXAMPLES.items()
    for number, fields in enumerate(examples)
    for per in ("anchor", "pair")
]
every_source = pytest.mark.parametrize(("name", "fields", "per"), CASES)
every_search = pytest.mark.parametrize(("name", "fields", "per"), [case for case in CASES if not case.values[1].random])


def test_every_source_is_covered():
    assert EXAMPLES.keys() == sources.REGISTRY.keys()
    for name, examples in EXAMPLES.items():
        assert {type(fields) for fields in examples} == {sources.REGISTRY[name]}


def retrieve(fields, per, inputs, depth):
    return fields.open(inputs).retrieve(inputs.positives.units(per), depth)


def available(name, fields, inputs, anchor):
    """Name the items that a source may give an anchor, however deep it looks."""
    barred = set(inputs.positives.row(anchor).tolist()) | set(np.flatnonzero(~inputs.mineable).tolist())
    if name == "provided":
        pool = inputs.trusted.items[inputs.trusted.indptr[anchor] : inputs.trusted.indptr[anchor + 1]].tolist()
    elif name == "popularity" and fields.alpha > 0:
        pool = inputs.positives.given().items.tolist()
    elif name == "pseudo_typed":
        triples, given = inputs.collection.triples, inputs.positives.given()
        same = (triples.sides == triples.sides[anchor]) & (triples.anchor_relations == triples.anchor_relations[anchor])
        pool = {item for other in np.flatnonzero(same) for item in given.row(other).tolist()}
    elif name == "bm25":
        anchors, items = problems.texts()
        pool = [item for item, text in enumerate(items) if set(text.split()) & set(anchors[anchor].split())]
    elif name == "run":
        lines = [line.split() for line in Path(FILE).read_text().splitlines()]
        pool = [int(line[2]) for line in lines if line[0] == str(anchor)]
    elif name == "in_batch":
        pool = batch_mates(fields, inputs, anchor)
    elif name == "mixture":
        pool = {item for one in fields.of for item in available(one.name, one.fields, inputs, anchor)}
    else:
        pool = range(len(inputs.mineable))
    return set(pool) - barred


def batch_mates(fields, inputs, anchor, positive=None):
    """Shuffle the examples as in_batch says it does, and list the positives of the anchor's (or pair's) batches."""
    examples = inputs.positives.given().examples()
    noise = counter_uniform(Key(inputs.seed, "source.in_batch.batches", 0), examples.anchors, examples.positives)
    pairs = np.stack([examples.anchors, examples.positives], axis=1)[np.argsort(noise)].tolist()
    batches = [pairs[start : start + fields.batch_size] for start in range(0, len(pairs), fields.batch_size)]
    own = [batch for batch in batches if any(a == anchor and positive in (None, p) for a, p in batch)]
    return {item for batch in own for _, item in batch}


@every_source
@pytest.mark.parametrize("depth", [1, 7, 200])
def test_candidates_are_well_formed(name, fields, per, depth):
    inputs = problems.inputs()
    found = retrieve(fields, per, inputs, depth)
    present = found.items >= 0
    assert found.items.dtype == np.int64
    assert found.items.shape == (len(found.units), depth)
    problems.assert_absent_at_the_right(found.items)
    problems.assert_distinct(found.items)
    assert found.sources == (tuple(one.name for one in fields.of) if name == "mixture" else (name,))
    assert set(np.unique(found.columns["source"].values[present])) <= set(range(len(found.sources)))
    np.testing.assert_array_equal(found.columns["rank"].values, np.where(present, np.arange(1, depth + 1), 0))
    log_q = found.columns["log_q"].values
    assert log_q.dtype == np.float32
    assert np.isnan(log_q[~present]).all()
    lawful = (log_q[present] <= 0) & np.isfinite(log_q[present])
    if name == "mixture" and fields.random and depth < fields.depths(4)[0]:
        lawful |= np.isnan(log_q[present])  # of what is cut there is no law
    assert (np.isnan(log_q[present]) if name == "provided" else lawful).all()


@every_source
@pytest.mark.parametrize("depth", [7, 200])
def test_it_gives_what_is_available_and_nothing_else(name, fields, per, depth):
    inputs = problems.inputs()
    found = retrieve(fields, per, inputs, depth)
    for anchor, row in zip(found.units.anchors.tolist(), found.items.tolist(), strict=True):
        given, pool = {item for item in row if item >= 0}, available(name, fields, inputs, anchor)
        if name == "in_batch" and per == "pair":
            assert given <= pool  # its own test knows which pair it is
            continue
        assert given <= pool
        assert len(given) == min(depth, len(pool))
    empty = found.items[found.units.anchors == problems.FULL]
    assert len(empty)
    assert (empty < 0).all()


def test_the_problem_holds_what_a_source_could_get_wrong():
    inputs = problems.inputs()
    positives, given = inputs.positives, inputs.positives.given()
    assert set(positives.row(5)) >= set(problems.TWINS)  # though only one is given, and one judged non-relevant
    assert not set(problems.TWINS[1:]) & set(given.row(5))
    assert positives.degrees[problems.ALONE] == 0
    assert len(available("dense", None, inputs, problems.CROWDED)) == 1
    assert (inputs.trusted.items == problems.EMPTY[1]).any()


@every_source
def test_columns_are_as_declared(name, fields, per):
    found = retrieve(fields, per, problems.inputs(), 7)
    assert {column: found.columns[column].kind for column in found.scored()} == dict(fields.columns())
    for column in fields.columns():
        scores, positives = found.columns[column].values, found.columns[column].positives
        assert (scores.dtype, positives.dtype) == (np.float32, np.float32)
        assert positives.shape == found.units.positives.shape
        absent = found.items < 0
        np.testing.assert_array_equal(np.isnan(scores) | absent, np.isnan(scores))
        assert name == "mixture" or np.array_equal(np.isnan(scores), absent)
        # Positives without text have no score, nor have those that a file does not list.
        if name != "run":
            np.testing.assert_array_equal(np.isnan(positives), np.isin(found.units.positives, problems.EMPTY))


@every_source
@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_unit_gets_the_same_in_any_block(name, fields, per, size):
    inputs = problems.inputs()
    source, units = fields.open(inputs), inputs.positives.units(per)
    whole = source.retrieve(units, 9)
    blocks = [source.retrieve(block, 9) for block in problems.in_blocks(units, size)]
    np.testing.assert_array_equal(np.concatenate([block.items for block in blocks]), whole.items)
    for column in whole.columns:
        joined = np.concatenate([block.columns[column].values for block in blocks])
        np.testing.assert_array_equal(joined, whole.columns[column].values)
    backwards = source.retrieve(units.take(np.arange(len(units))[::-1]), 9)
    np.testing.assert_array_equal(backwards.items[::-1], whole.items)


@every_source
@pytest.mark.parametrize("blocks", [Blocks(1, 1, 1), Blocks(7, 7, 7), Blocks(1000, 1000, 1000)])
def test_it_is_deterministic(name, fields, per, blocks):
    problems.assert_same(
        retrieve(fields, per, problems.inputs(blocks=blocks), 9), retrieve(fields, per, problems.inputs(), 9)
    )


@every_source
def test_only_a_random_source_follows_the_seed(name, fields, per):
    first, second = (retrieve(fields, per, problems.inputs(run_seed=seed), 5).items for seed in (0, 1))
    assert np.array_equal(first, second) is (not fields.random)


@every_search
def test_a_search_goes_on_where_it_stopped(name, fields, per):
    inputs = problems.inputs()
    shallow, deep = retrieve(fields, per, inputs, 4), retrieve(fields, per, inputs, 11)
    problems.assert_same(problems.first(deep, 4).items, shallow.items)
    for column in shallow.columns:
        np.testing.assert_array_equal(problems.first(deep, 4).columns[column].values, shallow.columns[column].values)


@every_source
def test_no_units_give_no_candidates(name, fields, per):
    inputs = problems.inputs()
    none = inputs.positives.units(per).take(np.array([], np.int64))
    found = fields.open(inputs).retrieve(none, 5)
    assert found.items.shape == (0, 5)


@every_source
def test_fields_are_data(name, fields, per):
    assert msgspec.convert(msgspec.to_builtins(fields), type(fields)) == fields
    hash(fields)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_field": 1}, type(fields))
    first, deepest = fields.depths(4)
    assert 1 <= first <= deepest
    k = {"mixture": first, "in_batch": getattr(fields, "batch_size", 0) - 1}.get(name, 4)
    assert first == (k if getattr(fields, "k", None) is None else fields.k)


@every_source
def test_inputs_are_looked_at_before_work(name, fields, per):
    inputs = problems.inputs()
    fields.check(inputs)
    anchors, items = inputs.matrices["model"]
    broken = items.copy()
    broken[30, 2] = np.nan
    bad = {
        "nan": {"model": (anchors, broken)},
        "dimensions": {"model": (anchors, items[:, :-1])},
        "none": {},
    }
    for matrices in bad.values():
        worse = type(inputs)(**{**vars(inputs), "matrices": matrices})
        if not fields.reads():
            fields.check(worse)
            continue
        with pytest.raises(InputError) as caught:
            fields.check(worse)
        assert isinstance(caught.value, DataError) is (matrices is not bad["none"])


@every_source
def test_an_empty_pool_gives_nothing(name, fields, per):
    inputs = problems.inputs()
    nothing = type(inputs)(**{**vars(inputs), "mineable": np.zeros(problems.N_ITEMS, bool)})
    assert (retrieve(fields, per, nothing, 5).items < 0).all()
