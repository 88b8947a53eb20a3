"""The arithmetic of the speed tables: paired ratios, intervals, peak memory, and what is kept when they are saved."""

import importlib
import itertools
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PINNED = {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512"}
KEY = "OPENBLAS_CORETYPE=Haswell OPENBLAS_L2_SIZE=512"
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def module(name):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return importlib.import_module(name)


harness, hardware, run, planted = (module(name) for name in ("harness", "hardware", "run", "planted"))


def scripted(monkeypatch, seconds):
    """Let the clock say these (wall, CPU) seconds per contender, round by round; return the order of the calls."""
    called = []
    values = {name: iter(pairs) for name, pairs in seconds.items()}

    def timed(work):
        work()
        return next(values[called[-1]])

    monkeypatch.setattr(harness, "timed", timed)
    return called, lambda name, work: harness.Contender(name, lambda: called.append(name), work)


def test_a_ratio_is_paired_within_rounds():
    own, noise = np.array([1.0, 1.2, 0.9, 1.1, 1.0]), np.array([1.0, 5.0, 1.0, 2.0, 9.0])
    found = harness.paired_ratio(own * noise, 3 * own * noise)
    assert found == harness.Ratio(pytest.approx(3), pytest.approx(3), pytest.approx(3))


def test_the_interval_of_five_rounds_is_the_range():
    found = harness.paired_ratio([1.0] * 5, [4.0, 1.0, 3.0, 2.0, 9.0])
    assert found == harness.Ratio(3.0, 1.0, 9.0)
    assert found == harness.paired_ratio([1.0] * 5, [4.0, 1.0, 3.0, 2.0, 9.0])


def test_the_interval_of_many_rounds_is_that_of_the_median():
    noise = np.random.default_rng(0)
    covered = 0
    for _ in range(40):
        found = harness.paired_ratio(np.ones(31), noise.exponential(1, 31))
        assert found.low <= found.median <= found.high
        covered += found.low <= np.log(2) <= found.high
    assert covered >= 33  # of 40 intervals of 95 %: fewer happens once in 2,000 times


def test_a_ratio_is_per_unit_of_work():
    assert harness.paired_ratio([1.0], [1.0], 0.25).median == 0.25


def test_compare_measures_every_contender_in_every_round(monkeypatch):
    called, contender = scripted(
        monkeypatch,
        {"a": [(1, 2.0), (1, 4.0), (3, 2.0)], "b": [(5, 1.0), (5, 1.0), (5, 1.0)], "c": [(9, 8.0), (9, 8.0), (9, 8.0)]},
    )
    contenders = [contender("a", 10), contender("b", 1), contender("c", 10)]
    table = harness.compare("t", "texts", contenders, rounds=3, reference="c", notes={"b": "n"}, with_memory=False)
    assert "".join(called) == "abc" + "abc" + "bca" + "cab"
    assert (table.title, table.unit, table.reference, table.rounds) == ("t", "texts", "c", 3)
    row = table.row("a")
    assert (row.wall_seconds, row.cpu_seconds, row.per_cpu_second, row.ratio.median) == (1, 2.0, 5.0, 4.0)
    assert table.row("b").ratio.median == pytest.approx(8 / 10)  # an eighth of the time for a tenth of the work
    assert (table.row("b").note, row.note, row.peak_bytes) == ("n", "", None)
    assert table.ratio("a", "b").median == pytest.approx(5.0)
    assert table.wall_ratio("b", "a").median == pytest.approx(0.02)
    assert msgspec.json.decode(msgspec.json.encode(table), type=harness.Table) == table


def test_of_several_references_the_fastest_per_unit_of_work_is_taken(monkeypatch):
    _, contender = scripted(monkeypatch, {"a": [(1, 1.0)], "b": [(1, 2.0)], "c": [(1, 0.1)]})
    contenders = [contender("a", 1), contender("b", 3), contender("c", 9)]
    table = harness.compare("t", "x", contenders, rounds=1, reference=("a", "b"), with_memory=False, warm_up=False)
    assert table.reference == "b"


@linux
def test_peak_memory_is_what_a_call_takes_at_most():
    size = 64_000_000

    def take():
        for part in (size, size // 2):
            held = np.ones(part // 8)
            time.sleep(0.1)
            del held

    for _ in range(2):  # memory that a first call gave back is not lost from the second's peak
        assert size * 0.95 < harness.peak_of(take) < size * 1.3
    assert harness.peak_of(lambda: None) < size * 0.1


@linux
def test_peak_memory_and_cpu_seconds_count_children():
    code = "import time; held = bytearray(b'x') * 50_000_000; time.sleep(0.2)"
    before = harness.cpu_seconds()
    assert harness.peak_of(lambda: subprocess.run([sys.executable, "-S", "-c", code], check=True)) > 50_000_000
    assert harness.cpu_seconds() > before


def test_an_aim_is_met_by_the_median():
    assert harness.at_least("x", 0.85, harness.Ratio(0.85, 0.5, 0.9)) == harness.Aim(
        "x", "≥ 0.85", "0.85 [0.50, 0.90]", met=True
    )
    assert not harness.at_least("x", 0.85, harness.Ratio(0.8499, 0.8, 2)).met


def test_saving_keeps_the_other_setting(monkeypatch, tmp_path):
    monkeypatch.setattr(harness, "FOLDER", tmp_path / "speed")
    monkeypatch.setattr(sys, "argv", ["x.py"])
    table = harness.compare("t", "x", [harness.Contender("a", lambda: sum(range(1000)), 1)], rounds=1, reference="a")
    for pins, fact in itertools.chain(*[[({}, 1), (PINNED, 2)], [({}, 3)]]):
        for name in hardware.PINS:
            monkeypatch.delenv(name, raising=False)
        for name, value in pins.items():
            monkeypatch.setenv(name, value)
        harness.save("some", [table], {"fact": fact, "aims": [harness.Aim("w", "b", "r", met=True)]})
    saved = msgspec.json.decode((tmp_path / "speed" / "some.json").read_bytes())["settings"]
    assert list(saved) == [KEY, "unpinned"]
    assert [entry["facts"]["fact"] for entry in saved.values()] == [2, 3]
    assert msgspec.convert(saved["unpinned"]["tables"], list[harness.Table]) == [table]
    assert saved[KEY]["machine"]["environment"].items() >= PINNED.items()


def test_a_quick_try_is_not_saved(monkeypatch, tmp_path):
    monkeypatch.setattr(harness, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["x.py", "--quick"])
    harness.save("some", [], {})
    assert list(tmp_path.iterdir()) == []


def test_the_machine_is_described_without_paths_and_dates():
    found = hardware.machine()
    assert found["cores"] >= 1
    assert found["packages"]["numpy"] == np.__version__
    assert any(library["package"] == "numpy" for library in found["blas"])
    assert "/" not in msgspec.json.encode(found).decode()


def test_both_settings_run():
    found = {"PATH": "x", **PINNED}
    assert run.environments(found) == [found, {"PATH": "x"}]
    assert run.environments({"PATH": "x"}) == [{"PATH": "x"}, found]


def test_the_runner_knows_the_scripts_that_measure(capsys):
    assert {"search", "mining", "growth"} <= set(run.names())
    assert not {"run", "harness", "hardware", "products", "growth_plot", "compat_speed"} & set(run.names())
    assert run.main(["no-such-benchmark"]) == 2
    assert "names: " in capsys.readouterr().err


def test_planted_vectors_have_length_one_and_lie_around_centres():
    items = planted.matrix(planted.BLOCK + 100, 96, 7)
    assert np.abs(np.linalg.norm(items, axis=1) - 1).max() < 1e-5
    centres = planted.directions(np.random.default_rng(0), planted.CENTRES, 96)
    closest = (items[:500] @ centres.T).max(axis=1)
    assert abs(closest.mean() - planted.COSINE) < 0.02
    np.testing.assert_array_equal(items[: planted.BLOCK], planted.matrix(planted.BLOCK, 96, 7))
    positives = np.arange(0, 2000, 10)
    queries = planted.queries(items, positives, 5)
    own = np.einsum("qd,qd->q", queries, items[positives])
    above = (queries @ items.T > own[:, None]).sum(axis=1)
    assert np.abs(np.linalg.norm(queries, axis=1) - 1).max() < 1e-5
    assert 0 < np.median(above) < 10  # some items above the positive: what a margin is for
