"""Labels out and in: what is written is read again, and what cannot be is named by its line."""

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_world import record_all

from foils.errors import DataError, FolderError, InputError
from foils.estimating import Label
from foils.labelling import LabelStore, export_labels, import_labels, read_labels, stored_or_drawn
from foils.labelling.cells import plain, safe
from foils.labelling.events import Event
from foils.labelling.exchange import Imported

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["=1+1", "'=1", "''", "'", "\r", "-2", "\t"]
)


def label_some(world, count=6):
    drawn, _ = stored_or_drawn(world.result(), n=20)
    store = LabelStore.of(world.out)
    for number, pair in enumerate(drawn.pairs[:count]):
        store.record(Event(f"t{number}", *pair, list(Label)[number % 4], note=f"=note {number}", seconds=1.5), 0)
    return drawn


def rows_of(labels):
    return {
        (*pair, int(label), note) for pair, label, note in zip(labels.pairs(), labels.labels, labels.notes, strict=True)
    }


@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl", "deep/labels.CSV", "labels.csv.gz", "labels.jsonl.gz"])
def test_round_trip(world, tmp_path, name):
    label_some(world)
    path = tmp_path / name
    assert export_labels(world.out, path) == 6
    there, told = read_labels(world.out), read_labels(path)
    assert rows_of(there) == rows_of(told)
    assert import_labels(world.result(), path) == Imported(added=0, known=6, elsewhere=0)
    LabelStore.of(world.out).path.unlink()
    assert import_labels(world.result(), path) == Imported(added=6, known=0, elsewhere=0)
    assert rows_of(read_labels(world.out)) == rows_of(there)


@settings(max_examples=25, deadline=None)
@given(rows=st.dictionaries(st.tuples(TEXTS, TEXTS), st.tuples(st.sampled_from(Label), TEXTS), max_size=5))
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_any_ids_and_notes_round_trip(tmp_path_factory, suffix, rows):
    folder = tmp_path_factory.mktemp("any")
    store = LabelStore.of(folder)
    store.create()
    record_all(store, [Event(str(n), *pair, label, note) for n, (pair, (label, note)) in enumerate(rows.items())])
    export_labels(folder, folder / f"labels.{suffix}")
    assert rows_of(read_labels(folder / f"labels.{suffix}")) == {
        (*pair, int(label), note) for pair, (label, note) in rows.items()
    }


@given(text=TEXTS)
def test_no_cell_begins_a_formula(text):
    assert plain(safe(text)) == text
    assert not safe(text).startswith(("=", "+", "-", "@", "\t", "\r"))


def test_what_an_export_tells(world, tmp_path):
    drawn = label_some(world)
    export_labels(world.out, tmp_path / "labels.csv")
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["position"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert float(rows[0]["pi"]) == pytest.approx(drawn.design.pi[0])
    assert rows[0]["note"] == "'=note 0"
    assert rows[0]["label"] == "positive"
    assert float(rows[0]["seconds"]) == 1.5


def test_pi_is_that_of_the_design(world):
    drawn = label_some(world)
    labels = read_labels(world.out)
    assert dict(zip(labels.pairs(), labels.pi, strict=True)) == pytest.approx(
        dict(zip(drawn.pairs[:6], drawn.design.pi[:6], strict=True))
    )


def test_pairs_of_no_design_are_kept(world, tmp_path):
    anchor, item = world.pairs()[0]
    path = tmp_path / "more.jsonl"
    path.write_text(
        "".join(
            json.dumps(row) + "\n"
            for row in (
                {"anchor_id": anchor, "item_id": item, "label": "Positive"},
                {"anchor_id": "elsewhere", "item_id": "x", "label": "negative", "note": None},
            )
        )
    )
    assert import_labels(world.result(), path) == Imported(added=2, known=0, elsewhere=1)
    drawn, _ = stored_or_drawn(world.result(), n=120)  # a design that is drawn later meets what is labelled already
    state = LabelStore.of(world.out).states([drawn.pairs[drawn.places[anchor, item]]])[0]
    assert state.label is Label.POSITIVE


def test_conflicts_are_named_and_nothing_is_imported(world, tmp_path):
    drawn = label_some(world)
    (a, b), (c, d) = drawn.pairs[0], drawn.pairs[9]
    path = tmp_path / "labels.csv"
    path.write_text(f"anchor_id,item_id,label\n{c},{d},positive\n{a},{b},negative\n")
    with pytest.raises(
        DataError, match=r"pairs that have another label already: 1.*\n  .*line 3: .* negative here and positive"
    ):
        import_labels(world.result(), path)
    assert len(read_labels(world.out)) == 6


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("anchor_id,item_id,label\nq0,d1,yes\n", "line 2: the label is 'yes'; expected positive, negative, unsure or"),
        ("anchor_id,item_id,label\nq0,d1,\n", "line 2: the label is ''"),
        ("anchor_id,item_id\nq0,d1\n", "no column 'label'"),
        ("anchor_id,item_id,label\nq0,d1,positive\nq0,d1,negative\n", "line 3: .*is negative here and positive before"),
        ("anchor_id,item_id,label\nq0,d1\n", "line 2: has 2 cells"),
        ("anchor_id,item_id,label\nnobody,nothing,positive\n", "none of its pairs .1. is a negative of"),
    ],
)
def test_what_an_import_refuses(world, tmp_path, content, message):
    path = tmp_path / "labels.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        import_labels(world.result(), path)
    assert not LabelStore.of(world.out).exists or not len(read_labels(world.out))


def test_rows_that_repeat_count_once(world, tmp_path):
    anchor, item = world.pairs()[0]
    path = tmp_path / "labels.csv"
    path.write_text(f"anchor_id,item_id,label\n{anchor},{item},skip\n{anchor},{item},skip\n")
    assert import_labels(world.result(), path) == Imported(added=1, known=0, elsewhere=0)


def test_nothing_to_export_or_read(world, tmp_path):
    for use in (lambda: export_labels(world.out, tmp_path / "a.csv"), lambda: read_labels(world.out)):
        with pytest.raises(InputError, match="nothing is labelled there yet"):
            use()
    label_some(world)
    with pytest.raises(InputError, match="no known suffix"):
        export_labels(world.out, tmp_path / "labels.xlsx")
    with pytest.raises(InputError, match=r"labels are read from"):
        read_labels(tmp_path / "labels.txt")
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(FolderError, match="is a folder"):
        export_labels(world.out, tmp_path / "a.csv")
