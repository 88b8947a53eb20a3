"""The recipes that come with foils: what they are, how they are found, and that every default is written out."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from foils import recipes, rules, samplers, sources
from foils.errors import RecipeError
from foils.rules import AbsoluteMargin, MaxScore, MeanStd, RelativeMargin
from foils.samplers import Resample, SimANS, Softmax, Strided, TopK, UniformWindow
from foils.samplers.resample import Base
from foils.scorers import (
    AdapterScorer,
    Band,
    Confident,
    CrossEncoderScorer,
    GraphCleaner,
    LlmScorer,
    MissedPositives,
    Neighbours,
    OwnerQuery,
    VectorScorer,
)
from foils.scorers.confident import Wrapped
from foils.sources import BM25, Bernoulli, Dense, InBatch, Mixture, Popularity, PseudoTyped, Uniform
from foils.sources.fusing import RRF, Fuse
from foils.sources.mixture import One

making = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("recipe_making.py"))))
BASE = making.BASE

SHIPPED = {
    "uniform": (Uniform(), (), UniformWindow()),
    "popularity": (Popularity(alpha=0.75), (), UniformWindow()),
    "naive-top-k": (Dense(k=100), (), TopK()),
    "top-k-shifted": (Dense(k=100), (), TopK(skip_ranks=10)),
    "max-score": (Dense(k=100), (MaxScore(threshold=0.7),), TopK()),
    "nv-retriever": (Dense(k=100), (RelativeMargin(margin=0.05, reference="min"),), TopK()),
    "nv-retriever-margin": (Dense(k=100), (AbsoluteMargin(margin=0.05, reference="min"),), TopK()),
    "simans": (Dense(k=100), (), SimANS(a=100.0, b=0.0, kernel="gaussian", reference="min")),
    "bm25": (BM25(k=100), (), TopK()),
    "hybrid": (
        Mixture(of=(One(dense=Dense(k=50)), One(bm25=BM25(k=50))), fuse=Fuse(rrf=RRF(c=60.0))),
        (RelativeMargin(margin=0.05, reference="min", column="vectors"),),
        TopK(column="rank"),
    ),
    "guide": (Dense(k=100), (RelativeMargin(margin=0.0, reference="min", column="guide"),), TopK(column="dense")),
    "tripclick": (BM25(k=200, max_depth=200), (), UniformWindow()),
    "runner-up": (Dense(k="4%", max_depth="4%"), (), UniformWindow(skip_ranks="3%", max_rank="4%")),
    "star-static": (Dense(k=200, max_depth=200, similarity="dot"), (), UniformWindow()),
    "in-batch": (InBatch(batch_size=32), (), UniformWindow()),
    "bernoulli": (Bernoulli(), (), UniformWindow()),
    "pseudo-typed": (PseudoTyped(), (), UniformWindow()),
    "reranker": (
        Dense(k=100, max_depth=200),
        (MaxScore(threshold=0.1, column="cross_encoder"),),
        TopK(column="dense"),
    ),
    "r2anker": (
        Mixture(
            of=(
                One(bm25=BM25(k=100, max_depth=100)),
                One(dense=Dense(k=100, max_depth=100)),
                One(dense=Dense(k=100, max_depth=100, vectors="second", name="second")),
            ),
            fuse=Fuse(quotas={"bm25": 1, "dense": 1, "second": 1}),
        ),
        (),
        UniformWindow(),
    ),
    "saha": (
        Dense(k=100),
        (MaxScore(threshold=0.8, column="owner_query", unscored="keep"),),
        TopK(column="dense"),
    ),
    "rrra": (
        Dense(k=100),
        (),
        Resample(base=Base(softmax=Softmax(temperature=0.05, column="dense")), gamma=1.0, column="adapter"),
    ),
    "neighbours": (Dense(k=100), (MaxScore(threshold=0.1, column="neighbours"),), TopK(column="dense")),
    "missed-positives": (
        Dense(k=100),
        (MeanStd(deviations=1.5, column="missed_positives", unscored="keep"),),
        TopK(column="dense"),
    ),
    "graph-cleaner": (Dense(k=100), (MaxScore(threshold=0.5, column="graph_cleaner"),), TopK(column="dense")),
    "confident-learning": (Dense(k=100), (MaxScore(threshold=0.0, column="confident"),), TopK(column="dense")),
    "rlhn": (
        Dense(k=25, max_depth=50),
        (MaxScore(threshold=0.5, column="strong", otherwise="cheap"),),
        TopK(column="dense"),
    ),
    "unime-v2": (
        Dense(k=50, max_depth=50),
        (AbsoluteMargin(margin=0.01, reference="min", column="llm"),),
        Strided(stride=5, column="llm"),
    ),
}
CHEAP = LlmScorer(pairs_per_call=25, positives="skip", name="cheap")
STRONG = LlmScorer(pairs_per_call=25, positives="skip", name="strong", band=Band(column="cheap", low=0.5))
SCORED = {
    "rlhn": (CHEAP, STRONG),
    "unime-v2": LlmScorer(answer="yes_no"),
    "hybrid": VectorScorer(),
    "guide": VectorScorer(vectors="guide", name="guide"),
    "reranker": CrossEncoderScorer(model="cross-encoder/ms-marco-MiniLM-L6-v2"),
    "saha": OwnerQuery(),
    "rrra": AdapterScorer(ambiguous=100, depth=500),
    "neighbours": Neighbours(k=10, anchors=5),
    "missed-positives": MissedPositives(),
    "graph-cleaner": GraphCleaner(),
    "confident-learning": Confident(of=Wrapped(vectors=VectorScorer()), own=0.5),
}


def test_the_list_of_recipes_is_complete():
    assert recipes.names() == sorted(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_is_what_it_says(name):
    recipe = recipes.load(name)
    assert recipe.name == name
    assert (recipe.source.fields, tuple(rule.fields for rule in recipe.rules), recipe.sampler.fields) == SHIPPED[name]
    assert recipe.summary.endswith(".")
    assert recipe.per == "anchor"
    assert recipe.shortfall.policy == "short"
    scored = SCORED.get(name, ())
    assert tuple(scorer.fields for scorer in recipe.scorers) == (scored if isinstance(scored, tuple) else (scored,))
    assert recipe.relaxations == ()
    if recipe.paper is not None:
        assert 2000 <= recipe.paper.year <= 2030


@pytest.mark.parametrize("alias", ["perc_pos", "perc-pos"])
def test_a_recipe_is_found_by_its_alias(alias):
    assert recipes.load(alias) == recipes.load("nv-retriever")


@pytest.mark.parametrize("name", ["nv_retriever", "naive-topk", "", "..", "recipes/uniform"])
def test_an_unknown_recipe_is_refused_with_the_nearest(name):
    with pytest.raises(RecipeError, match=r"there is no recipe .*Valid: bernoulli, bm25") as caught:
        recipes.load(name)
    if name == "nv_retriever":
        assert "did you mean 'nv-retriever'?" in str(caught.value)


def test_a_file_is_loaded_by_its_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    recipe = recipes.load(path)
    assert recipe.name == str(path)
    assert recipe == recipes.load(str(path))
    assert recipe.sampler.fields == TopK()


def test_files_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"summary: caf\xe9\n")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("latin.yaml", "folder.yaml", "missing.yml", "nul\0.yaml"):
        with pytest.raises(RecipeError, match=r"recipe file .*: cannot be read"):
            recipes.load(tmp_path / name)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_default_is_resolved(name):
    recipe = recipes.load(name)
    resolved = recipe.resolved()
    assert recipes.from_resolved(resolved, "x").resolved() == resolved
    for part, registry in (("source", sources.REGISTRY), ("sampler", samplers.REGISTRY)):
        ((kind, fields),) = resolved[part].items()
        assert list(fields) == list(registry[kind].__struct_fields__)
    for rule in resolved["rules"]:
        ((kind, fields),) = rule.items()
        assert list(fields) == list(rules.REGISTRY[kind].__struct_fields__)
