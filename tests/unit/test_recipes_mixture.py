"""Mixtures in recipes: nested parts are checked, placed and overridden like any other."""

import pytest

from foils.errors import RecipeError
from foils.recipes import from_resolved, override_resolved
from foils.recipes.document import override, parse
from foils.recipes.loader import build
from foils.sources import BM25, Dense
from foils.sources.fusing import RRF, Fuse

MIXED = """scorers: [{vectors: {}}]
sampler: {top_k: {}}
source:
  mixture:
    of:
      - dense: {k: 50}
      - bm25: {k: 40}
    fuse: {rrf: {c: 30}}
"""


def made(text=MIXED, settings=()):
    return build(override(parse(text, "mine.yaml"), settings), "mine.yaml")


def complaint(text=MIXED, settings=()):
    with pytest.raises(RecipeError) as caught:
        made(text, settings)
    return str(caught.value)


def test_a_mixture_is_read_resolved_and_read_back():
    recipe = made()
    mixture = recipe.source.fields
    assert [one.fields for one in mixture.of] == [Dense(k=50), BM25(k=40)]
    assert mixture.fuse == Fuse(rrf=RRF(c=30.0))
    assert list(recipe.columns()) == ["dense", "bm25", "vectors"]
    assert from_resolved(recipe.resolved(), "x").resolved() == recipe.resolved()
    other = override_resolved(recipe, ["source.bm25.k=7", "source.mixture.fuse.rrf.c=1"])
    assert other.source.fields.of[1].fields == BM25(k=7)
    assert other.source.fields.fuse == Fuse(rrf=RRF(c=1.0))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dense:", "dens:", "mine.yaml:6: source.mixture.of[0].dens: no such field; did you mean 'dense'?"),
        ("k: 40", "k: 0", "mine.yaml:7: source.mixture.of[1].bm25.k: expected `int` >= 1, found 0"),
        ("k: 40", "kk: 4", "mine.yaml:7: source.mixture.of[1].bm25.kk: no such field; did you mean 'k'?"),
        ("k: 40", "method: bm25", "mine.yaml:7: source.mixture.of[1].bm25.method: 'bm25' is not valid"),
        ("k: 40", "k: 9, max_depth: 3", "mine.yaml:7: source.mixture.of[1].bm25: max_depth 3 is below k 9"),
        ("c: 30", "c: -1", "mine.yaml:8: source.mixture.fuse.rrf.c: expected `float` >= 0.0, found -1"),
        ("rrf: {c: 30}", "{}", "mine.yaml:8"),
        ("rrf: {c: 30}", "quotas: {dense: 1}", "mine.yaml:5: source.mixture: fuse.quotas: bm25 has no quota"),
        ("- bm25: {k: 40}", "- dense: {k: 40}", "mine.yaml:5: source.mixture: of holds dense twice"),
        ("- bm25: {k: 40}", "- {}", "mine.yaml:7: source.mixture.of[1]: expected one source by name"),
        ("scorers: [{vectors: {}}]", "", "mine.yaml:2: sampler.top_k: no column is named"),
    ],
)
def test_what_is_wrong_within_is_refused_with_its_place(old, new, message):
    assert message in complaint(MIXED.replace(old, new))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("source.dens.k=3", "has no source dens; did you mean 'dense'? Valid: bm25, dense"),
        ("source.dense.kk=3", "--set source.dense.kk=3: source.mixture.of[0].dense.kk: no such field"),
        (
            "source.dense.k=x",
            "--set source.dense.k=x: source.mixture.of[0].dense.k: expected a whole number, or a share",
        ),
    ],
)
def test_an_override_that_reaches_nothing_is_refused(setting, message):
    assert message in complaint(settings=[setting])


def test_two_encoders_are_told_apart_by_name():
    text = MIXED.replace("bm25: {k: 40}", "dense: {vectors: other, name: second}")
    recipe = made(text, ["source.second.k=3", "source.dense.k=4"])
    assert [one.fields for one in recipe.source.fields.of] == [Dense(k=4), Dense(k=3, vectors="other", name="second")]
    assert recipe.source.fields.reads() == ("model", "other")


def test_a_window_of_ranks_needs_ranks_that_mean_something():
    drawn = MIXED.replace("bm25: {k: 40}", "uniform: {k: 40}").replace("top_k: {}", "uniform: {skip_ranks: 3}")
    assert "mixture draws in random order" in complaint(drawn)
    made(MIXED.replace("top_k: {}", "uniform: {skip_ranks: 3}"))
