"""The contract of the scorers, applied to every member of the registry."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from foils import scorers
from foils.candidates import Kind
from foils.collection import Collection
from foils.errors import DataError, DefectError
from foils.scorers import (
    AdapterScorer,
    Confident,
    CrossEncoderScorer,
    GraphCleaner,
    LexicalOverlap,
    LlmScorer,
    MissedPositives,
    NearDuplicate,
    Neighbours,
    OwnerQuery,
    VectorScorer,
    add_scores,
    scorer_digests,
)
from foils.scorers.confident import Wrapped
from foils.scorers.cross_encoder_model import CrossEncoderModel
from foils.scorers.llm_endpoint import Endpoint, Reply
from foils.search import Blocks
from foils.sources import Dense, Uniform

problems = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("problems.py"))))

EXAMPLES = {
    "vectors": (VectorScorer(), VectorScorer(similarity="dot")),
    "llm": (
        LlmScorer(url="http://127.0.0.1:1/v1", model="judge", pairs_per_call=7),
        LlmScorer(url="http://127.0.0.1:1/v1", model="judge", answer="yes_no"),
    ),
    "cross_encoder": (CrossEncoderScorer(model="pairs"), CrossEncoderScorer(model="pairs", activation="none")),
    "near_duplicate": (NearDuplicate(),),
    "lexical_overlap": (LexicalOverlap(),),
    "owner_query": (OwnerQuery(),),
    "neighbours": (Neighbours(k=6, anchors=3), Neighbours(k=4, anchors=0, mutual=True), Neighbours(k=0)),
    "missed_positives": (MissedPositives(), MissedPositives(share=1.0)),
    "graph_cleaner": (GraphCleaner(k=4, anchors=2, depth=40, folds=2),),
    "adapter": (AdapterScorer(ambiguous=5, depth=20), AdapterScorer(folds=3)),
    "confident": (Confident(), Confident(of=Wrapped(adapter=AdapterScorer(ambiguous=5, depth=20)), own=1.0)),
}
every_scorer = pytest.mark.parametrize(
    ("name", "fields"),
    [
        pytest.param(name, fields, id=f"{name}{number}")
        for name, examples in EXAMPLES.items()
        for number, fields in enumerate(examples)
    ],
)


def likeness(model, pairs):
    """Stand for a cross-encoder: a number that follows from the two texts, and not from their batch."""
    return np.array([len(a) - 1.5 * len(b) + 7 * (a[0] == b[0]) for a, b in pairs], np.float32)


def judgement(endpoint, body):
    """Stand for an LLM behind its endpoint: probabilities that follow from the two texts, whatever the list."""
    data = json.loads(body["messages"][1]["content"].split("\n")[2])
    p = {one["id"]: len(data["query"]) * len(one["text"]) % 17 / 16 for one in data["passages"]}
    if body.get("logprobs"):
        ((_, yes),) = p.items()
        tokens = [{"token": name, "logprob": np.log(mass)} for name, mass in (("yes", yes), ("no", 1 - yes)) if mass]
        return Reply({"choices": [{"logprobs": {"content": [{"top_logprobs": tokens}]}}]})
    answers = [{"id": name, "p": value} for name, value in p.items()]
    return Reply({"choices": [{"message": {"content": json.dumps({"answers": answers})}}]})


@pytest.fixture(autouse=True)
def a_model_of_pairs(tmp_path, monkeypatch):
    """The folder ``pairs`` that the examples name, as far as it is looked at before a pair is scored."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(CrossEncoderModel, "logits", likeness)
    monkeypatch.setattr(Endpoint, "call", judgement)


def test_every_scorer_is_covered():
    assert EXAMPLES.keys() == scorers.REGISTRY.keys()
    for name, examples in EXAMPLES.items():
        assert {type(fields) for fields in examples} == {scorers.REGISTRY[name]}


def all_pairs():
    rows, items = np.divmod(np.arange(problems.N_ANCHORS * problems.N_ITEMS), problems.N_ITEMS)
    return rows, items


@every_scorer
def test_pairs_get_scores_and_nothing_else_does(name, fields):
    rows, items = all_pairs()
    items = np.where(np.arange(len(items)) % 11 == 0, -1, items)
    scores = fields.open(problems.inputs()).score(rows, items)
    assert (scores.dtype, scores.shape) == (np.float32, rows.shape)
    np.testing.assert_array_equal(np.isnan(scores), (items < 0) | np.isin(items, problems.EMPTY))


@every_scorer
@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_pair_gets_the_same_score_in_any_block(name, fields, size):
    rows, items = all_pairs()
    whole = fields.open(problems.inputs()).score(rows, items)
    scorer = fields.open(problems.inputs(blocks=Blocks(size, size, size)))
    parts = [scorer.score(rows[at : at + size], items[at : at + size]) for at in range(0, 300, size)]
    np.testing.assert_array_equal(np.concatenate(parts)[:300], whole[:300])
    shuffled = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_array_equal(scorer.score(rows[shuffled], items[shuffled]), whole[shuffled])


@every_scorer
def test_no_pairs_get_no_scores(name, fields):
    none = np.array([], np.int64)
    assert fields.open(problems.inputs()).score(none, none).shape == (0,)


@every_scorer
def test_its_column_is_as_declared(name, fields):
    inputs = problems.inputs()
    assert list(fields.columns()) == [name]
    found = Uniform(k=9).open(inputs).retrieve(inputs.positives.units(), 9)
    before = problems.copied(found)
    for column, kind in fields.columns().items():
        assert isinstance(kind, Kind)
        scored = add_scores(found, column, kind, fields.open(inputs))
        problems.assert_same(found, before)  # the candidates given are left alone
        assert scored.scored() == [*found.scored(), column]
        assert scored.items is found.items
        added = scored.columns[column]
        assert added.kind is kind
        assert (added.values.dtype, added.values.shape) == (np.float32, found.items.shape)
        np.testing.assert_array_equal(np.isnan(added.values), found.items < 0)
        np.testing.assert_array_equal(np.isnan(added.positives), np.isin(found.units.positives, problems.EMPTY))
        with pytest.raises(DefectError):
            add_scores(scored, column, kind, fields.open(inputs))


@every_scorer
def test_no_candidates_and_no_units_can_be_scored(name, fields):
    inputs = problems.inputs()
    units = inputs.positives.units()
    source, kind = Uniform(k=9).open(inputs), fields.columns()[name]
    none = problems.first(source.retrieve(units, 9), 0)
    assert add_scores(none, name, kind, fields.open(inputs)).columns[name].values.shape == (len(units), 0)
    nobody = source.retrieve(units.take(np.array([], np.int64)), 9)
    assert add_scores(nobody, name, kind, fields.open(inputs)).columns[name].values.shape == (0, 9)


@every_scorer
def test_fields_are_data(name, fields):
    assert msgspec.convert(msgspec.to_builtins(fields), type(fields)) == fields
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_field": 1}, type(fields))


@every_scorer
def test_inputs_are_looked_at_before_work(name, fields):
    inputs = problems.inputs()
    fields.check(inputs)
    anchors, items = inputs.matrices["model"]
    broken = anchors.copy()
    broken[3, 1] = np.inf
    worse = type(inputs)(**{**vars(inputs), "matrices": {"model": (broken, items)}})
    bare = Collection.from_arrays([(0, 0)], anchors=problems.N_ANCHORS, items=problems.N_ITEMS)
    textless = type(inputs)(**{**vars(inputs), "collection": bare})
    if fields.reads():
        fields.check(textless)
        with pytest.raises(DataError, match=r"query vectors: row 3 .*infinity"):
            fields.check(worse)
    else:
        fields.check(worse)
        with pytest.raises(DataError, match="anchors hold no texts"):
            fields.check(textless)


@every_scorer
def test_what_a_score_follows_from_is_told(name, fields):
    inputs = problems.inputs()
    told = scorer_digests([fields], inputs)
    assert all(isinstance(digest, str) and digest for digest in told.values())
    assert bool(told) is (name in ("cross_encoder", "llm"))
    assert scorer_digests([fields], inputs) == told


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_vectors_scores_as_the_dense_source_does(similarity):
    inputs = problems.inputs()
    found = Dense(k=30, similarity=similarity).open(inputs).retrieve(inputs.positives.units(), 30)
    scorer = VectorScorer(similarity=similarity)
    scored = add_scores(found, "vectors", Kind.RATIO, scorer.open(inputs))
    np.testing.assert_array_equal(scored.columns["vectors"].values, found.columns["dense"].values)
    np.testing.assert_array_equal(scored.columns["vectors"].positives, found.columns["dense"].positives)


def test_vectors_scores_are_inner_products_of_the_rows():
    inputs = problems.inputs()
    rows, items = all_pairs()
    keep = ~np.isin(items, problems.EMPTY)
    rows, items = rows[keep], items[keep]
    anchors, corpus = (matrix.astype(np.float64) for matrix in inputs.matrices["model"])
    dots = np.array([anchors[row] @ corpus[item] for row, item in zip(rows, items, strict=True)])
    np.testing.assert_array_equal(VectorScorer(similarity="dot").open(inputs).score(rows, items), dots)
    lengths = np.linalg.norm(anchors, axis=1)[rows] * np.linalg.norm(corpus, axis=1)[items]
    cosines = VectorScorer().open(inputs).score(rows, items)
    np.testing.assert_allclose(cosines, dots / lengths, rtol=0, atol=2e-7)
