"""Progress in a log: rate and remaining time, a line now and then even if nothing happens, and one at the end."""

import time
import warnings

import pytest

from foils.cli import console


@pytest.fixture
def clock(monkeypatch):
    """Time that stands still unless it is moved."""
    now = [100.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    return now


def test_a_pace_leaves_out_what_an_earlier_run_did(clock):
    pace = console._Pace("finished before", "now")
    assert pace.line() == "begun"
    pace.step(1_000, 10_000)
    assert pace.line() == "1,000 of 10,000"
    clock[0] += 4
    pace.step(3_000, 10_000)
    assert pace.line() == "3,000 of 10,000, 500/s, about 14 s left"
    pace.step(10_000, 10_000)
    assert pace.line() == "10,000 of 10,000, 1,000 finished before and 9,000 now in 4.0 s"


def test_a_pace_says_what_was_there_before_and_what_was_done_now(clock):
    pace = console._Pace("from the cache", "encoded")
    pace.step(9_000, 9_000)
    assert pace.line() == "9,000 of 9,000 from the cache"
    pace = console._Pace("from the cache", "encoded")
    pace.step(8_990, 9_000)
    clock[0] += 2
    pace.step(9_000, 9_000)
    assert pace.line() == "9,000 of 9,000, 8,990 from the cache and 10 encoded in 2.0 s"


def test_a_warning_is_one_line_without_a_place_in_the_code(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with console.warnings_as_notes():
            warnings.warn("negatives-00000.parquet: damaged\x1b[2J", stacklevel=1)
    assert capsys.readouterr().err == "warning: negatives-00000.parquet: damaged\\x1b[2J\n"


@pytest.mark.parametrize(("done", "said"), [(1, "0.5/s"), (19, "9.5/s"), (2_469, "1,234/s")])
def test_a_rate_has_the_digits_that_matter(clock, done, said):
    pace = console._Pace("finished before", "now")
    pace.step(0, 5_000)
    clock[0] += 2
    pace.step(done, 5_000)
    assert pace.rate() == said


def test_a_log_gets_a_line_now_and_then_even_if_no_step_is_done(monkeypatch, capsys):
    monkeypatch.setattr(console, "LOG_SECONDS", 0.02)
    with console.progress("mining", before="finished before") as report:
        report(5, 10)
        time.sleep(0.2)
        report(10, 10)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 2
    assert any(line.startswith("mining: 5 of 10") for line in lines)
    assert any(line.startswith("mining: 10 of 10, 5 finished before and 5 now in ") for line in lines)
    time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_a_quick_stage_says_one_line(capsys):
    with console.progress("mining", before="finished before") as report:
        for done in range(11):
            report(done, 10)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mining: 10 of 10 in ")


def test_work_that_is_never_resumed_counts_its_first_report():
    pace = console._Pace(None, "now")
    pace.step(1, 50)
    pace.step(50, 50)
    assert pace.line().startswith("50 of 50 in ")
