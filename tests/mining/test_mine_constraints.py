"""Mining under constraints: what is left out, what is recorded of it, and when a run is the same run."""

import dataclasses
import re

import numpy as np
import pyarrow as pa
import pytest
from mining_problem import contents, file_bytes, problem

from foils.constraints import Allow, Before, Deny, Different, Same
from foils.errors import FolderError, InputError
from foils.mining import Execution, Mined, mine

LIMITS = [Same("language"), Before("date"), Deny([("3", "11"), ("3", "12"), ("4", "1")])]
RECIPE = "max-score"
OPTIONS = {
    "settings": ["rules.max_score.threshold=20", "source.dense.similarity=dot", "source.dense.k=5"],
    "constraints": LIMITS,
}


def limited(**options):
    """Make a problem with metadata; anchor 5 and items 9, 10 have no language."""
    this = problem(**options)
    rng = np.random.default_rng(1)
    sides = []
    for records, bare in ((this.collection.anchors, (5,)), (this.collection.items, (9, 10))):
        languages = [None if row in bare else ("en", "de")[rng.integers(2)] for row in range(len(records))]
        dates = pa.array(rng.integers(0, 100, len(records)))
        sides.append(dataclasses.replace(records, fields={"language": pa.array(languages), "date": dates}))
    collection = dataclasses.replace(this.collection, anchors=sides[0], items=sides[1])
    return dataclasses.replace(this, collection=collection)


def permitted(this, anchor, item):
    """Apply the constraints to one pair."""
    of_anchor, of_item = (
        {name: column[row].as_py() for name, column in records.fields.items()}
        for records, row in ((this.collection.anchors, anchor), (this.collection.items, item))
    )
    same = of_anchor["language"] is not None and of_anchor["language"] == of_item["language"]
    return same and of_item["date"] < of_anchor["date"] and (str(anchor), str(item)) not in LIMITS[2].pairs


def test_candidates_are_the_best_of_what_is_permitted():
    this = limited()
    mined = this.mine(RECIPE, **OPTIONS)
    products = this.queries.astype(float) @ this.corpus.T.astype(float)
    known, empty = this.collection.positives(), this.collection.items.empty
    rows = mined.result.candidates().to_pylist()
    assert len(rows) > 30
    for row in rows:
        anchor = row["anchor"]
        free = [item for item in range(known.n_items) if item not in known.row(anchor) and not empty[item]]
        pool = [item for item in free if permitted(this, anchor, item)]
        best = sorted(pool, key=lambda item: (-products[anchor, item], item))
        assert row["items"] == best[: len(row["items"])]
        assert len(row["items"]) == min(row["searched_depth"], len(best))
        assert row["forbidden_items"] == len(free) - len(pool)
        assert row["excluded_positives"] == len(known.row(anchor))
    assert mined.stats["forbidden_items"] == sum(row["forbidden_items"] for row in rows)


def test_what_was_forbidden_is_told():
    mined = limited().mine(RECIPE, **OPTIONS)
    assert mined.stats["constraints"] == [
        {"constraint": "before date", "anchors_without_value": 0, "items_without_value": 0},
        {"constraint": "deny", "pairs": 3, "anchors_listed": 2},
        {"constraint": "same language", "anchors_without_value": 1, "items_without_value": 2},
    ]
    (warning,) = [text for text in mined.stats["warnings"] if text.startswith("same language: ")]
    assert "1 anchors and 2 items have no value" in warning
    assert f"{mined.stats['forbidden_items']:,} times, lists and constraints forbade" in mined.summary()
    story = mined.explain("5")
    assert story.candidates == []
    assert story.forbidden_items > 80
    assert f"{story.forbidden_items} items forbidden by constraints" in str(story)
    free = limited().mine(RECIPE, settings=OPTIONS["settings"])
    assert free.stats["forbidden_items"] == 0
    assert free.stats["constraints"] == []
    assert "forbidden" not in str(free.explain("4")) + free.summary()


@pytest.mark.parametrize("recipe", [RECIPE, "uniform", "popularity"])
def test_the_tables_do_not_depend_on_blocks_and_threads(recipe, tmp_path, monkeypatch):
    this, options = limited(whole=False), OPTIONS if recipe == RECIPE else {"constraints": LIMITS}
    whole = this.mine(recipe, tmp_path / "whole", **options)
    assert whole.stats["negatives"] > 30
    for block, threads, cells in ((1, 2, 1), (7, 1, 200)):
        monkeypatch.setattr("foils.search.forbidden.CELLS", cells)
        out = tmp_path / f"{block}-{threads}"
        this.mine(recipe, out, execution=Execution(threads=threads, block=block), **options)
        assert file_bytes(out) == file_bytes(tmp_path / "whole")


def test_the_identity_holds_each_constraint_and_what_it_rests_on(tmp_path):
    this = limited()
    mined = this.mine(RECIPE, tmp_path / "out", **OPTIONS)
    assert list(mined.identity.constraints) == ["before date", "deny", "same language"]
    again = this.mine(RECIPE, tmp_path / "again", **{**OPTIONS, "constraints": LIMITS[::-1] + LIMITS[:1]})
    assert file_bytes(again.path) == file_bytes(mined.path)
    this.mine(RECIPE, tmp_path / "out", **OPTIONS)  # the same run: goes on, or is finished
    others = {
        "constraints.same language: ": [*LIMITS[1:], Different("language")],
        "constraints.different language: None there": [*LIMITS, Different("language")],
        "constraints.deny: ": [*LIMITS[:2], Deny([("3", "11")])],
        "constraints.before date: ": [LIMITS[0], LIMITS[2]],
        "constraints.allow: None there": [*LIMITS, Allow([("3", "1")])],
    }
    for complaint, constraints in others.items():
        with pytest.raises(FolderError, match="holds a run that differs in") as caught:
            this.mine(RECIPE, tmp_path / "out", **{**OPTIONS, "constraints": constraints})
        assert complaint in str(caught.value)
    with pytest.raises(FolderError, match=r"constraints.deny: '\w+' there, None now"):
        this.mine(RECIPE, tmp_path / "out", settings=OPTIONS["settings"])


def test_other_metadata_is_another_run(tmp_path):
    this = limited()
    this.mine(RECIPE, tmp_path / "out", **OPTIONS)
    items = this.collection.items
    dates = pa.array([*items.fields["date"].to_pylist()[:-1], 1000])
    changed = dataclasses.replace(items, fields={**items.fields, "date": dates})
    other = dataclasses.replace(this, collection=dataclasses.replace(this.collection, items=changed))
    with pytest.raises(FolderError, match=r"constraints\.before date: '") as caught:
        other.mine(RECIPE, tmp_path / "out", **OPTIONS)
    assert "same language" not in str(caught.value)  # whose values are the same


def test_a_killed_run_goes_on_to_the_same_tables(tmp_path):
    this = limited()
    this.mine(RECIPE, tmp_path / "whole", **OPTIONS)

    def stop(done, total):
        if done >= total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        this.mine(RECIPE, tmp_path / "out", progress=stop, **OPTIONS)
    assert not (tmp_path / "out" / "stats.json").exists()
    this.mine(RECIPE, tmp_path / "out", **OPTIONS)
    assert file_bytes(tmp_path / "out") == file_bytes(tmp_path / "whole")


def test_rethreshold_and_deepen_keep_to_the_constraints(tmp_path):
    this = limited()
    harsh = [setting.replace("=20", "=1") for setting in OPTIONS["settings"]]
    fresh = this.mine(RECIPE, tmp_path / "fresh", settings=harsh, constraints=LIMITS)
    this.mine(RECIPE, tmp_path / "mild", **OPTIONS)
    opened = this.open(tmp_path / "mild", constraints=LIMITS)
    judged = opened.rethreshold(["rules.max_score.threshold=1"])
    assert judged.stats["constraints"] == fresh.stats["constraints"]
    assert judged.stats["forbidden_items"] == fresh.stats["forbidden_items"]
    assert [text for text in judged.stats["warnings"] if "same language" in text]
    assert judged.needs_deeper
    deeper = judged.deepen(tmp_path / "deeper")
    assert file_bytes(deeper.path) == file_bytes(fresh.path)
    assert contents(deeper.sample(0)) == contents(fresh.negatives)


def test_a_result_is_opened_with_the_constraints_that_it_was_mined_with(tmp_path):
    this = limited()
    this.mine(RECIPE, tmp_path / "out", **OPTIONS)
    without = this.open(tmp_path / "out")
    assert without.to("triplet").num_rows > 30
    with pytest.raises(InputError, match="the constraints if there were some"):
        without.deepen()
    with pytest.raises(FolderError, match=r"constraints\.deny: "):
        this.open(tmp_path / "out", constraints=[*LIMITS[:2], Deny([("3", "11")])])
    this.mine(RECIPE, tmp_path / "free", settings=OPTIONS["settings"])
    with pytest.raises(FolderError, match=r"constraints\.same language: None there"):
        this.open(tmp_path / "free", constraints=LIMITS[:1])
    assert Mined.open(tmp_path / "free", this.collection).prepared is None


def test_constraints_are_looked_at_before_anything_is_encoded_or_written(tmp_path):
    this = limited()

    def encoder(texts):
        raise AssertionError(texts)

    for constraints, complaint in (
        ([Same("langage")], "same langage: the anchors have no field 'langage'; did you mean 'language'?"),
        ([Deny(tmp_path / "none.tsv")], "there is no such file"),
        (["language"], "is no constraint"),
    ):
        with pytest.raises(InputError, match=re.escape(complaint)):
            mine(
                this.collection, "naive-top-k", negatives=1, model=encoder, out=tmp_path / "out",
                constraints=constraints,
            )  # fmt: skip
    assert not (tmp_path / "out").exists()
