"""What the page shows, and what its forms do."""

import html
import re

import pytest
from label_world import HOSTILE, record_all

import foils
from foils.errors import FolderError, InputError
from foils.estimating import Label
from foils.labelling import LabelStore
from foils.labelling.events import Event
from foils.reviewing.pairs import LONGEST, VISIBLE, Pairs


def texts(content):
    return [html.unescape(text) for text in re.findall(r'<div class="text" dir="auto">(.*?)</div>', content, re.DOTALL)]


def test_a_pair(page, world):
    content = page.get().text
    anchor, item = page.drawn.pairs[0]
    collection = world.collection()
    row = int(collection.items.rows([item])[0])
    shown = texts(content)
    assert shown[0] == f"question {anchor[1:]} <b>bold</b>"
    assert shown[1] == collection.items.texts[row].as_py().translate(VISIBLE)
    assert len(shown) == 2 + 4
    assert "4 known positives" in content
    assert "<summary>2 more</summary>" in content


def test_of_many_known_positives_some_are_shown(page, monkeypatch):
    monkeypatch.setattr("foils.reviewing.pairs.MOST_KNOWN", 3)
    content = page.get().text
    assert len(texts(content)) == 2 + 3
    assert "4 known positives" in content
    assert "<summary>1 more</summary>" in content
    assert "And 1 more, which are not shown here." in content


def test_blind(page):
    """Nothing of scorer, source, rank or chance, and no id."""
    page.label()
    content = page.get().text.casefold()
    anchor, item = page.drawn.pairs[1]
    for word in ("dense", "score", "naive", "rank ", "chance 0", f'"{anchor}"', f">{item}<", "probability"):
        assert word not in content


def test_hostile_texts_are_text(page, world):
    seen = set()
    for _ in range(60):
        content = page.get().text
        assert content.count("<script") == 1
        assert "onerror" not in re.sub(r"&lt;.*?&gt;", "", content)
        assert not any(chr(code) in content for code in VISIBLE)
        assert "and 49" not in content  # what a template would make of the second
        assert content.count("</form>") == 2
        seen |= {place for place, text in enumerate(HOSTILE) if any(text[:9] in shown for shown in texts(content))}
        page.label("unsure", html=content)
    assert {0, 1, 3} <= seen


def test_labels_in_the_order_of_the_design(page):
    words = ["positive", "negative", "unsure", "skip"]
    for number, word in enumerate(words):
        assert f"Pair {number + 1} " in page.get().text
        answer = page.label(word, note=f" note {number}\r\nmore ")
        assert (answer.status_code, answer.headers["location"]) == (303, page.home)
    assert page.labels()[:5] == [1, 0, -1, -2, None]
    assert [one.note for one in page.store.given()] == [f"note {number}\nmore" for number in range(4)]
    assert all(0 <= one.seconds < 60 for one in page.store.given())


def test_a_double_press_counts_once(page):
    content = page.get().text
    for word in ("positive", "positive", "negative"):
        assert page.label(word, html=content).headers["location"] == page.home
    assert page.labels()[:2] == [1, None]


def test_an_old_page_overrules_nothing(page):
    old = page.get().text
    page.label("positive")
    answer = page.label("negative", html=old, token="another-token-of-old-page")
    assert answer.headers["location"] == f"{page.home}pair/1?said=stale"
    assert "labelled elsewhere" in page.get("pair/1?said=stale").text
    assert page.labels()[:2] == [1, None]


def test_undo_shows_the_pair_again(page):
    for word in ("positive", "negative"):
        page.label(word, note="seen")
    answer = page.undo()
    assert answer.headers["location"] == f"{page.home}pair/2?said=undone"
    assert page.labels()[:3] == [1, None, None]
    assert "Taken back" in page.get("pair/2?said=undone").text
    page.undo()
    assert page.labels()[:2] == [None, None]
    assert page.undo().headers["location"] == f"{page.home}?said=nothing"
    assert re.search(r'class="quiet undo"[^>]* disabled', page.get().text)


def test_undo_twice_from_one_page_is_once(page):
    for _ in range(3):
        page.label()
    content = page.get().text
    page.undo(content)
    page.undo(content)
    assert page.labels()[:4] == [0, 0, None, None]


def test_an_earlier_pair_can_be_labelled_anew(page):
    page.label("skip")
    page.label("negative")
    content = page.get("pair/1").text
    assert re.search(r'class="skip chosen"', content)
    page.label("positive", html=content)
    assert page.labels()[:3] == [1, 0, None]


@pytest.mark.parametrize("position", ["0", "3", "71", "999999999999"])
def test_the_turn_of_a_pair(page, position):
    page.label()
    assert page.get(f"pair/{position}").status_code == 404


def test_a_form_for_a_later_pair(page):
    assert page.label("positive", position="3").status_code == 400
    assert page.labels() == [None] * 70


@pytest.mark.parametrize(
    "changed",
    [
        {"position": "0"},
        {"position": "71"},
        {"position": "-1"},
        {"position": "1 "},
        {"position": "٣"},
        {"position": "9" * 40},
        {"word": "POSITIVE"},
        {"word": ""},
        {"note": "x" * 2001},
        {"token": "short"},
        {"token": "x" * 65},
        {"token": "'; DROP TABLE events; --"},
        {"seen": "x"},
        {"since": ""},
        {"extra": "1"},
    ],
)
def test_forms_of_no_page(page, changed):
    word, note = changed.pop("word", "positive"), changed.pop("note", "")
    assert page.label(word, note, **changed).status_code == 400
    assert page.labels() == [None] * 70


@pytest.mark.parametrize("body", [b"", b"&", b"label=%ff", b"label=\xff", b"label", b"a=1&" * 50])
def test_bodies_of_no_form(page, body):
    headers = {"sec-fetch-site": "same-origin", "content-type": "application/x-www-form-urlencoded"}
    for path in ("label", "undo"):
        assert page.client.post(page.home + path, content=body, headers=headers).status_code == 400


def test_the_estimate_is_shown_at_looks_only(page):
    store = page.store
    record_all(
        store, [Event(f"t{n}", *pair, Label.NEGATIVE, origin="page") for n, pair in enumerate(page.drawn.pairs[:69])]
    )
    assert page.drawn.facts.looks == (70,)
    assert "are really positives" not in page.get().text
    assert "shown at 70 labels and not in between" in page.get().text
    page.label("negative")
    finished = page.get().text
    assert "All 70 labelled" in finished
    assert re.search(r"Of the 120 negatives in this result, at most [\d.]+ % are really positives", finished)
    page.undo()
    assert "are really positives" not in page.get().text


def test_when_all_are_labelled(page):
    labels = [Label.SKIPPED, Label.UNSURE, *[Label.NEGATIVE] * 68]
    record_all(
        page.store,
        [Event(f"t{n}", *pair, label) for n, (pair, label) in enumerate(zip(page.drawn.pairs, labels, strict=True))],
    )
    content = page.get().text
    assert f'<a href="{page.home}pair/1">Pair 1</a>, skipped' in content
    assert 'id="verdict"' not in content
    assert page.get("pair/1").status_code == 200
    assert page.get("pair/70").status_code == 200
    assert page.get("pair/71").status_code == 200


def test_a_full_disk_loses_nothing(page, monkeypatch):
    content = page.get().text
    with monkeypatch.context() as full:
        full.setattr(LabelStore, "record", lambda *_: (_ for _ in ()).throw(FolderError("labels.sqlite: disk is full")))
        answer = page.label("positive", html=content)
        assert (answer.status_code, answer.text.splitlines()[0]) == (503, "labels.sqlite: disk is full")
    assert page.label("positive", html=content).status_code == 303
    assert page.labels()[:2] == [1, None]


def test_nothing_inline(page):
    content = page.get().text
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:|https?://", content.split("<main>")[0])
    assert re.findall(r"<script[^>]*>(.*?)</script>", content, re.DOTALL) == [""]
    for name in ("keys.js", "review.css"):
        assert page.get(name).status_code == 200
        assert not re.search(r"https?://|@import|eval\(|innerHTML", page.get(name).text)


def test_long_texts_are_cut_and_say_so():
    collection = foils.Collection.from_arrays([(0, 0)], anchors=["a"], items=["x" * 1_000_000, "y"])
    shown = Pairs.of(collection, "train", [("0", "0")]).candidate(0)
    assert (len(shown.text), shown.left_out) == (LONGEST, 1_000_000 - LONGEST)


def test_anchors_without_text_go_by_their_id():
    collection = foils.Collection.from_arrays([(0, 0)], anchors=3, items=["x", "y"])
    assert Pairs.of(collection, "train", [("2", "1")]).anchor(0).text == "2"


def test_items_without_text_are_refused():
    collection = foils.Collection.from_arrays([(0, 0)], anchors=3, items=4)
    with pytest.raises(InputError, match="have no texts"):
        Pairs.of(collection, "train", [("0", "1")])


def test_ids_of_other_data_are_refused():
    collection = foils.Collection.from_arrays([(0, 0)], anchors=["a"], items=["x", "y"])
    with pytest.raises(InputError, match=r"no record 'q1'; give the data"):
        Pairs.of(collection, "train", [("q1", "1")])
