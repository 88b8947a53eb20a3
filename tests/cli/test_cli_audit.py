"""``foils audit``: of a folder, of a file, compared, and what it refuses."""

import json

import pytest


@pytest.fixture
def mined(mine, out):
    assert mine().code == 0
    return out


def test_a_folder(run, data, mined, tmp_path):
    report = tmp_path / "report"
    said = run("audit", mined, "--data", data.path, "--out", report)
    assert said.code == 0, said.err
    assert "No negative is a known positive" in said.out
    assert f"report: {report / 'report.html'}" in said.out
    assert json.loads((report / "report.json").read_text())["report"] == "foils audit"
    assert "<svg" in (report / "report.html").read_text()


def test_json_is_what_is_written(run, data, mined, tmp_path):
    said = run("audit", mined, "--data", data.path, "--truth", data.path, "--json", "--out", tmp_path / "report")
    assert said.json() == json.loads((tmp_path / "report/report.json").read_text())


def test_compared_with_another(run, data, mine, mined, tmp_path):
    other = tmp_path / "other"
    said = run("mine", data.path, "--recipe", "naive-top-k", "--negatives", 4, "--out", other, *data.vectors)
    assert said.code == 0
    said = run("audit", mined, "--data", data.path, "--compare", other, "--out", tmp_path / "report")
    assert said.code == 0, said.err
    assert f"compared with {other}" in said.out


def test_a_file(run, data, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("anchor_id,negative_id\nq0,d1\nq0,d0\nq9,nowhere\n")
    said = run("audit", data.path, "--file", path, *data.vectors, "--out", tmp_path / "report")
    assert said.code == 0, said.err
    assert "1 negative is a known positive of the same anchor." in said.out
    assert "'nowhere'" in said.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{data}"], "not a result of foils mine; to audit a file of negatives of this data, name it with --file"),
        (["{data}", "--file", "{data}/gone.csv"], "there is no such file"),
        (["{data}", "--file", "x.csv", "--data", "{data}"], "leave --data out"),
        (["{data}/nothing"], "not a result of foils mine"),
    ],
)
def test_what_is_refused(run, data, tmp_path, arguments, message):
    said = run("audit", *(word.format(data=data.path) for word in arguments), "--out", tmp_path / "report")
    assert message in said.error.replace("\n", " ")


def test_without_the_extra_the_page_is_left_out(run, data, mined, tmp_path, monkeypatch):
    monkeypatch.setattr("foils._extras.find_spec", lambda name: None)
    said = run("audit", mined, "--out", tmp_path / "report")
    assert said.code == 0
    assert "pip install 'foils[report]'" in said.err
    assert not (tmp_path / "report/report.html").exists()
