"""Designs that are kept, and the rates that follow from labels."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from label_world import World, record_all

from foils._array import Key
from foils.errors import FolderError, InputError
from foils.estimating import Label, Population, at_look, draw_design, estimate_rate
from foils.labelling import (
    LabelStore,
    export_labels,
    import_labels,
    last_look,
    measure,
    next_look,
    stored_or_drawn,
)
from foils.labelling.drawn import keep, prefix_labels, stored
from foils.labelling.events import Event, State
from foils.labelling.wording import halving_words, look_words, measured_words
from foils.reporting.text import percent


def label(world, drawn, labels):
    store = LabelStore.of(world.out)
    record_all(
        store, [Event(f"t{n}", *pair, one) for n, (pair, one) in enumerate(zip(drawn.pairs, labels, strict=False))]
    )


def test_a_design_is_kept(world):
    said = []
    drawn, negatives = stored_or_drawn(world.result(), n=40, seed=3, say=said.append)
    assert "40 of 120 negatives drawn to be labelled, guided by dense" in said[0]
    again, _ = stored_or_drawn(world.result())
    for one, other in ((drawn.design.order, again.design.order), (drawn.design.pi, again.design.pi)):
        np.testing.assert_array_equal(one, other)
    assert (again.pairs, again.facts) == (drawn.pairs, drawn.facts)
    assert [world.pairs()[place] for place in drawn.design.order] == drawn.pairs
    assert len(negatives) == 120


@pytest.mark.parametrize("facts", ["{}", "{", "[" * 9])
def test_a_design_that_cannot_be_read_is_said(world, facts):
    stored_or_drawn(world.result(), n=20)
    with closing(sqlite3.connect(LabelStore.of(world.out).path)) as connection:
        connection.execute("DROP TRIGGER no_update_of_design")
        connection.execute("UPDATE design SET facts = ?", (facts,))
        connection.commit()
    with pytest.raises(FolderError, match=r"labels.sqlite: its design cannot be read .*; put a copy"):
        measure(world.result())


def test_a_design_of_more_than_there_is(world):
    drawn, _ = stored_or_drawn(world.result(), n=100_000)
    assert len(drawn) == 120
    stored_or_drawn(world.result(), n=100_000)


@pytest.mark.parametrize("other", [{"seed": 1}, {"scorer": "bm25"}])
def test_another_design_is_refused(world, other):
    drawn, _ = stored_or_drawn(world.result(), n=40)
    label(world, drawn, [Label.NEGATIVE])
    with pytest.raises(InputError, match=r"was drawn with .*--export"):
        stored_or_drawn(world.result(), **other)


@pytest.mark.parametrize("other", [{"n": 80}, {"n": 20}, {"seed": 1}])
def test_a_design_without_any_label_gives_way_to_what_is_asked_for(world, other):
    first, _ = stored_or_drawn(world.result(), n=40)
    said = []
    second, _ = stored_or_drawn(world.result(), **other, say=said.append)
    assert said[0] == "no label is stored yet: the design of 40 pairs of before gives way to a new one"
    assert second.facts.n == other.get("n", 120)  # of 200 by default, all there are
    assert second.facts.seed == other.get("seed", 0)
    assert second.pairs != first.pairs
    kept, _ = stored_or_drawn(world.result())
    assert (kept.pairs, kept.facts) == (second.pairs, second.facts)
    label(world, second, [Label.NEGATIVE])
    with pytest.raises(InputError, match="was drawn with"):
        stored_or_drawn(world.result(), seed=9)
    with (
        closing(sqlite3.connect(LabelStore.of(world.out).path)) as connection,
        pytest.raises(sqlite3.DatabaseError, match="only added to"),  # the triggers are there again
    ):
        connection.execute("DELETE FROM pairs")


def test_a_label_that_was_taken_back_binds_a_design_too(world):
    drawn, _ = stored_or_drawn(world.result(), n=40)
    store = LabelStore.of(world.out)
    store.record(Event("t", *drawn.pairs[0], Label.NEGATIVE), 0)
    store.undo("u", store.undoable().number)
    with pytest.raises(InputError, match="cannot grow"):
        stored_or_drawn(world.result(), n=80)


def test_a_design_that_another_process_drew_meanwhile_is_not_replaced(world):
    stored_or_drawn(world.result(), n=40)
    store = LabelStore.of(world.out)
    there = stored(store)
    stored_or_drawn(world.result(), n=50)
    with pytest.raises(FolderError, match="another process has just drawn a design"):
        keep(store, there, there)


def test_exported_labels_count_again_in_the_same_draw(world, tmp_path):
    """As the message about a damaged file says: away with it, import, and the same numbers as before."""
    first, _ = stored_or_drawn(world.result(), n=100, seed=3)
    label(world, first, [Label(int(n % 10 == 0)) for n in range(60)])
    before = measure(world.result())
    export_labels(world.out, tmp_path / "labels.csv")
    path = LabelStore.of(world.out).path
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(FolderError, match=r"is damaged.* move it away; then, .*--import FILE.*--labels N --seed S"):
        import_labels(world.result(), tmp_path / "labels.csv")
    path.unlink()
    import_labels(world.result(), tmp_path / "labels.csv")
    second, _ = stored_or_drawn(world.result(), n=100, seed=3)
    assert second.pairs == first.pairs
    assert measure(world.result()).look == before.look


def test_a_design_does_not_shrink(world):
    drawn, _ = stored_or_drawn(world.result(), n=100)
    label(world, drawn, [Label.NEGATIVE])
    with pytest.raises(InputError, match=r"--labels 80: .* was drawn with 100; .*stop at whichever .*: 60, 100$"):
        stored_or_drawn(world.result(), n=80)


def test_a_design_does_not_grow_and_the_message_leads_to_a_larger_one(world, tmp_path):
    first, _ = stored_or_drawn(world.result(), n=40, seed=6)
    label(world, first, [Label(int(n % 10 == 0)) for n in range(40)])
    with pytest.raises(InputError, match=r"--labels 120: .* drawn with 40 and cannot grow: .*--labels 120 --seed 7\."):
        stored_or_drawn(world.result(), n=5000)
    with pytest.raises(
        InputError, match=r"--export labels.csv; move .*; foils review .* --import .*--seed 7\."
    ) as said:
        stored_or_drawn(world.result(), n=80)
    assert f"foils review {world.out} --data DATA --labels 80 --seed 7" in str(said.value)
    # As the message says:
    export_labels(world.out, tmp_path / "labels.csv")
    LabelStore.of(world.out).path.unlink()
    import_labels(world.result(), tmp_path / "labels.csv")
    second, _ = stored_or_drawn(world.result(), n=80, seed=7)
    again = set(first.pairs) & set(second.pairs)
    assert 0 < len(again) < 40
    states = LabelStore.of(world.out).states(second.pairs)
    assert {pair for pair, state in zip(second.pairs, states, strict=True) if state.label is not None} == again


def test_negatives_that_changed(world):
    drawn, _ = stored_or_drawn(world.result(), n=40)
    label(world, drawn, [Label.NEGATIVE])
    path = world.out / "manifest.json"
    path.write_text(path.read_text().replace('"negatives": "', '"negatives": "0'))
    for use in (stored_or_drawn, measure):
        with pytest.raises(FolderError, match=r"the negatives have changed since .*--export labels\.csv"):
            use(world.result())


def test_labels_count_up_to_the_first_gap():
    states = [State(1, Label.POSITIVE, ""), State(0, None, ""), State(2, Label.NEGATIVE, "")]
    assert prefix_labels(states).tolist() == [1]
    assert prefix_labels(states[::2]).tolist() == [1, 0]


def test_nothing_measured_without_a_design(world):
    assert measure(world.result()) is None
    assert stored(LabelStore.of(world.out)) is None


def test_a_stored_design_keeps_where_score_groups_are_cut(world):
    drawn, _ = stored_or_drawn(world.result(), n=100)
    assert 0 < stored(LabelStore.of(world.out)).design.start == drawn.design.start
    before_cuts_were_drawn = {name: fact for name, fact in msgspec.to_builtins(drawn.facts).items() if name != "start"}
    assert msgspec.convert(before_cuts_were_drawn, type(drawn.facts)).start == 0.0


def test_before_and_at_a_look(world):
    drawn, negatives = stored_or_drawn(world.result(), n=100)
    labels = [Label(int(n % 10 == 0)) for n in range(61)]
    label(world, drawn, labels[:59])
    early = measure(world.result())
    assert (early.look, early.labels, next_look(drawn, 59)) == (None, 59, 60)
    assert "next look: at 60 labels, 1 more" in measured_words(early)[-1]
    record_all(LabelStore.of(world.out), [Event(f"x{n}", *drawn.pairs[n], labels[n]) for n in (59, 60)])
    found = measure(world.result())
    expected = at_look(negatives.population, drawn.design, np.array(labels, np.int8))
    assert (found.look.labels, found.look.rate) == (60, expected)
    assert found.fixed.rate == estimate_rate(negatives.population, drawn.design, np.array(labels, np.int8))
    assert found.look == last_look(negatives.population, drawn, np.array(labels, np.int8))
    assert found.counts == {"positive": 7, "negative": 54, "unsure": 0, "skip": 0}
    assert sum(part.negatives for part in found.fixed.bands) == found.negatives == 120
    assert sum(part.labels for part in found.fixed.bands) == 61
    inside = negatives.population.bands == 0
    assert found.fixed.bands[0].rate == estimate_rate(
        negatives.population, drawn.design, np.array(labels, np.int8), within=inside
    )


def test_the_words_of_a_look(world):
    drawn, _ = stored_or_drawn(world.result(), n=100)
    label(world, drawn, [Label.UNSURE, *[Label.NEGATIVE] * 59])
    look = measure(world.result()).look
    assert look_words(look, 100)[:2] == [
        f"Of the 120 negatives in this result, at most {percent(look.rate.high)} % are really positives: none of those "
        "labelled was found to be one.",
        "The interval allows for the one unsure or skipped label to be positive or negative.",
    ]
    LabelStore.of(world.out).record(Event("second", *drawn.pairs[1], Label.UNSURE), None)
    several = "The interval allows for each of the 2 unsure or skipped to be positive or negative."
    assert look_words(measure(world.result()).look, 100)[1] == several
    LabelStore.of(world.out).record(Event("last", *drawn.pairs[0], Label.POSITIVE), None)
    rate = measure(world.result()).look.rate
    interval = f"{percent(rate.estimate)} % [{percent(rate.low)}, {percent(rate.high)}]"
    assert look_words(measure(world.result()).look, 100)[0] == (
        f"Of the 120 negatives in this result, {interval} are really positives."
    )


def test_sixty_labels_without_a_positive_bound_the_rate_as_the_page_says():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "review.md").read_text(encoding="utf-8")
    said = re.search(r'at most about ([\d.]+) %" \(([\d.]+) % if', " ".join(page.split()))
    pairs = np.arange(8000)
    population = Population(pairs // 8, pairs % 8 // 4)
    design = draw_design(population, 200, Key(0, "test", 0))
    found = [rate(population, design, np.zeros(60, np.int8)).high for rate in (at_look, estimate_rate)]
    assert found == pytest.approx([float(number) / 100 for number in said.groups()], abs=0.001)


def test_more_labels_than_the_design_has_left_need_a_new_one(world):
    within = "About 30 more labels would halve the interval."
    assert halving_words(30, 60, 100) == halving_words(30, 70, 100) == within
    beyond = halving_words(30, 71, 100)
    assert beyond.startswith("About 30 more labels would halve the interval; they need a new, larger design, as this ")
    assert "(foils review FOLDER --labels 101 says" in beyond
    assert "(foils review 'a folder' --labels 101 says" in halving_words(30, 71, 100, "a folder")
    assert halving_words(None, 71, 100) == "Labelling all would not halve the interval."
    drawn, _ = stored_or_drawn(world.result(), n=60)
    label(world, drawn, [Label(int(n % 10 == 0)) for n in range(60)])
    found = measure(world.result())
    assert found.look.labels == found.asked == 60
    assert "as this one of 60 cannot grow" in measured_words(found)[-1]
    with pytest.raises(InputError, match="cannot grow"):  # what was said is what review says
        stored_or_drawn(world.result(), n=60 + found.look.to_halve)


def test_a_pair_that_is_used_twice_is_labelled_once(tmp_path, quick_disk):
    """Two units of one anchor may use the same negative; its label then stands at both places of the design."""
    world = World.make(tmp_path)
    table = pq.read_table(world.out / "negatives.parquet")
    doubled = pa.concat_tables([table, table])
    pq.write_table(doubled, world.out / "negatives.parquet")
    drawn, _ = stored_or_drawn(world.result(), n=240)
    assert len(set(drawn.pairs)) == 120
    label(world, drawn, [Label.NEGATIVE])
    states = LabelStore.of(world.out).states(drawn.pairs)
    assert sum(state.label is not None for state in states) == 2
