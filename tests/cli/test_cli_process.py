"""What only a process of its own shows: signals, pipes, terminals, exit codes."""

import os
import pty
import re
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from cli_world import tables

DRIVER = Path(__file__).with_name("cli_driver.py")
SECONDS = 60
UNWANTED = ("FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR", "PYTHONUNBUFFERED")
PLAIN = {name: value for name, value in os.environ.items() if name not in UNWANTED}
ENVIRONMENT = {**PLAIN, "TERM": "xterm", "COLUMNS": "80", "PYTHONUTF8": "1"}


def command(*arguments: object, pause: int = -1) -> list[str]:
    return [sys.executable, str(DRIVER), str(pause), *map(str, arguments)]


def finished(*arguments: object, **options) -> subprocess.CompletedProcess:
    options = {"capture_output": True, "text": True, "timeout": SECONDS, "env": ENVIRONMENT, **options}
    return subprocess.run(command(*arguments), check=False, **options)


def on_terminal(*arguments: object, term: str) -> tuple[int, str, str]:
    """Run with standard error on a terminal: exit code, standard output, what the terminal got."""
    ours, theirs = pty.openpty()
    environment = {**ENVIRONMENT, "TERM": term}
    with subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # Linux says so when the other end is closed
            pass
        os.close(ours)
        assert process.stdout is not None
        result = process.stdout.read().decode()
    return process.returncode, result, shown.decode()


@pytest.fixture
def mining(data, out) -> list[object]:
    return ["mine", data.path, "--recipe", "simans", "--negatives", 4, "--out", out, *data.vectors]


def test_the_command_is_installed():
    (entry,) = entry_points(group="console_scripts", name="foils")
    assert entry.value == "foils.cli:main"


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_stopped_run_says_how_to_go_on_and_ends_in_the_same_bytes(mining, out, tmp_path, number, code, word):
    # Where the tests themselves run in the background, SIGINT may be ignored, and children would inherit that.
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    with subprocess.Popen(
        command(*mining, pause=1), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, **heeding
    ) as process:
        assert process.stderr is not None
        while (line := process.stderr.readline()) != "paused\n":
            assert line, "it ended before it paused"
        in_use = finished(*mining)
        process.send_signal(number)
        said = process.stderr.read()
    assert process.returncode == code
    assert re.fullmatch(
        rf"error: {word}; what was finished is kept; run the same command again, without --fresh, "
        r"to go on where it stopped \(kept: \d of \d units\)",
        said.splitlines()[-1],
    )
    assert "Traceback" not in said
    assert in_use.returncode == 2
    assert f"error: {out}: another run is writing here" in in_use.stderr
    assert sorted(path.name for path in (out / "shards").iterdir() if "negatives" in path.name) == [
        "negatives-00000.parquet",
        "negatives-00001.parquet",
    ]
    again = finished(*mining)
    assert again.returncode == 0
    assert "mining: 6 of 6" in again.stderr
    undisturbed = [tmp_path / "undisturbed" if word == out else word for word in mining]
    assert finished(*undisturbed).returncode == 0
    assert tables(out) == tables(tmp_path / "undisturbed")


def test_a_terminal_gets_a_bar_and_a_log_gets_lines(mining, out):
    code, result, shown = on_terminal(*mining, term="xterm")
    assert code == 0
    assert "\x1b[" in shown
    assert "mining" in shown
    assert "━" in shown
    assert "\x1b" not in result
    assert f"written to {out}" in result
    code, _, shown = on_terminal(*mining, "--fresh", term="dumb")
    assert code == 0
    assert "\x1b" not in shown
    assert "mining: 6 of 6" in shown


def test_colours_that_are_forced_do_not_reach_a_log(mining):
    said = finished(*mining, env={**ENVIRONMENT, "FORCE_COLOR": "1"})
    assert said.returncode == 0
    assert "\x1b" not in said.stdout + said.stderr


def test_a_reader_that_has_seen_enough_is_no_fault():
    reader, writer = os.pipe()
    os.close(reader)
    said = finished("recipes", capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (said.returncode, said.stderr) == (0, "")


def test_a_log_that_nobody_reads_does_not_stop_the_work(mining, out):
    reader, writer = os.pipe()
    os.close(reader)
    said = finished(*mining, capture_output=False, stdout=subprocess.PIPE, stderr=writer)
    os.close(writer)
    assert said.returncode == 0
    assert f"written to {out}" in said.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_result_that_cannot_be_written_is_no_success():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        said = finished("recipes", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert said.returncode == 2
    assert said.stderr == "error: the result cannot be written to standard output: No space left on device\n"


def test_closed_streams_are_no_fault(tmp_path):
    line = f"{' '.join(command('recipes'))} >&- 2>&-"
    assert subprocess.run(["bash", "-c", line], check=False, timeout=SECONDS, env=ENVIRONMENT).returncode == 0


def test_signs_that_the_encoding_lacks_are_escaped(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("summary: s⁺ − 0.05\nsource: {uniform: {}}\nsampler: {top_k: {}}\n", encoding="utf-8")
    environment = {**ENVIRONMENT, "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    said = finished("recipes", path, env=environment)
    assert (said.returncode, said.stderr) == (0, "")
    assert r"s\u207a \u2212 0.05" in said.stdout


def test_wrong_words_leave_2():
    said = finished("mien")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith('error: Unknown command "mien".')
