"""The page, the JSON and the table: whole, consistent, self-contained, and safe with hostile text."""

import importlib.util
import io
import json
import re
import runpy
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

import foils.demo.report
from foils.demo import DemoResult, render
from foils.demo.report import check_possible, render_page, write_report
from foils.demo.result import Example
from foils.errors import FolderError, MissingExtraError

Reader = runpy.run_path(str(Path(__file__).parents[1] / "page_reader.py"))["Reader"]
EVIL = "</dd><script>alert('{{ 7*7 }}')</script><img src=x onerror=alert(1)> & \x1b[31m\x07[red]\u202eabc"


@pytest.fixture
def evil(result):
    example = Example(EVIL, EVIL, EVIL, "twin", EVIL, 1, 0.5, 0.5)
    counts = dict.fromkeys([EVIL], 1)
    return msgspec.structs.replace(
        result, examples=[example], left_out=counts, versions={EVIL: EVIL}, conclusion=[EVIL]
    )


def test_hostile_text_is_text(evil):
    page = render_page(evil)
    reader = Reader(page)
    assert reader.open == []
    assert not {"script", "img"} & {tag for tag, _ in reader.tags}
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on")]
    text = "".join(reader.text)
    assert "<script>alert('{{ 7*7 }}')</script>" in text
    assert "49" not in re.findall(r"alert\('(.*?)'\)", text)
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_the_page_loads_nothing(result):
    reader = Reader(render_page(result))
    for tag, attributes in reader.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed"}
        for name in ("src", "href", "xlink:href", "data"):
            assert attributes.get(name, "#").startswith("#")
    style = re.sub(r"url\(#[^)]*\)", "", render_page(result))
    assert "url(" not in style
    assert "@import" not in style


def test_ids_are_unique(result):
    ids = [attributes["id"] for _, attributes in Reader(render_page(result)).tags if "id" in attributes]
    assert len(ids) == len(set(ids)) > 0


def test_the_plots_have_the_colours_of_the_page(result):
    page = render_page(result)
    plots = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    assert plots.count("<svg") == 2
    assert set(re.findall(r"#[0-9a-f]{6}\b", plots)) <= {"#ffffff", "#000000"}
    used = set(re.findall(r"var\(--(\w+)\)", plots))
    assert used
    for name in used:
        assert page.count(f"--{name}:") == 3  # light, dark, print


def test_page_and_json_say_the_same(result, tmp_path):
    write_report(result, tmp_path / "new")
    data = json.loads((tmp_path / "new/report.json").read_text(encoding="utf-8"))
    assert msgspec.convert(data, DemoResult) == result
    assert [row["verdict"] for row in data["rows"]] == [row.verdict for row in result.rows]
    page = (tmp_path / "new/report.html").read_text(encoding="utf-8")
    text = " ".join("".join(Reader(page).text).split())
    for row in result.rows:
        cells = [row.name, f"{row.ndcg:.3f}", *(str(row.difference) if row.difference else "reference").split(" ", 1)]
        cells += [str(estimate) for estimate in (row.hidden, row.resolved) if estimate is not None]
        for cell in cells:
            assert cell in text
    for sentence in result.conclusion:
        assert sentence in text


def test_a_failed_page_leaves_the_old_one(result, tmp_path, monkeypatch):
    write_report(result, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(foils.demo.report, "TEMPLATE", tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        write_report(msgspec.structs.replace(result, conclusion=["new"]), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_with_somebody_elses_report_is_refused(result, tmp_path):
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(FolderError, match=r"report\.html is there and was not made by foils demo"):
        check_possible(tmp_path)
    (tmp_path / "report.json").write_text("[1]")
    with pytest.raises(FolderError, match="choose another folder"):
        check_possible(tmp_path)
    write_report(result, tmp_path / "ours")
    check_possible(tmp_path / "ours")


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="choose another"):
        check_possible(tmp_path / "file")


@pytest.mark.parametrize("package", ["bm25s", "jinja2", "matplotlib"])
def test_a_missing_extra_is_named_before_any_work(package, tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr("foils._extras.find_spec", lambda name: None if name == package else real(name))
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed.*foils\[demo\]"):
        check_possible(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_shows_every_row(result, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(render(result))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    flat = " ".join(text.split())
    for row in result.rows:
        if row.difference is not None:
            assert row.difference.interval.replace(" ", "\N{NO-BREAK SPACE}") in text
        assert row.name.split(",")[0] in flat
    assert "no difference" in flat


def test_the_table_does_not_obey_the_data(evil):
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system=None)
    console.print(render(msgspec.structs.replace(evil, conclusion=[])))
    text = console.file.getvalue()
    assert r"\x1b[31m\x07[red]\u202e" in text
    assert "\x07" not in text
    assert "\u202e" not in text
