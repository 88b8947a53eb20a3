"""The negatives of a result as a population: equal to what a plain loop over the tables gives."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from label_world import World

from foils.errors import FolderError, InputError
from foils.labelling import negatives_of
from foils.labelling.population import band_name


def test_pairs_clusters_bands_and_scores(world):
    found = negatives_of(world.result())
    assert list(zip(found.anchor_ids.to_pylist(), found.item_ids.to_pylist(), strict=True)) == world.pairs()
    anchors = found.anchor_ids.to_pylist()
    for a, b in ((0, 1), (0, 7), (11, 12)):
        assert (found.population.anchors[a] == found.population.anchors[b]) == (anchors[a] == anchors[b])
    table = world.result().negatives()
    ranks = [rank for row in table["ranks"].to_pylist() for rank in row]
    names = {1: "1", 2: "2–3", 3: "2–3", 4: "4–10", 5: "4–10"}
    assert [found.band_names[band] for band in found.population.bands] == [names[rank] for rank in ranks]
    scores = [score for row in table["scores"].to_pylist() for score in row]
    np.testing.assert_array_equal(found.population.scores, np.array(scores, np.float64))
    assert (found.scorer, set(found.source_names)) == ("dense", {"dense"})
    assert found.source_names[found.sources[0]] == "dense"


def test_known_positives_are_scored_by_the_same(world):
    stored = pq.read_table(world.out / "candidates.parquet", columns=["positive_score.dense"])
    known = [score for row in stored["positive_score.dense"].to_pylist() for score in row]
    np.testing.assert_allclose(negatives_of(world.result()).population.known, known)


def test_another_column_is_read_from_the_candidates(tmp_path, quick_disk):
    result = World.make(tmp_path, recipe="hybrid").result()
    table, stored = result.negatives(), result.candidates()
    assert result.identity.scores == "rank"
    for column in ("vectors", "dense", "bm25"):
        rows = zip(table["ranks"].to_pylist(), stored[f"score.{column}"].to_pylist(), strict=True)
        expected = [scores[rank - 1] for ranks, scores in rows for rank in ranks]
        np.testing.assert_array_equal(negatives_of(result, column).population.scores, expected)


def test_a_calibrated_p_positive_guides(world):
    path = world.out / "negatives.parquet"
    table = pq.read_table(path)
    lengths = [len(row) for row in table["negative_ids"].to_pylist()]
    p = np.linspace(0, 1, sum(lengths), dtype=np.float32)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    column = pa.ListArray.from_arrays(pa.array(offsets), pa.array(p))
    pq.write_table(table.set_column(table.schema.get_field_index("p_positive"), "p_positive", column), path)
    found = negatives_of(world.result())
    assert found.scorer == "p_positive"
    np.testing.assert_array_equal(found.population.scores, p.astype(np.float64))
    assert len(found.population.known) == 60  # positives are expected
    assert found.population.known.mean() == pytest.approx((p**2).sum() / p.sum(), abs=0.01)
    assert negatives_of(world.result(), "dense").scorer == "dense"


def test_every_use_counts(tmp_path, quick_disk):
    world = World.make(tmp_path, positives=2, recipe="naive-top-k")
    assert len(negatives_of(world.result())) == len(world.pairs())


def test_likeness_guides_only_where_there_is_nothing_else(tmp_path, quick_disk):
    assert negatives_of(World.make(tmp_path, recipe="saha").result()).scorer == "dense"  # and not owner_query


def test_without_stored_candidates_the_scores_of_the_negatives_guide(tmp_path, quick_disk, monkeypatch):
    monkeypatch.setattr("foils.mining.prepare.MAX_STORED_CANDIDATES", 0)
    result = World.make(tmp_path, recipe="saha").result()
    found = negatives_of(result)
    assert (found.scorer, found.population.known) == ("dense", None)
    assert np.isfinite(found.population.scores).all()
    with pytest.raises(InputError, match=r"of 'owner_query' nothing is kept, .* name one of: dense"):
        negatives_of(result, "owner_query")
    (tmp_path / "ranked").mkdir()
    result = World.make(tmp_path / "ranked", recipe="hybrid").result()
    assert negatives_of(result).scorer is None  # it was ordered by rank


def test_a_damaged_table_is_said(world):
    for name in ("candidates", "negatives"):
        path = world.out / f"{name}.parquet"
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(FolderError, match=rf"{name}.parquet cannot be read"):
            negatives_of(world.result())


def test_an_unknown_scorer(world):
    with pytest.raises(InputError, match=r"no scores 'dens'; did you mean 'dense'\?"):
        negatives_of(world.result(), "dens")


@pytest.mark.parametrize(("first", "last", "name"), [(1, 1, "1"), (4, 10, "4–10"), (1001, None, "1,001 and deeper")])
def test_names_of_bands(first, last, name):
    assert band_name(first, last) == name
