"""A finished result: opened, exported, asked why."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pyarrow as pa
import pytest
from mining_problem import contents, found, problem

from foils.collection import Collection, Records
from foils.errors import FolderError, InputError
from foils.mining import Mined, mine

DEEP = Path(__file__).with_name("deep.yaml")
MARGIN = "rules.absolute_margin.margin={}"
HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\x1b[31mred\x1b[0m",
    'a"b\\c',
    "two\nlines\r\n",
    "\u2028\u0085\u202e",
    "['a', 'b']",
    " ",
    "ß𝒳\U0010ffff",
    "null",
]


def hostile_problem():
    """A problem whose ids and texts are hostile."""
    this = problem(anchors=len(HOSTILE), items=90)
    ids = [f"{text}#{row}" for row, text in enumerate(HOSTILE * 9)]
    ids[3] = HOSTILE[3]
    data = replace(
        this.collection,
        anchors=Records.of(HOSTILE, [text + "x" for text in HOSTILE]),
        items=Records.of(ids, [f"text of {name}" for name in ids]),
    )
    return replace(this, collection=data)


# --- export


def naive_triplets(table: pa.Table, m: int, drop: bool) -> list[tuple]:
    rows = []
    for row in table.to_pylist():
        if drop and len(row["negative_ids"]) < m:
            continue
        for positive in row["positive_ids"]:
            rows += [(row["anchor_id"], positive, negative) for negative in row["negative_ids"]]
    return rows


def naive_tuples(table: pa.Table, m: int, drop: bool) -> list[tuple]:
    rows = []
    for row in table.to_pylist():
        drawn = row["negative_ids"]
        if drop and len(drawn) < m:
            continue
        absent = [None] * (m - len(drawn))
        rows += [(row["anchor_id"], positive, *drawn, *absent) for positive in row["positive_ids"]]
    return rows


@pytest.mark.parametrize("shortfall", ["short", "drop"])
@pytest.mark.parametrize(("format", "reference"), [("triplet", naive_triplets), ("n-tuple", naive_tuples)])
@pytest.mark.parametrize("margin", [0, 3, 8, 1000])
@pytest.mark.parametrize("per", ["anchor", "pair"])
def test_export_is_that_of_a_reference_in_plain_loops(recipe_file, shortfall, format, reference, margin, per):
    this = problem()
    recipe = recipe_file(f"per: {per}\n{DEEP.read_text()}")
    mined = this.mine(recipe, settings=[MARGIN.format(margin)])
    wanted = reference(mined.negatives, 4, shortfall == "drop")
    ids = mined.to(format, columns="id", shortfall=shortfall)
    assert [tuple(row.values()) for row in ids.to_pylist()] == wanted
    names = {"triplet": ["negative"], "n-tuple": ["negative_1", "negative_2", "negative_3", "negative_4"]}
    assert ids.column_names == ["anchor", "positive", *names[format]]
    texts = mined.to(format, shortfall=shortfall)
    anchors, items = this.collection.anchors.full_texts(), this.collection.items.full_texts()
    spelled = [
        (anchors[int(row[0])], *(None if item is None else items[int(item)] for item in row[1:]))
        for row in wanted
        if items[int(row[1])]  # a positive without text is nothing to train on
    ]
    assert all(row[1] for row in spelled)
    assert [tuple(row.values()) for row in texts.to_pylist()] == spelled
    assert not any(pa.types.is_null(type) for type in texts.schema.types)


def test_the_cases_of_the_export_occur():
    this = problem()
    lengths = [
        {len(row["negative_ids"]) for row in this.mine(DEEP, settings=[MARGIN.format(margin)]).negatives.to_pylist()}
        for margin in (0, 3, 8, 1000)
    ]
    assert lengths[0] == {0, 4}
    assert lengths[1] > {0, 4}
    assert lengths[3] == {0}


def test_unknown_formats_and_policies_are_refused():
    mined = problem().mine(DEEP)
    with pytest.raises(InputError, match="did you mean 'n-tuple'"):
        mined.to("n_tuple")
    with pytest.raises(InputError, match="use short or drop"):
        mined.to("triplet", shortfall="relax")


def test_texts_need_the_collection(tmp_path):
    problem().mine(DEEP, tmp_path / "out")
    mined = Mined.open(tmp_path / "out")
    assert mined.to("triplet", columns="id").num_rows > 0
    with pytest.raises(InputError, match="columns='id'"):
        mined.to("triplet")


@pytest.mark.parametrize("per", ["anchor", "pair"])
def test_hostile_strings_come_out_as_they_went_in(recipe_file, per):
    this = hostile_problem()
    mined = this.mine(recipe_file(f"per: {per}\n{DEEP.read_text()}"))
    table = mined.negatives.to_pylist()
    items = this.collection.items.ids.to_pylist()
    for row, stored in zip(table, mined.result.candidates().to_pylist(), strict=True):
        assert row["anchor_id"] == HOSTILE[stored["anchor"]]
        assert row["positive_ids"] == [items[item] for item in stored["positives"]]
        assert set(row["negative_ids"]) <= {items[item] for item in stored["items"]}
        unit = row["anchor_id"] if per == "anchor" else [row["anchor_id"], *row["positive_ids"]]
        assert (row["unit_id"] if per == "anchor" else json.loads(row["unit_id"])) == unit
        assert stored["unit_id"] == row["unit_id"]
    texts = dict(zip(HOSTILE, this.collection.anchors.full_texts(), strict=True))
    ids, spelled = mined.to("triplet", columns="id"), mined.to("triplet")
    assert [texts[anchor] for anchor in ids["anchor"].to_pylist()] == spelled["anchor"].to_pylist()


def test_what_is_shown_of_hostile_strings_cannot_steer_a_terminal():
    mined = hostile_problem().mine(DEEP)
    for unit in mined.negatives["unit_id"].to_pylist():
        story = str(mined.explain(unit))
        assert all(character.isprintable() or character == "\n" for character in story)
        assert len(story.splitlines()) == len(story.split("\n"))
    with pytest.raises(InputError) as caught:
        mined.explain("\x1b[31mre")
    assert str(caught.value).isprintable()
    assert mined.summary().replace("\n", "").isprintable()


# --- opening


def test_an_opened_result_is_the_mined_one(tmp_path):
    this = problem()
    mined = this.mine(DEEP, tmp_path / "out")
    opened = this.open(tmp_path / "out")
    assert contents(opened.negatives) == contents(mined.negatives)
    assert opened.to("triplet").equals(mined.to("triplet"))
    assert opened.identity == mined.identity
    assert opened.recipe.resolved() == mined.recipe.resolved()
    assert str(opened.explain("1")) == str(mined.explain("1"))
    assert opened.summary() == mined.summary()
    assert contents(opened.deepen().negatives) == contents(mined.negatives)


def test_other_data_is_refused_when_opening(tmp_path):
    this, out = problem(), tmp_path / "out"
    this.mine(DEEP, out)
    other = problem(seed=5)
    with pytest.raises(FolderError, match=r"(?s)mined from other data.*collection: .* there, .* now"):
        Mined.open(out, other.collection)
    with pytest.raises(FolderError, match="mined from other data"):
        Mined.open(out, problem(items=91).collection)
    with pytest.raises(FolderError, match=r"vectors\.model\.items"):
        Mined.open(out, this.collection, query_vectors=this.queries, item_vectors=other.corpus)
    with pytest.raises(FolderError, match=r"vectors\.model\.anchors") as caught:
        replace(this, queries=other.queries).open(out)
    assert "collection" not in str(caught.value)


def test_searching_deeper_needs_the_data_and_the_versions(tmp_path, monkeypatch):
    this, out = problem(), tmp_path / "out"
    this.mine(DEEP, out)
    for opened in (Mined.open(out), Mined.open(out, this.collection)):
        with pytest.raises(InputError, match="query_vectors="):
            opened.rethreshold([MARGIN.format(9)]).deepen()
    monkeypatch.setattr("foils.mining.identity.version", lambda package: "9.9")
    with pytest.raises(FolderError, match=r"(?s)cannot be searched deeper.*versions\.numpy: '.*' there, '9\.9' now"):
        this.open(out).deepen()


def test_a_recipe_without_vectors_is_opened_without(tmp_path):
    this = problem()
    mine(this.collection, "uniform", negatives=2, out=tmp_path / "out")
    opened = Mined.open(tmp_path / "out", this.collection)
    assert contents(opened.deepen().negatives) == contents(opened.negatives)


@pytest.mark.parametrize("file", ["negatives.parquet", "candidates.parquet", "items.parquet", "stats.json"])
@pytest.mark.parametrize("kind", ["gone", "cut"])
def test_a_damaged_file_is_named_with_a_mend(tmp_path, file, kind):
    problem().mine(DEEP, tmp_path / "out")
    path = tmp_path / "out" / file
    content = path.read_bytes()
    path.unlink()
    if kind == "cut":
        path.write_bytes(content[:99])
    if (file, kind) == ("candidates.parquet", "gone"):
        match = "candidates were not stored"
    else:
        match = f"{path} cannot be read: .*; run the command that made it again"

    def use() -> None:
        mined = Mined.open(tmp_path / "out")
        mined.to("triplet", columns="id")
        mined.explain("1")

    with pytest.raises(InputError, match=match):
        use()


@pytest.mark.parametrize("kind", ["nothing", "empty", "foreign", "begun"])
def test_only_a_finished_result_is_opened(tmp_path, kind):
    out = tmp_path / "out"
    if kind != "nothing":
        out.mkdir()
    if kind == "foreign":
        (out / "identity.json").write_text("[]")
    if kind == "begun":
        problem().mine(DEEP, out)
        (out / "manifest.json").unlink()
    with pytest.raises(FolderError, match="the run is not finished" if kind == "begun" else "is not a result of foils"):
        Mined.open(out)


def test_a_broken_identity_is_refused(tmp_path):
    problem().mine(DEEP, tmp_path / "out")
    identity = json.loads((tmp_path / "out" / "identity.json").read_text())
    (tmp_path / "out" / "identity.json").write_text(json.dumps({**identity, "seed": "x"}))
    with pytest.raises(FolderError, match=r"identity.json cannot be read: .*seed.*mine again"):
        _ = Mined.open(tmp_path / "out").identity


# --- the story of a unit


@pytest.mark.parametrize("per", ["anchor", "pair"])
def test_a_story_is_what_the_tables_say(recipe_file, per):
    this = problem()
    mined = this.mine(recipe_file(f"per: {per}\n{DEEP.read_text()}"))
    texts = this.collection.items.full_texts()
    degrees = this.collection.positives().degrees
    for unit, row in zip(mined.negatives["unit_id"].to_pylist(), mined.result.candidates().to_pylist(), strict=True):
        story = mined.explain(unit)
        assert (story.unit, story.asked, story.searched_depth) == (unit, 4, row["searched_depth"])
        assert story.anchor_text == f"anchor {row['anchor']}"
        assert story.excluded_positives == degrees[row["anchor"]]
        assert [int(pair.item) for pair in story.positives] == row["positives"]
        assert [int(pair.item) for pair in story.candidates] == row["items"]
        assert [pair.score for pair in story.candidates] == row["score.dense"]
        assert [pair.reason for pair in story.candidates] == row["reason"]
        assert [pair.text for pair in story.candidates] == [texts[item] for item in row["items"]]
        assert [pair.rank for pair in story.candidates] == list(range(1, len(row["items"]) + 1))
    for row in mined.negatives.to_pylist():
        drawn = [pair.item for pair in mined.explain(row["unit_id"]).candidates if pair.drawn]
        assert sorted(drawn) == sorted(row["negative_ids"])


def test_a_story_can_be_read(tmp_path):
    this = problem()
    mined = this.mine(DEEP, tmp_path / "out")
    story = str(mined.explain("1")).splitlines()
    drawn = mined.negatives.to_pylist()[1]["negative_ids"]
    assert story[0] == f"unit 1: {len(drawn)} of 4 negatives"
    assert story[1].strip() == "anchor 1"
    assert sum(" drawn " in line for line in story) == len(drawn)
    assert "absolute_margin" in "".join(story)
    without = str(Mined.open(tmp_path / "out").explain("1"))
    assert "anchor 1" not in without
    assert "item number" not in without


def test_a_story_without_scores():
    story = problem().mine("uniform").explain("1")
    assert {pair.score for pair in [*story.positives, *story.candidates]} == {None}
    assert "–" in str(story)


def test_an_unknown_unit_names_the_nearest():
    with pytest.raises(InputError, match=r"there is no unit '1o'; did you mean '1'"):
        problem().mine(DEEP).explain("1o")


def test_a_summary_compares_what_is_short_with_the_rest():
    mined = problem().mine(DEEP)
    numbers = mined.stats
    summary = mined.summary()
    assert f"{numbers['negatives']} negatives for 36 anchors (asked: 4 each)" in summary
    assert f"short: {numbers['short_units']} of 36 anchors got fewer than 4" in summary
    assert "their positives score" in summary
    assert f"{numbers['anchors_without_positives']} anchors without a positive" in summary
    assert "1 items with empty text were never mined" in summary
    assert "hardness, by dense: a negative scores -" in summary


def test_hardness_and_shortfall_are_those_of_a_reference_in_plain_loops():
    this = problem()
    mined = this.mine(DEEP)
    products = this.queries.astype(float) @ this.corpus.astype(float).T
    empty = this.collection.items.empty
    gaps, short, others = [], [], []
    for unit in found(mined):
        scores = [products[unit.anchor, item] for item in unit.positives if not empty[item]]
        if scores:
            (short if len(unit.negatives) < 4 else others).append(fmean(scores))
            gaps += [score - fmean(scores) for score in unit.scores]
    assert mined.stats["hardness"]["mean_negative_minus_positive"] == pytest.approx(fmean(gaps))
    assert mined.stats["hardness"]["share_at_or_above_positive"] == fmean(gap >= 0 for gap in gaps)
    assert mined.stats["mean_positive_score"]["short_units"] == pytest.approx(fmean(short))
    assert mined.stats["mean_positive_score"]["other_units"] == pytest.approx(fmean(others))


def test_collections_without_texts_export_ids_only():
    data = Collection.from_arrays([(0, 1), (1, 2)], anchors=2, items=9)
    mined = mine(data, "uniform", negatives=3)
    assert mined.to("triplet", columns="id").num_rows == 6
    with pytest.raises(InputError, match="have no texts"):
        mined.to("triplet")
    assert mined.explain("0").anchor_text is None
