"""The page and the JSON: whole, consistent, self-contained, and safe with hostile text."""

import json
import re
import runpy
from pathlib import Path

import msgspec
import pytest

import foils
from foils.auditing import Report
from foils.auditing.page import render
from foils.errors import FolderError, MissingExtraError
from foils.reporting.svg import svg

Reader = runpy.run_path(str(Path(__file__).parents[1] / "page_reader.py"))["Reader"]


@pytest.fixture(scope="module")
def page(report):
    return render(report)


def test_hostile_text_is_text(hostile, tmp_path):
    data = foils.Collection.from_arrays(
        [(0, 0)], anchors=[hostile], items=[f"{hostile} {place}" for place in ("here", "there")]
    )
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"query": hostile, "pos": [], "neg": [f"{hostile} there", f"{hostile} gone"]}))
    finished = foils.audit(data, path)
    page = finished.html()
    reader = Reader(page)
    assert reader.open == []
    assert not {"script", "img", "link", "iframe", "object"} & {tag for tag, _ in reader.tags}
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]
    text = "".join(reader.text)
    assert text.count("<script>alert('{{ 7*7 }}')</script>") >= 4  # anchor, positive, negative, most used
    assert r"\x1b[31m\x07[red]\u202eabc" in text
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert finished.report.about.unmatched.negatives == 1
    assert "\x1b" not in finished.summary()


def test_hostile_names_are_text_in_page_and_plots(report):
    evil = "<script>alert(1)</script>$\\frac{1}$"
    about = msgspec.structs.replace(report.about, name=evil, recipe=evil, split=evil)
    sources = [msgspec.structs.replace(report.sources[0], label=evil)] * 2
    changed = msgspec.structs.replace(
        report, about=about, sources=sources, headline=evil, verdicts={"kept": 3, evil: 2}, notes=[evil]
    )
    reader = Reader(render(changed))
    assert "script" not in {tag for tag, _ in reader.tags}
    assert "".join(reader.text).count("<script>alert(1)</script>") >= 5


def test_the_page_loads_nothing_and_says_so(page):
    reader = Reader(page)
    policies = [a["content"] for tag, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert "default-src 'none'" in policies[0]
    for _, attributes in reader.tags:
        for name in ("src", "href", "xlink:href", "data"):
            assert attributes.get(name, "#").startswith("#")
    style = re.sub(r"url\(#[^)]*\)", "", page)
    assert "url(" not in style
    assert "@import" not in style


def test_the_plots_have_the_colours_of_the_page_and_ids_of_their_own(page):
    plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(plots) >= 5
    assert set(re.findall(r"#[0-9a-f]{6}\b", "".join(plots))) <= {"#ffffff", "#000000"}
    for name in set(re.findall(r"var\(--(\w+)\)", "".join(plots))):
        assert page.count(f"--{name}:") == 3  # light, dark, print
    ids = [attributes["id"] for _, attributes in Reader(page).tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 0


def test_page_and_json_say_the_same(strict, report, page, tmp_path):
    finished = foils.audit(strict, out=tmp_path / "report")
    data = json.loads((tmp_path / "report/report.json").read_text(encoding="utf-8"))
    assert msgspec.convert(data, Report) == finished.report
    assert (tmp_path / "report/report.html").read_text(encoding="utf-8") == finished.html()
    text = " ".join("".join(Reader(page).text).split())
    for finding in report.findings:
        assert finding.text in text
    assert f"{report.about.negatives:,}" in text
    for kind in report.examples:
        assert kind.title in text
    assert report.headline in text


def test_the_summary_says_what_the_page_says(strict, report):
    said = foils.auditing.Audit(report).summary()
    for finding in report.findings:
        assert finding.text in said
    assert "compared with" in said
    assert repr(foils.auditing.Audit(report)).startswith("Audit(")


def test_without_the_extra_there_is_json_alone(strict, tmp_path, monkeypatch):
    foils.audit(strict, out=tmp_path)
    assert (tmp_path / "report.html").exists()
    monkeypatch.setattr("foils._extras.find_spec", lambda name: None)
    finished = foils.audit(strict, out=tmp_path)
    assert (tmp_path / "report.json").exists()
    assert not (tmp_path / "report.html").exists()  # an old page must not stay beside new numbers
    with pytest.raises(MissingExtraError, match=r"foils\[report\]"):
        finished.html()


def test_somebody_elses_report_is_not_overwritten(strict, tmp_path):
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(FolderError, match="was not made by foils audit"):
        foils.audit(strict, out=tmp_path)
    assert (tmp_path / "report.html").read_text() == "mine"


def test_two_audits_differ_in_their_time_alone(strict):
    first, second = (foils.audit(strict).data() for _ in range(2))
    for data in (first, second):
        del data["made_at"], data["effort"]
    assert first == second


def test_a_plot_takes_text_as_it_is():
    drawn = svg("x", 1.0, lambda axes: axes.set_xlabel("$a_b$ <b> &"))
    assert "$a_b$ &lt;b&gt; &amp;" in drawn
    assert "<b>" not in drawn
