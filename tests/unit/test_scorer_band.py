"""The band that is worth an expensive opinion: what lies inside is asked about, and nothing else."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.candidates import Kind
from foils.errors import RecipeError
from foils.recipes import load
from foils.rules import REASONS, MeanStd
from foils.scorers import Band, add_scores

problems = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "contract/problems.py")))


class Asked:
    """A dear scorer that notes what it is asked about."""

    def __init__(self):
        self.pairs = []

    def score(self, anchors, items):
        self.pairs += zip(anchors.tolist(), items.tolist(), strict=True)
        return (anchors * 100 + items).astype(np.float32)


def asked_of(found, band, first=None):
    """Score, and give the candidates asked about, the positives asked about, and the column."""
    scorer = Asked()
    scored = add_scores(found, "dear", Kind.SCORE, scorer, band, first)
    units = found.units
    positives = list(zip(units.pair_anchors().tolist(), units.positives.tolist(), strict=True))
    assert scorer.pairs[len(scorer.pairs) - len(positives) :] == positives  # always, all of them
    return scorer.pairs[: len(scorer.pairs) - len(positives)], scored.columns["dear"]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("low", "high"), [(-0.25, 0.5), (0.0, 0.125), (None, 0.0), (0.0, None), (0.7, 0.7)])
def test_only_the_band_is_asked_about(seed, low, high):
    found = problems.candidates(seed)
    values = found.columns["first"].values
    pairs, column = asked_of(found, Band("first", low, high))
    expected = [
        (int(found.units.anchors[row]), int(found.items[row, place]))
        for row, place in np.ndindex(found.items.shape)
        if found.items[row, place] >= 0
        and (low if low is not None else -np.inf) <= values[row, place] < (high if high is not None else np.inf)
    ]
    assert pairs == expected
    assert np.count_nonzero(~np.isnan(column.values)) == len(pairs)
    assert not np.isnan(column.positives).any()


@pytest.mark.parametrize("unit", ["score", "deviations"])
def test_a_band_without_width_asks_nothing_and_one_without_ends_is_no_band(unit):
    found = problems.candidates(1)
    for end in (-1.0, 0.0, 0.25):
        assert asked_of(found, Band("first", end, end, unit))[0] == []
    pairs, column = asked_of(found, Band("first", unit=unit))
    every, plain = asked_of(found, None)
    assert pairs == every
    problems.assert_same(column, plain)


@given(st.integers(0, 10**6), st.floats(-2, 2), st.floats(-2, 2), st.sampled_from(["score", "deviations"]))
@settings(max_examples=40, deadline=None)
def test_neighbouring_bands_share_nothing_and_leave_nothing_out(seed, first, second, unit):
    found = problems.candidates(seed)
    low, high = sorted((first, second))
    parts = [Band("first", *ends, unit).holds(found) for ends in ((None, low), (low, high), (high, None))]
    scored = found.valid & ~np.isnan(found.columns["first"].values)
    if unit == "deviations":  # without a deviation nobody is above any end, as for the rule
        several = (scored.sum(axis=1) > 1) & ~np.array(
            [
                len(set(row[there].tolist())) == 1
                for row, there in zip(found.columns["first"].values, scored, strict=True)
            ]
        )
        scored &= several[:, None] | parts[0]
    problems.assert_same(sum(part.astype(int) for part in parts), scored.astype(int))


@pytest.mark.parametrize("seed", range(6))
def test_in_deviations_the_band_ends_where_the_rule_begins(seed):
    found = problems.candidates(seed)
    rejected = MeanStd(deviations=1.0, column="first")(found) == REASONS.index("mean_std")
    above = Band("first", 1.0, None, "deviations").holds(found)
    problems.assert_same(above, rejected & found.valid)
    assert not (Band("first", 0.0, 1.0, "deviations").holds(found) & rejected).any()


def test_looking_deeper_moves_nobody_in_or_out_of_the_band():
    found = problems.candidates(3, rows=20, width=24)
    shallow = replace(
        found,
        items=found.items[:, :12],
        columns={name: replace(column, values=column.values[:, :12]) for name, column in found.columns.items()},
    )
    band = Band("first", 0.0, 1.0, "deviations")
    problems.assert_same(band.holds(found, 12)[:, :12], band.holds(shallow, 12))
    assert (band.holds(found)[:, :12] != band.holds(shallow)).any()  # which is why it is measured at the first look


def test_ends_are_rounded_to_the_precision_of_the_scores():
    found = problems.candidates(0)
    column = found.columns["first"]
    tenth = replace(column, values=np.where(np.isnan(column.values), np.nan, np.float32(0.1)).astype(np.float32))
    case = replace(found, columns={**found.columns, "first": tenth})
    assert Band("first", 0.1, 0.2).holds(case).any()
    assert not Band("first", 0.0, 0.1).holds(case).any()


def test_ends_the_wrong_way_round_are_refused():
    with pytest.raises(RecipeError, match="expected low at or below high"):
        Band("first", 0.5, 0.2)


RECIPE = """
source: {{dense: {{k: 20}}}}
scorers: [{{cross_encoder: {{model: pairs, band: {band}}}}}]
rules: [{{max_score: {{threshold: 0.5, column: cross_encoder, unscored: keep}}}}]
sampler: {{top_k: {{column: dense}}}}
"""


def recipe(tmp_path, band):
    path = tmp_path / "escalate.yaml"
    path.write_text(RECIPE.format(band=band))
    return load(path)


def test_a_recipe_has_a_band(tmp_path):
    loaded = recipe(tmp_path, "{column: dense, low: 0, high: 1.5, unit: deviations}")
    assert loaded.scorers[0].fields.band == Band("dense", 0.0, 1.5, "deviations")
    again = msgspec.json.decode(msgspec.json.encode(loaded.resolved()))
    assert again["scorers"][0]["cross_encoder"]["band"]["high"] == 1.5


@pytest.mark.parametrize(
    ("band", "problem"),
    [
        ("{column: dens, low: 0, high: 1}", "band: there is no column 'dens' before this scorer's own; did you mean"),
        ("{column: cross_encoder, low: 0, high: 1}", "no column 'cross_encoder' before this scorer's own"),
        ("{column: dense, low: 1, high: 0}", "expected low at or below high"),
        ("{column: dense, unit: metres}", "'metres' is not valid"),
    ],
)
def test_a_recipe_whose_band_cannot_be_is_refused(tmp_path, band, problem):
    with pytest.raises(RecipeError, match=problem):
        recipe(tmp_path, band)


def test_a_band_in_units_of_score_needs_scores_with_a_scale(tmp_path):
    path = tmp_path / "logits.yaml"
    text = """
source: {{dense: {{k: 20}}}}
scorers:
  - cross_encoder: {{model: small, activation: none, name: small}}
  - cross_encoder: {{model: large, band: {{column: small, low: 0, high: 1, unit: {unit}}}}}
rules: [{{max_score: {{threshold: 0.5, unscored: keep}}}}]
sampler: {{top_k: {{column: dense}}}}
"""
    path.write_text(text.format(unit="score"))
    with pytest.raises(RecipeError, match="needs a column of kind ratio, and 'small' gives score only; set unit"):
        load(path)
    path.write_text(text.format(unit="deviations"))
    assert load(path).scorers[1].fields.band.column == "small"
