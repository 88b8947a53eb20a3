"""Take the pictures of ``foils review`` that the documentation shows: light, dark, and narrow, down at the estimate.

A small made-up collection of countries and their capitals is mined by BM25, a design of 200 pairs is drawn and the
first of them are labelled by what the collection knows: past the first look, so that its estimate stands on the page,
and up to a candidate that is a positive. Texts, draw, labels and the seconds that they took are the same each time.

Usage: python scripts/pictures.py [FOLDER]     (default: docs/images; needs foils[review], Playwright and Chromium)
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import foils
from foils.estimating import Label
from foils.labelling import LabelStore, stored_or_drawn
from foils.labelling.events import Event
from foils.mining.stored import Result

ROOT = Path(__file__).parents[1]
LABELS, LOOK, NEGATIVES, SECONDS = 200, 60, 8, 10.0
UNSURE = (17, 41)
"""Pairs of the design that are left open, as two of sixty are in practice."""
DESK, PHONE = {"width": 1280, "height": 640}, {"width": 390, "height": 844}
COUNTRIES = """
Austria|Vienna|Danube|German|euro|alpine valleys and vineyards|the Ring, a boulevard where the walls once stood
Belgium|Brussels|Senne|Dutch, French and German|euro|farmland and wooded hills|the guild houses of Grand Place
Bulgaria|Sofia|Iskar|Bulgarian|euro|mountains and the Black Sea coast|mineral springs in the middle of the town
Croatia|Zagreb|Sava|Croatian|euro|a thousand islands off a rocky coast|a funicular between the lower and the upper town
Czechia|Prague|Vltava|Czech|koruna|rolling hills ringed by low mountains|a stone bridge lined with statues
Denmark|Copenhagen|Øresund|Danish|krone|islands, dunes and low farmland|a harbour clean enough to swim in
Estonia|Tallinn|Gulf of Finland|Estonian|euro|forests, bogs and two thousand islands|a town wall with many of its towers
Finland|Helsinki|Gulf of Finland|Finnish and Swedish|euro|forests and countless lakes|a cathedral above Senate Square
France|Paris|Seine|French|euro|plains in the north and two high mountain ranges|an iron tower built for a world's fair
Germany|Berlin|Spree|German|euro|plains, uplands and the edge of the Alps|a gate between what were two cities
Greece|Athens|Saronic Gulf|Greek|euro|mountains, a long coast and islands|a temple on a rock above the old town
Hungary|Budapest|Danube|Hungarian|forint|a wide plain and a large shallow lake|thermal baths on both banks
Ireland|Dublin|Liffey|Irish and English|euro|green lowland behind sea cliffs|a library with a book made by monks
Italy|Rome|Tiber|Italian|euro|mountains along a peninsula, and islands|an arena almost two thousand years old
Latvia|Riga|Daugava|Latvian|euro|forests and long white beaches|a street of Art Nouveau houses
Lithuania|Vilnius|Neris|Lithuanian|euro|forests, lakes and a spit of dunes|a tower on the hill where a castle stood
Netherlands|Amsterdam|Amstel|Dutch|euro|land below the sea, kept dry by dikes|a ring of canals with gabled houses
Norway|Oslo|Oslofjord|Norwegian|krone|fjords, mountains and a coast of islands|an opera house whose roof one can walk on
Poland|Warsaw|Vistula|Polish|złoty|a plain from the Baltic Sea to the Carpathians|an old town built again stone by stone
Portugal|Lisbon|Tagus|Portuguese|euro|dry plains in the south and green hills in the north|yellow trams on steep hills
Romania|Bucharest|Dâmbovița|Romanian|leu|a curve of mountains around a high plain|one of the largest buildings anywhere
Slovakia|Bratislava|Danube|Slovak|euro|high peaks, caves and castles|a castle like a table turned upside down
Slovenia|Ljubljana|Ljubljanica|Slovene|euro|forest, karst caves and a short coast|a bridge guarded by dragons
Spain|Madrid|Manzanares|Spanish|euro|a high dry plateau between mountain ranges|a museum full of court paintings
Sweden|Stockholm|Lake Mälaren|Swedish|krona|forests, lakes and a long northern coast|a warship raised from the harbour
Switzerland|Bern|Aare|German, French, Italian and Romansh|franc|the Alps and a plateau|a clock tower over arcades
"""
"""Country, capital, water it lies on, languages, money, land, sight."""


def main(arguments: list[str]) -> int:
    """Return the exit code."""
    from playwright.sync_api import sync_playwright

    out = Path(arguments[0]) if arguments else ROOT / "docs" / "images"
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        data, result = Path(folder) / "countries", Path(folder) / "runs"
        write(data)
        foils.mine(foils.Collection.from_beir(data), "bm25", negatives=NEGATIVES, out=result)
        label(result)
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox", "--headless=new"])
        looks: dict[str, dict[str, Any]] = {
            "light": {"viewport": DESK, "color_scheme": "light"},
            "dark": {"viewport": DESK, "color_scheme": "dark"},
            "narrow": {"viewport": PHONE, "color_scheme": "light", "device_scale_factor": 1.5},
        }
        for name, options in looks.items():
            with served(data, result) as address:
                take(browser, address, out / f"review-{name}.png", options)
        browser.close()
    return 0


def write(folder: Path) -> None:
    """Write the collection in the BEIR layout: of each country what it is, its capital, its languages and money."""
    corpus, queries, known = [], [], []
    for line in COUNTRIES.strip().splitlines():
        country, capital, water, languages, money, land, sight = line.split("|")
        texts = {
            country: f"{country} is a country of {land}. Its people speak {languages} and pay in the {money}. The "
            f"capital, {capital}, is also where parliament and government sit. More people visit the country each year "
            "than live in it, most of them in summer.",
            capital: f"{capital} lies on the {water}. It is the capital, the seat of parliament and government, and "
            f"the town for most offices, theatres and universities. Visitors come to see {sight}. Fast trains and an "
            "airport join it to the rest of the continent.",
            f"Languages of {country}": f"In {country} one speaks {languages}. Most people learn English at school as "
            "well. Road signs, laws and ballots are written in the official languages, and smaller languages have "
            "schools and newspapers of their own.",
            f"Money of {country}": f"Prices in {country} are in the {money}. Cards are taken nearly everywhere, on "
            "markets cash is usual. Banks open in the morning and close in the afternoon; machines give notes at any "
            "hour.",
        }
        corpus += [{"_id": title, "title": title, "text": text} for title, text in texts.items()]
        asked = {
            f"Which city is the capital of {country}, and what is there to see?": country,
            f"What language do people speak in {country}?": country,
        }
        for question, answer in asked.items():
            queries.append({"_id": f"q{len(queries)}", "text": question})
            known.append((queries[-1]["_id"], answer))
    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = "".join(f"{query}\t{item}\t1\n" for query, item in known)
    (folder / "qrels" / "train.tsv").write_text(f"query-id\tcorpus-id\tscore\n{lines}", encoding="utf-8")


def label(result: Path) -> None:
    """Draw the design, and label its first pairs by what the collection knows but does not list."""
    drawn, _ = stored_or_drawn(Result(result), n=LABELS)
    store = LabelStore.of(result)
    truth = [is_positive(int(anchor[1:]), item) for anchor, item in drawn.pairs]
    for number, (anchor, item) in enumerate(drawn.pairs[: truth.index(True, LOOK + 1)]):
        said = Label.POSITIVE if truth[number] else Label.NEGATIVE
        said = Label.UNSURE if number in UNSURE else said
        store.record(Event(f"picture {number}", anchor, item, said, seconds=SECONDS), 0)


def is_positive(question: int, item: str) -> bool:
    """Tell whether an item answers a question, of two for each country: the capital's page, or the languages'."""
    country, capital = COUNTRIES.strip().splitlines()[question // 2].split("|")[:2]
    return item == (f"Languages of {country}" if question % 2 else capital)


@contextmanager
def served(data: Path, result: Path) -> Iterator[str]:
    """Serve the page; gives its address, which is good for one browser."""
    arguments = ["review", str(result), "--data", str(data), "--no-browser"]
    command = [sys.executable, "-c", f"import sys, foils.cli; sys.exit(foils.cli.main({arguments!r}))"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        try:
            assert found, "foils review did not start"
            yield found[0]
        finally:
            process.terminate()


def take(browser: Any, address: str, path: Path, options: dict[str, Any]) -> None:
    """Open the page whose turn it is, go down to the estimate, and take what is seen."""
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("html[data-ready] section.look")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.mouse.move(0, 0)
    page.screenshot(path=str(path), animations="disabled")
    context.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
