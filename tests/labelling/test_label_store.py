"""The store of labels: events that count once, undo, what is refused."""

import sqlite3
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_world import record_all

from foils.errors import FolderError
from foils.estimating import Label
from foils.labelling import FILE, LabelStore
from foils.labelling.events import Event
from foils.labelling.store import Outcome

PAIR = ("a", "x")


def event(token, label=Label.POSITIVE, pair=PAIR, **fields):
    return Event(token, *pair, label, **fields)


def test_the_last_event_says_what_holds(store):
    assert store.states([PAIR])[0].label is None
    store.record(event("t1", Label.NEGATIVE), 0)
    store.record(event("t2", Label.UNSURE, note="why"), 1)
    state = store.states([PAIR])[0]
    assert (state.number, state.label, state.note) == (2, Label.UNSURE, "why")
    assert [(one.item_id, one.label) for one in store.given()] == [("x", Label.UNSURE)]


def test_a_token_counts_once(store):
    assert store.record(event("t", Label.NEGATIVE), 0) is Outcome.RECORDED
    assert store.record(event("t", Label.POSITIVE), 0) is Outcome.REPEATED
    assert store.states([PAIR])[0].label is Label.NEGATIVE


def test_what_was_said_meanwhile_is_not_overruled(store):
    store.record(event("t1", Label.NEGATIVE), 0)
    assert store.record(event("t2", Label.POSITIVE), 0) is Outcome.STALE
    assert store.states([PAIR])[0].label is Label.NEGATIVE


def test_the_last_event_of_each_pair_tells_its_state(store):
    other = ("q2", "d2")
    for number, (pair, label) in enumerate([(PAIR, Label.NEGATIVE), (other, Label.UNSURE), (PAIR, Label.POSITIVE)]):
        store.record(event(f"t{number}", label, pair), None)
    states = store.states([other, ("no", "label"), PAIR, PAIR])
    assert [(state.number, state.label) for state in states] == [
        (2, Label.UNSURE), (0, None), (3, Label.POSITIVE), (3, Label.POSITIVE),
    ]  # fmt: skip


def test_undo_says_again_what_was_said_before(store):
    store.record(event("t1", Label.NEGATIVE, note="first"), 0)
    store.record(event("t2", Label.POSITIVE), 1)
    assert store.undo("u1", 2)[0] is Outcome.RECORDED
    state = store.states([PAIR])[0]
    assert (state.label, state.note) == (Label.NEGATIVE, "first")
    assert store.undo("u1", 2)[0] is Outcome.REPEATED
    assert store.undo("u2", 2)[0] is Outcome.STALE
    assert store.undo("u3", 1)[0] is Outcome.RECORDED
    assert store.states([PAIR])[0].label is None
    assert store.undoable() is None
    assert store.given() == []


def test_undo_does_not_reach_past_what_was_imported(store):
    store.record(event("t1", Label.NEGATIVE), 0)
    record_all(store, [event("i", Label.POSITIVE, origin="file.csv")])
    assert store.undoable() is None
    assert store.states([PAIR])[0].label is Label.POSITIVE


def test_nothing_is_changed_or_deleted(store):
    store.record(event("t", Label.NEGATIVE), 0)
    with closing_connection(store) as connection:
        for statement in ("DELETE FROM events", "UPDATE events SET label = 1"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                connection.execute(statement)


def test_all_or_none(store):
    with pytest.raises(FolderError):
        record_all(store, [event("t1", pair=("a", "1")), event("t1", pair=("a", "2"))])
    assert store.given() == []


def test_ids_and_notes_of_any_text(store):
    pair, note = ("", "\x00=\u202e'\n\U0001f984"), "\x00nul\r\nline ' \" ; DROP TABLE events"
    store.record(event("t", Label.SKIPPED, pair, note=note), 0)
    one = store.given()[0]
    assert (one.anchor_id, one.item_id, one.note) == (*pair, note)


def test_several_writers(store):
    def write(name):
        for number in range(10):
            store.record(event(f"{name}{number}", pair=(name, str(number))), 0)

    threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.given()) == 20


def test_creating_twice_keeps_what_is_there(store):
    store.record(event("t"), 0)
    store.create()
    assert len(store.given()) == 1


def test_an_empty_file_is_taken_up(tmp_path):
    (tmp_path / FILE).touch()
    LabelStore.of(tmp_path).create()
    assert LabelStore.of(tmp_path).given() == []


@pytest.mark.parametrize("content", [b"not a database " * 100, b"SQLite format 3\x00" + b"\x07" * 4096])
def test_a_damaged_file(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    for use in (LabelStore.create, LabelStore.given):
        with pytest.raises(FolderError, match=r"labels\.sqlite: is damaged, or not a file of labels"):
            use(LabelStore.of(tmp_path))
    assert (tmp_path / FILE).read_bytes() == content


def test_another_database(tmp_path):
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    with pytest.raises(FolderError, match="not a file of labels that foils wrote"):
        LabelStore.of(tmp_path).create()


def test_another_version(store):
    with closing_connection(store) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(FolderError, match="version 9"):
        store.given()


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["label", "undo"]), st.integers(0, 2), st.sampled_from(Label)), max_size=14
)


@settings(max_examples=25, deadline=None)
@given(actions=ACTIONS)
def test_labels_and_undo_are_a_stack(tmp_path_factory, actions):
    store, stack, now = LabelStore.of(tmp_path_factory.mktemp("stack")), [], {}
    store.create()
    pairs = [("a", str(number)) for number in range(3)]
    for step, (action, number, label) in enumerate(actions):
        if action == "label":
            seen = store.states([pairs[number]])[0].number
            assert store.record(event(f"t{step}", label, pairs[number]), seen) is Outcome.RECORDED
            stack.append((number, now.get(number)))
            now[number] = label
        elif found := store.undoable():
            assert store.undo(f"t{step}", found.number)[0] is Outcome.RECORDED
            number, before = stack.pop()
            now[number] = before
            assert found.item_id == str(number)
        else:
            assert not stack
    assert [state.label for state in store.states(pairs)] == [now.get(number) for number in range(3)]


def closing_connection(store):
    from contextlib import closing

    return closing(sqlite3.connect(store.path))
