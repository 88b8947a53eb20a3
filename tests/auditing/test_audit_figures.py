"""Every figure against plain loops over the tables of a small result."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foils
from foils.auditing import intervals
from foils.auditing.coverage import _gini
from foils.auditing.hardness import histogram, histogram_edges
from foils.errors import InputError
from foils.evaluating import bootstrap_ratio


@pytest.fixture(scope="module", params=["mined", "strict"])
def pair(request, world):
    result = request.getfixturevalue(request.param)
    return foils.audit(result, truth=world.truth).report, result.negatives.to_pylist()


def cosine(world, anchor, item):
    a, b = world.queries[int(anchor)].astype(float), world.items[int(item)].astype(float)
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def gaps(world, rows, reference):
    found = []
    for row in rows:
        best = reference([cosine(world, row["anchor_id"], item) for item in row["positive_ids"]])
        found += [score - best for score in row["scores"]]
    return np.array(found)


@pytest.mark.parametrize(("name", "reference"), [("min", min), ("mean", np.mean), ("max", max)])
def test_hardness(world, pair, name, reference):
    report, rows = pair
    expected = gaps(world, rows, reference)
    gap = report.hardness.gap(name)
    assert gap.mean.estimate == pytest.approx(expected.mean(), abs=1e-5)
    assert gap.at_or_above.estimate == pytest.approx((expected >= -1e-7).mean())
    assert gap.quantiles == pytest.approx(np.quantile(expected, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist(), abs=1e-5)
    assert gap.mean.low < gap.mean.estimate < gap.mean.high
    assert report.hardness.negatives == len(expected) == sum(report.hardness.histogram)
    assert not report.hardness.one_positive


def test_coverage(pair):
    report, rows = pair
    uses = Counter(item for row in rows for item in row["negative_ids"])
    covered = report.coverage
    assert (covered.used, covered.items) == (len(uses), 60)
    assert covered.share_of_corpus == len(uses) / 60
    top = covered.most_used
    assert [item.uses for item in top] == sorted(uses.values(), reverse=True)[:10]
    assert all(uses[item.item_id] == item.uses for item in top)
    counts = np.array([uses.get(str(item), 0) for item in range(60)], float)
    naive = np.abs(counts[:, None] - counts[None]).mean() / 2 / counts.mean()
    assert covered.gini == pytest.approx(naive)
    assert covered.curve[0] == (0.0, 0.0)
    assert covered.curve[-1] == (1.0, 1.0)
    assert sum(part.items for part in covered.by_popularity) == 60
    assert sum(part.uses for part in covered.by_popularity) == counts.sum()
    liked = Counter(item for row in rows for item in row["positive_ids"])
    assert covered.by_popularity[1].items == sum(count == 1 for count in liked.values())


def test_a_corpus_used_evenly_has_no_inequality():
    assert _gini(np.full(7, 3)) == 0
    assert _gini(np.array([0, 0, 0, 5])) == pytest.approx(0.75)


def test_ranks_and_sources(pair):
    report, rows = pair
    ranks = [rank for row in rows for rank in row["ranks"]]
    assert (report.ranks.median, report.ranks.deepest) == (np.median(ranks), max(ranks))
    assert report.ranks.bands[0].label == "1"
    assert report.ranks.bands[0].negatives == ranks.count(1)
    assert sum(band.negatives for band in report.ranks.bands) == len(ranks)
    assert [(group.label, group.negatives) for group in report.sources] == [("dense", len(ranks))]


def test_shortfall(world, pair):
    report, rows = pair
    counts = [len(row["negative_ids"]) for row in rows]
    missing = report.shortfall
    assert (missing.units, missing.asked) == (24, 4)
    assert missing.short_units == sum(count < 4 for count in counts)
    assert missing.empty_units == counts.count(0)
    assert missing.missing_negatives == sum(4 - count for count in counts)
    assert sum(part.units for part in missing.by_positive_score) == 24
    assert sum(part.units * part.short.estimate for part in missing.by_positive_score) == pytest.approx(
        missing.short_units
    )
    scores = [np.mean([cosine(world, row["anchor_id"], item) for item in row["positive_ids"]]) for row in rows]
    assert missing.by_positive_score[0].low == pytest.approx(min(scores), abs=1e-5)


def test_hidden_positives(world, pair):
    report, rows = pair
    known = world.truth.positives()
    hits = [
        known.contains(np.array([int(r["anchor_id"])]), np.array([int(i)]))[0] for r in rows for i in r["negative_ids"]
    ]
    assert report.hidden.hits == sum(hits) > 0
    assert report.hidden.negatives == len(hits)
    assert report.hidden.rate.estimate == pytest.approx(sum(hits) / len(hits))
    bands = report.ranks.bands
    assert sum(band.negatives * band.hidden.estimate for band in bands) == pytest.approx(sum(hits))


def test_leakage_into_another_split(pair):
    report, rows = pair
    leak = report.leakage[0]
    wrong = [1 for row in rows if int(row["anchor_id"]) >= 20 for item in row["negative_ids"] if item == "58"]
    assert leak.split == "test"
    assert leak.positives_of_same_anchor == len(wrong)
    assert leak.anchors_in_split == 4
    assert leak.relevant_items == 1
    assert leak.negatives_on_relevant_items == sum(row["negative_ids"].count("58") for row in rows)


def test_what_foils_mined_holds_no_known_positive(pair):
    report, _ = pair
    assert (report.duplicates.known_positives, report.duplicates.copies_of_positives) == (0, 0)


def test_comparison(report, mined, strict):
    rows = {row["unit_id"]: set(row["negative_ids"]) for row in strict.negatives.to_pylist()}
    kept = [item in rows[row["unit_id"]] for row in mined.negatives.to_pylist() for item in row["negative_ids"]]
    compared = report.comparison
    assert compared.units_in_both == 24
    assert (compared.units_here_only, compared.units_there_only) == (0, 0)
    assert compared.kept_share.estimate == pytest.approx(np.mean(kept))
    same = [set(row["negative_ids"]) == rows[row["unit_id"]] for row in mined.negatives.to_pylist()]
    assert compared.same_units == sum(same)
    gap = next(change for change in compared.changes if change.key == "mean_gap")
    assert gap.now == pytest.approx(report.hardness.gap("mean").mean.estimate)
    assert gap.difference.estimate == pytest.approx(gap.now - gap.before)
    assert gap.difference.low < gap.difference.estimate < gap.difference.high
    shares = next(change for change in compared.changes if change.key == "share_hidden")
    assert shares.now == pytest.approx(report.hidden.rate.estimate)


def test_a_result_compared_with_itself_does_not_differ(strict):
    compared = foils.audit(strict, compare_with=strict).report.comparison
    assert compared.kept_share.estimate == 1
    assert compared.same_units == 24
    for change in compared.changes:
        assert change.now == change.before
        assert change.difference is None or (change.difference.low, change.difference.high) == (0, 0)


def test_results_of_other_data_are_not_compared(strict, tmp_path):
    data = foils.Collection.from_arrays([(0, 0)], anchors=["x"], items=["y", "z"])
    other = foils.mine(data, "uniform", negatives=1, out=tmp_path)
    assert foils.audit(strict, compare_with=other).report.comparison.units_in_both == 1  # the unit "0"
    renamed = foils.Collection.from_pairs(_pairs_file(tmp_path))
    with pytest.raises(InputError, match="no unit in common"):
        foils.audit(strict, compare_with=foils.mine(renamed, "uniform", negatives=1, out=tmp_path / "other"))


def _pairs_file(folder):
    path = folder / "pairs.csv"
    path.write_text("anchor,positive\nx,y\nu,v\n")
    return path


def test_the_audit_does_not_depend_on_how_much_is_read_at_once(strict, report, monkeypatch, mined, world):
    monkeypatch.setattr("foils.auditing.from_result.NEGATIVES_AT_ONCE", 1)
    monkeypatch.setattr("foils.auditing.from_result.CANDIDATES_AT_ONCE", 1)
    monkeypatch.setattr("foils.auditing.folded.CHUNK", 2)
    again = foils.audit(strict, truth=world.truth, compare_with=mined).data()
    first = report.data()
    for timed in ("made_at", "effort"):
        again.pop(timed), first.pop(timed)
    assert again == first


def test_without_the_collection_figures_that_need_no_text_are_the_same(strict):
    full = foils.audit(strict).report
    bare = foils.audit(foils.Mined.open(strict.path)).report
    assert bare.hardness == full.hardness
    assert bare.shortfall == full.shortfall
    assert bare.ranks == full.ranks
    assert bare.coverage.gini == full.coverage.gini
    assert bare.leakage is None
    assert bare.duplicates.copies_of_positives is None
    assert any("Duplicates, leakage and texts" in note for note in bare.notes)


def test_vectors_give_scores_to_what_has_none(world, tmp_path):
    drawn = world.mine("uniform", tmp_path)
    assert foils.audit(drawn).report.hardness is None
    scored = foils.audit(drawn, query_vectors=world.queries, item_vectors=world.items).report
    rows = drawn.negatives.to_pylist()
    expected = np.mean(
        [
            cosine(world, row["anchor_id"], item)
            - np.mean([cosine(world, row["anchor_id"], positive) for positive in row["positive_ids"]])
            for row in rows
            for item in row["negative_ids"]
        ]
    )
    assert scored.hardness.gap("mean").mean.estimate == pytest.approx(expected, abs=1e-5)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 6)), min_size=2, max_size=40))
@settings(max_examples=40, deadline=None)
def test_the_bootstrap_over_cells_is_that_over_anchors(pairs):
    hits = np.array([min(hit, size) for hit, size in pairs], float)
    sizes = np.array([size for _, size in pairs], float)
    ours = intervals.share(hits, sizes)
    usual = bootstrap_ratio(hits[None], sizes[None], rounds=2000)
    assert ours.estimate == pytest.approx(usual.estimate)
    alone = 0.025 ** (1 / len(pairs))
    if not hits.any():
        assert ours.high == pytest.approx(1 - alone)
    elif (hits == sizes).all():
        assert ours.low == pytest.approx(alone)
    else:
        spread = max(usual.high - usual.low, 1e-9)
        assert abs(ours.low - usual.low) < 0.2 * spread + 1e-9
        assert abs(ours.high - usual.high) < 0.2 * spread + 1e-9


def test_where_everything_is_hit_the_interval_is_not_a_point():
    found = intervals.share(np.array([1.0, 1.0]), np.array([1.0, 1.0]))
    assert (found.estimate, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025**0.5)


def test_the_interval_of_a_mean_covers_it():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        sizes = rng.integers(1, 9, 60)
        level = rng.normal(size=60)
        sums = np.array([rng.normal(own, 1, n).sum() for own, n in zip(level, sizes, strict=True)])
        found = intervals.mean(sums, sizes.astype(float))
        covered += found.low <= 0 <= found.high
    assert 0.90 <= covered / 300 <= 0.98


def test_nothing_is_estimated_from_nothing():
    none = np.zeros(3)
    assert intervals.share(none, none) is None
    assert intervals.mean(none, none) is None
    assert intervals.share_difference(none, none, none, none + 1) is None
    assert intervals.mean_difference(none, none + 1, none, none) is None


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_no_bar_holds_both_sides_of_zero_and_nothing_is_lost(values):
    values = np.array(values)
    edges = histogram_edges(values)
    assert 0 in edges
    assert sum(histogram(values, edges)) == len(values)
    assert sum(histogram(values, edges)[int(np.argmax(edges == 0)) :]) == (values >= 0).sum()
