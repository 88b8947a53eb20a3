"""The page in a browser, by keyboard alone; the server is killed in the middle."""

import shutil
import signal

import pytest
from label_world import HOSTILE, World
from review_server import Server

from foils.labelling import LabelStore, measure
from foils.labelling.drawn import stored
from foils.labelling.wording import look_words

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = ("--no-sandbox", "--headless=new", "--disable-gpu", "--disable-background-networking", "--no-first-run")
LABELS, KILLED_AFTER = 60, 31
KEYS = {"f": 0, "j": 1, "u": -1, "s": -2, "n": 0, "p": 1}

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed, so no browser is driven")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on this machine, so no browser is driven")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=BROWSER, args=list(OPTIONS))
        yield launched
        launched.close()


@pytest.fixture
def tab(browser):
    """A tab of a browser that was never used before, and all that it complained of."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    opened = context.new_page()
    opened.complaints = []
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("console", lambda message: opened.complaints.append(message.text))
    opened.on("dialog", lambda dialog: opened.complaints.append("dialog"))
    yield opened
    context.close()


HEADING = """before => {
    const heading = document.querySelector("h1")?.textContent;
    return document.documentElement?.dataset.ready && heading !== before && heading;
}"""


TWICE = """() => {
    for (const key of "jj") document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
}"""


def ready(tab, before=""):
    """Wait until the page takes keys and says something else than before; gives what its heading says."""
    return tab.wait_for_function(HEADING, arg=before, polling=20).json_value()


def press(tab, key, heading):
    """Press a key that changes the pair, and wait for the next."""
    tab.keyboard.press(key)
    return ready(tab, heading)


def test_sixty_labels_by_keyboard_with_undo_reload_and_kill(tmp_path, monkeypatch, tab):
    monkeypatch.setattr("foils._durable.sync", lambda path: None)
    world = World.make(tmp_path, negatives=10)
    keys = [list(KEYS)[number % len(KEYS)] for number in range(LABELS)]
    store = LabelStore.of(world.out)
    with Server.started(world, "--labels", "200") as server:
        tab.goto(server.address)
        assert ready(tab) == "Pair 1 of 200"
        assert "token" not in tab.url
        for number, key in enumerate(keys[:KILLED_AFTER]):
            assert press(tab, key, f"Pair {number + 1} of 200") == f"Pair {number + 2} of 200"
        tab.keyboard.press("z")
        tab.wait_for_url("**/pair/*")
        assert ready(tab) == f"Pair {KILLED_AFTER} of 200"
        assert press(tab, keys[KILLED_AFTER - 1], f"Pair {KILLED_AFTER} of 200") == f"Pair {KILLED_AFTER + 1} of 200"
        tab.reload()
        assert ready(tab) == f"Pair {KILLED_AFTER + 1} of 200"
        tab.keyboard.press("e")
        tab.keyboard.type("jfuz? a note")
        tab.keyboard.press("Escape")
        tab.keyboard.press(keys[KILLED_AFTER])
        server.process.send_signal(signal.SIGKILL)  # perhaps before the label arrives, perhaps after
        server.process.wait()
    given = len(store.given())
    assert given in (KILLED_AFTER, KILLED_AFTER + 1)
    with Server.started(world) as server:
        tab.goto(server.address)
        assert ready(tab) == f"Pair {given + 1} of 200"
        for number in range(given, LABELS):
            assert press(tab, keys[number], f"Pair {number + 1} of 200") == f"Pair {number + 2} of 200"
            assert ("After 60 labels" in tab.text_content("main")) == (number + 1 == LABELS)
        look = measure(world.result()).look
        assert tab.text_content("main .look .first") == look_words(look, 200)[0]
    drawn = stored(store)
    assert [state.label for state in store.states(drawn.pairs)] == [
        *(KEYS[key] for key in keys),
        *[None] * (200 - LABELS),
    ]
    assert len({(one.anchor_id, one.item_id) for one in store.given()}) == LABELS
    assert tab.complaints == []


def is_script(item):
    """Tell whether the item's text is the first of the hostile ones."""
    return int(item[1:]) % 12 == 0


def test_hostile_passages_double_presses_and_what_is_blocked(world, tab, browser):
    with Server.started(world, "--labels", "70") as server:
        tab.goto(server.address)
        ready(tab)
        number = next(
            place for place, (_, item) in enumerate(stored(LabelStore.of(world.out)).pairs) if is_script(item)
        )
        for skipped in range(number):
            press(tab, "s", f"Pair {skipped + 1} of 70")
        assert HOSTILE[0] in tab.inner_text("#read")
        assert tab.title() == f"{number + 1} of 70 · foils review"
        assert tab.locator("main script, main img, main b").count() == 0
        tab.evaluate(TWICE)  # the second is too soon for the next pair
        assert ready(tab, f"Pair {number + 1} of 70") == f"Pair {number + 2} of 70"
        tab.keyboard.press("?")
        assert tab.locator("#help[open]").count() == 1
        stranger = browser.new_context().new_page()
        assert stranger.goto(tab.url).status == 403
        stranger.set_content(f'<form method="post" action="{tab.url}label"><button name="label">x</button></form>')
        with stranger.expect_response("**/label") as answered:
            stranger.click("button")
        assert answered.value.status == 403
        stranger.context.close()
        plain = browser.new_context(java_script_enabled=False).new_page()
        plain.goto(server.address)
        plain.wait_for_selector("text=Unsure")
        plain.fill("textarea", "by hand")
        plain.click("text=Unsure")
        plain.wait_for_selector(f"text=Pair {number + 3}")
        plain.context.close()
    given = LabelStore.of(world.out).given()
    assert (len(given), given[-1].note) == (number + 2, "by hand")
    assert tab.complaints == []
