"""A result that is extended by appended items: the files of a fresh run, without a search of what was searched."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mining_problem import Problem, file_bytes, problem

import foils
from foils.constraints import Allow, Before, Deny, Same
from foils.errors import DataError, FolderError, InputError
from foils.mining import Execution, Mined, extend
from foils.mining.appended import _shifted
from foils.recipes import load
from foils.search import ExactIndex

DEEP = Path(__file__).with_name("deep.yaml")
FIRST = 78
"""Items of the first run, of 90."""


@pytest.fixture(autouse=True)
def few_spare(monkeypatch):
    """Let more than were looked for at first be wanted of the appended items."""
    monkeypatch.setattr("foils.mining.appended.SPARE", 1)


def cut(this: Problem, items: int, forget: tuple[int, ...] = ()) -> Problem:
    """Take the first items; what is judged of others is left out, and so are these places of what is judged."""
    judged = this.collection.judgements
    kept = judged.items < items
    kept[list(forget)] = False
    columns = {name: getattr(judged, name)[kept] for name in ("anchors", "items", "grades", "splits")}
    records = this.collection.items.take(np.arange(items))
    collection = dataclasses.replace(this.collection, items=records, judgements=dataclasses.replace(judged, **columns))
    return Problem(collection, this.queries, this.corpus[:items])


def extended(this: Problem, before: Mined, out: Path | None = None, **options) -> Mined:
    """Extend a result to all items of a problem."""
    options = {"query_vectors": this.queries, "item_vectors": this.corpus, **options}
    return extend(before, this.collection, out=out, **options)


def positives(this: Problem) -> list[int]:
    return np.flatnonzero(this.collection.judgements.grades > 0).tolist()


FLAT = """
per: {per}
source: {{dense: {{k: 6, max_depth: 48, similarity: dot}}}}
scorers: [{{vectors: {{}}}}]
rules: [{{absolute_margin: {{margin: 3, reference: max, column: dense}}}}]
sampler: {{simans: {{a: 2, reference: max, column: vectors}}}}
shortfall: {{policy: relax, steps: [{{absolute_margin: {{margin: 1}}}}]}}
"""


@pytest.mark.parametrize(("whole", "forget"), [(True, 12), (False, 0)])
@pytest.mark.parametrize(
    "recipe", ["naive-top-k", "nv-retriever", "simans", "max-score", "runner-up", "deep", "anchor", "pair"]
)
def test_the_files_are_those_of_a_fresh_run(tmp_path, recipe_file, recipe, whole, forget):
    chosen = {
        "deep": DEEP,
        "anchor": recipe_file(FLAT.format(per="anchor")),
        "pair": recipe_file(FLAT.format(per="pair")),
    }
    recipe = chosen.get(recipe, recipe)
    this = problem(whole=whole)
    before = cut(this, FIRST, tuple(positives(this)[5 : 5 + forget])).mine(recipe, tmp_path / "before")
    after = extended(this, before, tmp_path / "after")
    assert file_bytes(after.path) == file_bytes(this.mine(recipe, tmp_path / "fresh").path)


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 999),
    first=st.integers(40, 60),
    forget=st.integers(0, 30),
    whole=st.booleans(),
    k=st.integers(1, 30),
    deeper=st.sampled_from([1, 2, 10]),
    margin=st.integers(0, 6),
    per=st.sampled_from(["anchor", "pair"]),
)
def test_the_files_are_those_of_a_fresh_run_whatever_the_problem(
    tmp_path_factory, seed, first, forget, whole, k, deeper, margin, per
):
    folder = tmp_path_factory.mktemp("extend")
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"per: {per}\nsource: {{dense: {{k: {k}, max_depth: {k * deeper}, similarity: dot}}}}\n"
        f"rules: [{{absolute_margin: {{margin: {margin}, reference: mean}}}}]\nsampler: {{top_k: {{}}}}"
    )
    this = problem(anchors=20, items=60, seed=seed, whole=whole, empty=(7, 58))
    known = positives(this)
    forgotten = np.random.default_rng(seed).permutation(known)[: min(forget, len(known) - 20)]
    before = cut(this, first, tuple(forgotten)).mine(recipe, folder / "before", negatives=3)
    after = extended(this, before, folder / "after")
    assert file_bytes(after.path) == file_bytes(this.mine(recipe, folder / "fresh", negatives=3).path)


def searched(monkeypatch) -> list[tuple[int, int]]:
    """Note how many anchors are searched for among how many items."""
    searches = []
    find = ExactIndex.find

    def noted(index, anchors, *rest):
        searches.append((len(index.items), len(anchors)))
        return find(index, anchors, *rest)

    monkeypatch.setattr(ExactIndex, "find", noted)
    return searches


@pytest.mark.parametrize("k", [9, FIRST + 1])
def test_only_what_was_appended_is_searched(monkeypatch, k):
    this = problem(judged_zero=False)
    before = cut(this, FIRST).mine("naive-top-k", settings=[f"source.dense.k={k}"])
    searches = searched(monkeypatch)
    after = extended(this, before)
    searched_for = [anchors for items, anchors in searches if items == len(this.corpus) - FIRST]
    assert sum(searched_for) >= 30
    assert {items for items, _ in searches} == {len(this.corpus) - FIRST, len(this.corpus)}
    given = this.collection.positives().given()
    newly = {anchor for anchor in range(given.n_anchors) if given.degrees[anchor] and given.row(anchor).min() >= FIRST}
    assert 0 < len(newly) == sum(anchors for items, anchors in searches if items == len(this.corpus))
    assert after.stats["source"]["extended"] == {"items_before": FIRST, "items_appended": 12}
    assert after.stats["source"]["dense"]["anchors_searched"] == len(newly)


def test_appended_items_that_are_all_better_are_all_found(tmp_path, monkeypatch):
    this = problem(items=150, judged_zero=False)
    this.corpus[100:] = 9 * this.queries[1] + np.arange(50)[:, None] % 3
    options = {"settings": ["source.dense.k=40", "source.dense.similarity=dot"]}
    before = cut(this, 100).mine("naive-top-k", **options)
    searches = searched(monkeypatch)
    after = extended(this, before, tmp_path / "after")
    assert len([anchors for items, anchors in searches if items == 50]) > 3  # one block for each shard, and some again
    assert file_bytes(after.path) == file_bytes(this.mine("naive-top-k", tmp_path / "fresh", **options).path)
    best = after.result.candidates(["items"])["items"].to_pylist()
    assert max(sum(item >= 100 for item in items) for items in best) > 2 * 40 * 50 // 150 + 1


def test_units_that_come_out_short_are_searched_in_full_and_no_others(tmp_path, monkeypatch):
    this = problem(anchors=60, items=200, seed=3)
    before = cut(this, 150).mine(DEEP, tmp_path / "before")
    depths = before.result.candidates(["searched_depth", "exhausted", "anchor"]).to_pylist()
    searches = searched(monkeypatch)
    after = extended(this, before, tmp_path / "after")
    in_full = sum(anchors for items, anchors in searches if items == 200)
    assert file_bytes(after.path) == file_bytes(this.mine(DEEP, tmp_path / "fresh").path)
    now = {row["anchor"]: row["searched_depth"] for row in after.result.candidates().to_pylist()}
    deeper = sum(now[row["anchor"]] > row["searched_depth"] and not row["exhausted"] for row in depths)
    newly = len(now) - len(depths)
    assert 0 < deeper <= in_full <= 4 * (deeper + newly)
    assert max(row["searched_depth"] for row in depths) > 5  # and some of them had been looked at deeper before


def test_judgements_alone_can_be_new(tmp_path):
    this = problem()
    before = cut(this, len(this.corpus), tuple(positives(this)[:20])).mine("nv-retriever", tmp_path / "before")
    after = extended(this, before, tmp_path / "after")
    assert file_bytes(after.path) == file_bytes(this.mine("nv-retriever", tmp_path / "fresh").path)


def test_results_are_extended_again_and_again_and_after_other_rules(tmp_path):
    this = problem(items=120)
    mined = cut(this, 60).mine(DEEP).rethreshold(["rules.absolute_margin.margin=2"])
    for items in (80, 81, 120):
        mined = extended(cut(this, items), mined, tmp_path / f"{items}")
    fresh = this.mine(DEEP, tmp_path / "fresh", settings=["rules.absolute_margin.margin=2"])
    assert file_bytes(mined.path) == file_bytes(fresh.path)


@pytest.mark.parametrize(
    ("execution", "dtype"), [(Execution(block=3, threads=1), np.float16), (Execution(threads=3), np.float32)]
)
def test_nothing_depends_on_blocks_threads_and_shards(tmp_path, execution, dtype):
    this = problem(whole=False)
    this = Problem(this.collection, this.queries, this.corpus.astype(dtype))
    before = cut(this, FIRST).mine("nv-retriever", tmp_path / "before")
    parts = [this.corpus[:30], this.corpus[30:FIRST], this.corpus[FIRST:]]
    for place, part in enumerate(parts):
        np.save(tmp_path / f"{place}.npy", part)
    after = extended(this, before, tmp_path / "after", item_vectors=tmp_path, execution=execution)
    assert file_bytes(after.path) == file_bytes(this.mine("nv-retriever", tmp_path / "fresh").path)


def test_the_folder_is_that_of_a_fresh_run_which_may_go_on_in_it(tmp_path):
    this = problem()
    before = cut(this, FIRST).mine("nv-retriever", tmp_path / "before")

    def stop(done: int, total: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extended(this, before, tmp_path / "after", progress=stop)
    seen: list[int] = []
    this.mine("nv-retriever", tmp_path / "after", progress=lambda done, _: seen.append(done))
    assert seen[0] > 0
    assert file_bytes(tmp_path / "after") == file_bytes(this.mine("nv-retriever", tmp_path / "fresh").path)


def with_fields(this: Problem) -> Problem:
    rng = np.random.default_rng(2)
    sides = []
    for records in (this.collection.anchors, this.collection.items):
        languages = pa.array([("en", "de")[code] for code in rng.integers(2, size=len(records))])
        dates = pa.array(rng.integers(0, 100, len(records)))
        sides.append(dataclasses.replace(records, fields={"language": languages, "date": dates}))
    return dataclasses.replace(this, collection=dataclasses.replace(this.collection, anchors=sides[0], items=sides[1]))


LIMITS = [Same("language"), Before("date"), Deny([("3", "11"), ("4", "1")]), Allow([("6", str(i)) for i in range(40)])]


def test_constraints_hold_among_appended_items_too(tmp_path):
    this = with_fields(problem())
    before = cut(this, FIRST).mine(DEEP, tmp_path / "before", constraints=LIMITS)
    after = extended(this, before, tmp_path / "after", constraints=LIMITS)
    fresh = this.mine(DEEP, tmp_path / "fresh", constraints=LIMITS)
    assert file_bytes(after.path) == file_bytes(fresh.path)


def test_rows_and_slices_of_what_was_appended_are_counted_alike():
    by_slice, by_rows = (_shifted(rows, 7) for rows in (slice(2, 5), np.arange(2, 5)))
    assert np.arange(40)[by_slice].tolist() == by_rows.tolist() == [9, 10, 11]


# --- what is refused, before anything is written


@pytest.mark.parametrize("recipe", ["bm25", "uniform", "popularity", "hybrid"])
def test_other_sources_are_refused(tmp_path, recipe):
    this = problem()
    before = cut(this, FIRST).mine(recipe)
    name = load(recipe).source.name
    with pytest.raises(InputError, match=f"from the source {name}, which gives other candidates .* Mine again"):
        extended(this, before, tmp_path / "after")
    assert not (tmp_path / "after").exists()


def other_vector(this: Problem) -> Problem:
    corpus = this.corpus.copy()
    corpus[3] += 1
    return dataclasses.replace(this, corpus=corpus)


def other_query(this: Problem) -> Problem:
    return dataclasses.replace(this, queries=this.queries + 1)


def other_text(this: Problem) -> Problem:
    texts = this.collection.items.texts.to_pylist()
    texts[5] = "something else"
    items = dataclasses.replace(this.collection.items, texts=pa.array(texts, pa.large_string()))
    return dataclasses.replace(this, collection=dataclasses.replace(this.collection, items=items))


def lost_positive(this: Problem) -> Problem:
    place = next(place for place in positives(this) if this.collection.judgements.items[place] < FIRST)
    return cut(this, len(this.corpus), (place,))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (other_vector, "vectors.model.items"),
        (other_query, "vectors.model.anchors"),
        (other_text, "collection"),
        (lost_positive, "collection"),
    ],
)
def test_changes_of_what_was_mined_are_named(tmp_path, change, named):
    this = problem()
    before = cut(this, FIRST).mine("nv-retriever")
    with pytest.raises(
        FolderError, match=rf"of its {FIRST} items, and of all anchors, this differs:\n  inputs\.{named}: "
    ):
        extended(change(this), before, tmp_path / "after")
    assert not (tmp_path / "after").exists()


def test_other_constraints_are_named(tmp_path):
    this = with_fields(problem())
    before = cut(this, FIRST).mine(DEEP, constraints=LIMITS[:1])
    with pytest.raises(FolderError, match=r"constraints\.before date: None there, '.*' now"):
        extended(this, before, tmp_path / "after", constraints=LIMITS[:2])
    appended = Deny([("3", str(FIRST + 1))])
    with pytest.raises(DataError, match=rf"among the {FIRST} items of .*the collection has no item '{FIRST + 1}'"):
        extended(this, before, tmp_path / "after", constraints=[*LIMITS[:1], appended])


def test_items_that_are_gone_or_moved_are_named(tmp_path):
    this = problem()
    before = this.mine("nv-retriever")
    with pytest.raises(DataError, match=r"the collection has 78 items, and .* was mined from 90"):
        extended(cut(this, FIRST), before, tmp_path / "after")
    ids = this.collection.items.ids.to_pylist()
    ids[4], ids[5] = ids[5], ids[4]
    items = dataclasses.replace(this.collection.items, ids=pa.array(ids, pa.large_string()))
    moved = dataclasses.replace(this, collection=dataclasses.replace(this.collection, items=items))
    with pytest.raises(DataError, match=r"item 4 \(from 0\) is '5', and '4' in "):
        extended(moved, before, tmp_path / "after")
    assert not (tmp_path / "after").exists()


def test_a_result_is_not_written_over_by_its_own_extension(tmp_path):
    this = problem()
    before = cut(this, FIRST).mine("nv-retriever", tmp_path / "before")
    files = file_bytes(before.path)
    with pytest.raises(InputError, match="is the result that is to be extended"):
        extended(this, before, tmp_path / "x" / ".." / "before", fresh=True)
    assert file_bytes(before.path) == files


def test_it_is_there_under_its_short_name():
    assert foils.extend is extend


def test_what_is_returned_can_be_searched_deeper(tmp_path):
    this = problem()
    after = extended(this, cut(this, FIRST).mine(DEEP, settings=["rules.absolute_margin.margin=0"]))
    deeper = after.rethreshold(["rules.absolute_margin.margin=4"]).deepen(tmp_path / "deep")
    fresh = this.mine(DEEP, tmp_path / "fresh", settings=["rules.absolute_margin.margin=4"])
    assert file_bytes(deeper.path) == file_bytes(fresh.path)
    assert json.loads((deeper.path / "identity.json").read_text())["derived"] is None
