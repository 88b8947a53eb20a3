"""Plans: what they count, what they leave untouched, what they refuse; and a plan beside the run itself."""

import subprocess
import sys

import numpy as np
import pytest
from plan_world import ANCHORS, DIM, ITEMS, Counting, collection, vectors

import foils
from foils.errors import InputError
from foils.mining.budget import megabytes
from foils.mining.memory import anonymous_bytes
from foils.planning import amounts
from foils.planning.text import describe, duration, size
from foils.sources import BM25, HNSW

MEGABYTE = 1_000_000
GIVEN = {"query_vectors": vectors(ANCHORS), "item_vectors": vectors(ITEMS, 1)}


def planned(recipe="nv-retriever", **options):
    return foils.plan(collection(), recipe, negatives=4, **(options or GIVEN))


def stage(plan, name):
    return next(one for one in plan.stages if name in one.name)


def test_disk_is_what_the_run_then_takes(tmp_path):
    plan = planned()
    foils.mine(collection(), "nv-retriever", negatives=4, out=tmp_path / "out", **GIVEN)
    for name, expected in plan.tables.items():
        assert (tmp_path / "out" / name).stat().st_size == pytest.approx(expected, rel=0.3), name
    assert set(plan.tables) == {"negatives.parquet", "candidates.parquet", "items.parquet"}
    shards = plan.scratch["shards, until they are joined"]
    assert plan.disk_bytes == sum(plan.tables.values()) + shards
    assert shards == pytest.approx(plan.tables["negatives.parquet"] + plan.tables["candidates.parquet"], abs=3)


def test_stages_are_in_the_order_of_the_run_and_add_up():
    plan = planned()
    names = [one.name for one in plan.stages]
    assert names == ["checking and hashing", "opening sources and indexes", "mining", "writing and joining"]
    assert (stage(plan, "mining").amount, plan.units) == (ANCHORS, ANCHORS)
    assert 0 < plan.probed_units <= ANCHORS
    assert plan.seconds == pytest.approx(sum(one.seconds for one in plan.stages))
    assert all(one.seconds > 0 for one in plan.stages)


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOILS_CACHE", str(tmp_path / "cache"))
    planned()
    planned(model=Counting())
    assert list(tmp_path.iterdir()) == []


def test_texts_that_are_not_in_the_cache_are_counted_equal_ones_once(tmp_path):
    encoder = Counting()
    plan = planned(model=encoder, cache=tmp_path)
    assert [(one.side, one.texts, one.missing, one.dim) for one in plan.encodings] == [
        ("anchors", ANCHORS, ANCHORS, DIM),
        ("items", ITEMS, ITEMS - 1, DIM),
    ]
    assert [stage(plan, f"encoding the {side}").amount for side in ("queries", "corpus")] == [ANCHORS, ITEMS - 1]
    assert plan.scratch["new vectors, kept in the cache"] == (ANCHORS + ITEMS - 1) * (4 * DIM + 16)
    assert "vectors" not in plan.memory
    assert "is searched deeper" in plan.warnings[-1] or "are searched deeper" in plan.warnings[-1]


def test_a_warm_cache_leaves_nothing_to_encode(tmp_path):
    data = collection()
    foils.mine(data, "nv-retriever", negatives=4, model=Counting(), cache=tmp_path)
    encoder = Counting()
    plan = foils.plan(data, "nv-retriever", negatives=4, model=encoder, cache=tmp_path)
    assert encoder.asked == []
    assert [one.missing for one in plan.encodings] == [0, 0]
    assert not any("searched deeper" in warning for warning in plan.warnings)
    assert "new vectors, kept in the cache" not in plan.scratch
    given = [
        encode.encode(texts.full_texts(), "items")
        for encode, texts in ((Counting(), data.anchors), (Counting(), data.items))
    ]
    same = planned(query_vectors=given[0], item_vectors=given[1])
    assert plan.tables["candidates.parquet"] == pytest.approx(same.tables["candidates.parquet"], rel=0.2)


def test_a_changed_text_is_the_only_one_to_encode(tmp_path):
    data = collection()
    foils.mine(data, "naive-top-k", negatives=4, model=Counting(), cache=tmp_path)
    texts = data.items.full_texts()
    texts[5] = "something new"
    judged = data.judgements
    changed = foils.Collection.from_arrays(
        np.stack([judged.anchors, judged.items], axis=1), anchors=data.anchors.full_texts(), items=texts
    )
    plan = foils.plan(changed, "naive-top-k", negatives=4, model=Counting(), cache=tmp_path)
    assert [one.missing for one in plan.encodings] == [0, 1]


@pytest.mark.parametrize("options", [{"cache": False}, {"kept": False}])
def test_vectors_that_are_not_kept_need_memory(options, tmp_path):
    plan = planned(model=Counting(kept=options.get("kept", True)), cache=options.get("cache", tmp_path))
    assert plan.memory["vectors"] == (ANCHORS + ITEMS) * 4 * DIM
    assert [one.missing for one in plan.encodings] == [ANCHORS, ITEMS]
    assert "new vectors, kept in the cache" not in plan.scratch


def test_a_recipe_that_reads_no_vectors_encodes_nothing():
    encoder = Counting()
    assert planned("uniform", model=encoder).encodings == ()
    assert encoder.asked == []


def test_a_budget_that_holds_no_block_is_refused_with_the_smallest_that_does():
    deep = {**GIVEN, "settings": ["source.dense.max_depth=100000"]}
    least = planned(**deep).least_budget
    assert least > 40 * MEGABYTE  # one anchor's candidates, 100,000 deep, on two threads
    with pytest.raises(InputError, match=f"give at least --memory {megabytes(least)}"):
        planned(**deep, execution=foils.Execution(memory_bytes=least - 1))
    plan = planned(**deep, execution=foils.Execution(memory_bytes=least))
    assert plan.least_budget == least
    assert plan.memory["blocks of work"] <= least
    assert planned(**deep, execution=foils.Execution(memory_bytes=least, threads=1)).least_budget == least // 2


PROCESS = """
import json, sys
import numpy as np
import foils

what, folder = sys.argv[1:]
noise = np.random.default_rng(0)
given = {"query_vectors": noise.normal(size=(2100, 32)), "item_vectors": noise.normal(size=(4000, 32))}
data = foils.Collection.from_arrays([(row, row) for row in range(2100)], anchors=2100, items=4000)
options = {"negatives": 4, "execution": foils.Execution(memory_bytes=20_000_000), **given}
if what == "plan":
    print(foils.plan(data, "naive-top-k", **options).memory_bytes)
else:
    print(foils.mine(data, "naive-top-k", out=folder, **options).stats["peak_anonymous_bytes"])
"""


@pytest.mark.skipif(anonymous_bytes() is None, reason="only Linux tells how much anonymous memory a process has")
def test_a_run_holds_about_what_the_plan_says(tmp_path):
    said = [
        int(
            subprocess.run(
                [sys.executable, "-c", PROCESS, what, str(tmp_path / "out")], capture_output=True, check=True
            ).stdout
        )
        for what in ("plan", "mine")
    ]
    assert 0.7 * said[0] < said[1] < 1.05 * said[0]


def test_the_budget_bounds_the_blocks_and_small_data_need_less():
    assert planned().memory["blocks of work"] < 2_000 * MEGABYTE
    assert planned().least_budget == 16 * MEGABYTE


def test_a_rounded_copy_of_the_vectors_is_an_item_of_its_own(monkeypatch):
    copy, rows = "a rounded copy of the vectors, to search faster", GIVEN["item_vectors"]
    assert copy not in planned().memory
    monkeypatch.setattr(amounts, "is_worth_a_look", lambda anchors, items: True)
    assert planned().memory[copy] == 2 * rows.size
    assert copy not in planned(**GIVEN, execution=foils.Execution(search="exact")).memory


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"model": len, **GIVEN}, "give a model, or query_vectors and item_vectors, not both"),
        ({"query_vectors": vectors(3)}, "give query vectors and corpus vectors together"),
        ({"query_vectors": vectors(3), "item_vectors": vectors(ITEMS)}, "3 rows for 60 entries"),
        ({**GIVEN, "split": "dev"}, "there is no split 'dev'"),
    ],
)
def test_what_the_run_would_refuse_is_refused(options, expected):
    with pytest.raises(InputError, match=expected):
        planned(**options)


def test_pair_units_are_counted(tmp_path):
    recipe = tmp_path / "pairs.yaml"
    recipe.write_text("per: pair\nsource: {dense: {k: 10}}\nsampler: {top_k: {}}\n")
    data = foils.Collection.from_arrays([(0, 0), (0, 1), (1, 2)], anchors=2, items=30)
    plan = foils.plan(data, recipe, negatives=4, query_vectors=vectors(2), item_vectors=vectors(30, 1))
    assert plan.units == 3


def test_an_index_is_probed_in_parts_where_there_are_many_items(monkeypatch):
    monkeypatch.setattr("foils.planning.parts.WHOLE", {BM25: 200, HNSW: 200})
    monkeypatch.setattr("foils.planning.parts.PARTS", {BM25: (80, 160), HNSW: (80, 160)})
    recipe = "bm25"
    plan = planned(recipe)
    assert plan.units == ANCHORS
    assert any("indexes built for parts of the 300 items" in said for said in plan.calibration)
    assert stage(plan, "opening").seconds > 0


def test_the_text_names_what_takes_longest_and_all_amounts(tmp_path):
    plan = planned(model=Counting(), cache=tmp_path)
    text = describe(plan)
    assert text.startswith("about ")
    for part in ("encoding the corpus", "299 texts", "60 units", "candidates.parquet", "1 of 360 texts need no"):
        assert part in text
    assert f"the least is {megabytes(plan.least_budget)}" in text
    assert max(len(line) for line in text.splitlines()[1:] if not line.startswith(("note", "measured"))) <= 80


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.001, "< 0.01 s"),
        (0.5, "0.50 s"),
        (89, "89 s"),
        (91, "2 min"),
        (5399, "90 min"),
        (7200, "2.0 h"),
        (2e5, "2.3 days"),
    ],
)
def test_durations(seconds, expected):
    assert duration(seconds) == expected


def test_sizes():
    assert [size(count) for count in (0, 999, 1000, 2.5e6, 3e12, 5e15)] == [
        "0 B", "999 B", "1.0 KB", "2.5 MB", "3.0 TB", "5000.0 TB",
    ]  # fmt: skip
