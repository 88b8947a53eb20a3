"""Run the marked code blocks of a Markdown page, and compare what they print with what the page shows.

The mark stands on the line above the block:

- ``<!-- run -->``: it is run, and must succeed: ```python as it stands, of ```console and ```bash the commands after
  ``$ ``.
- ``<!-- fails -->``: it is run, and every command must fail; Python must raise. Python prints the error's last lines.
- ``<!-- output -->``: a ```text block with what the ```python block before it printed. A ```console block shows its
  output itself, below each command.

Shown and printed must be the same but for numbers, white space and the ruling of tables; a line ``…`` stands for any
lines. A block that shows nothing is not compared.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it.token import Token

from foils.cli import main as foils_main

RUN, FAILS, OUTPUT = "<!-- run -->", "<!-- fails -->", "<!-- output -->"
SHELL = ("console", "bash")
SHELL_SIGNS = frozenset("|&;<>$*?`#~")
COMMAND_SECONDS = 300
ANY_LINES = "…"
PROGRESS = re.compile(r" +\d+ s  \d+ of \d+  |[^:]+: [\d,]+ of [\d,]+(, about .* left| in [\d.]+ s)$")
WIDTH = "100"


@dataclass(frozen=True)
class Block:
    """A fenced code block; line is that of its fence, counted from 1; mark is the comment above it, or empty."""

    line: int
    language: str
    code: str
    mark: str


@dataclass(frozen=True)
class Ran:
    """What became of a block.

    Attributes:
        block: the block; for output of Python the one that shows it.
        problem: what is wrong, or empty.
        shows: what the block should hold, where it holds output.
    """

    block: Block
    problem: str = ""
    shows: str = ""


def blocks(tokens: Sequence[Token]) -> Iterator[Block]:
    """Yield the fenced code blocks of a page."""
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type == "fence" and token.map:
            comment = before.content.strip() if before is not None and before.type == "html_block" else ""
            mark = comment if comment in (RUN, FAILS, OUTPUT) else ""
            yield Block(token.map[0] + 1, token.info.strip(), token.content, mark)


def run_blocks(page: Path, tokens: Sequence[Token]) -> Iterator[Ran]:
    """Run the blocks of a page in order, in one temporary folder and one Python namespace."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), settled_environment():
        for block in blocks(tokens):
            if block.mark == OUTPUT:
                differs = "" if same(block.code, printed) else f"the block before it prints:\n{printed}"
                yield Ran(block, differs, printed)
            elif block.language == "python":
                problem, printed = run_python(block, page, namespace)
                yield Ran(block, problem)
            elif block.mark and block.language in SHELL:
                yield run_shell(block)
            elif block.mark:
                yield Ran(block, f"{block.language or 'no language'} cannot be run; valid: python, console, bash")


@contextlib.contextmanager
def settled_environment() -> Iterator[None]:
    """Give every machine the same width of lines, an empty cache and no model hub, for a while."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as cache:
        os.environ.update(FOILS_CACHE=cache, COLUMNS=WIDTH, HF_HUB_OFFLINE="1")
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def run_python(block: Block, page: Path, namespace: dict[str, object]) -> tuple[str, str]:
    """Compile a block, run it if it is marked; give what went wrong (with page lines) and what it printed."""
    written = io.StringIO()
    try:
        code = compile("\n" * block.line + block.code, str(page), "exec", dont_inherit=True)
        if block.mark:
            with contextlib.redirect_stdout(written):
                exec(code, namespace)
    except (Exception, SystemExit) as error:
        if block.mark == FAILS and not isinstance(error, SyntaxError):
            return "", written.getvalue() + "".join(traceback.format_exception_only(error))
        return f"the Python block fails:\n{traceback.format_exc(limit=-3)}", ""
    return ("the Python block should fail, and does not" if block.mark == FAILS else ""), written.getvalue()


def run_shell(block: Block) -> Ran:
    """Run the commands of a block."""
    parts = list(re.finditer(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block.code, re.MULTILINE))
    if not parts:
        return Ran(block, "the block is to be run and has no line that starts with '$ '")
    problems, shown = [], []
    compared = any(part[2].strip() for part in parts)
    for part in parts:
        try:
            code, printed = run_command(part[1])
        except subprocess.TimeoutExpired:
            return Ran(block, f"after {COMMAND_SECONDS} s still not done: {part[1]}")
        if (code != 0) != (block.mark == FAILS):
            return Ran(block, f"exit code {code} from: {part[1]}\n{printed.strip()}")
        if compared and not same(part[2], printed):
            problems.append(f"prints something else: {part[1]}\n{printed.strip()}")
        shown.append(f"$ {part[1]}\n{tidy(printed)}")
    return Ran(block, "\n".join(problems), "".join(shown) if compared else "")


def run_command(command: str) -> tuple[int, str]:
    """Run a command, and give its exit code and all that it printed.

    A plain ``foils …`` runs in this process: a second less for each, of which a page has many. What else there is
    runs in a shell, this Python's folder of programs first.
    """
    if command.startswith("foils ") and not SHELL_SIGNS.intersection(command):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = foils_main(shlex.split(command.replace("\\\n", " "))[1:])
        return code, as_on_a_terminal(printed.getvalue())
    done = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_SECONDS,
    )
    return done.returncode, done.stdout


def as_on_a_terminal(printed: str) -> str:
    """Leave out lines of progress, which a terminal shows as a bar that vanishes; name the cache as a user's."""
    kept = (line for line in printed.splitlines(keepends=True) if not PROGRESS.match(line))
    return "".join(kept).replace(os.environ["FOILS_CACHE"], "~/.cache/foils")


def same(shown: str, printed: str) -> bool:
    """Tell whether two texts are the same but for numbers, white space and ruling; ``…`` is any lines."""
    pattern = [r"(?:.*\n)*?" if line == ANY_LINES else re.escape(line) + r"\n" for line in masked(shown)]
    text = "".join(f"{line}\n" for line in masked(printed))
    return re.fullmatch("".join(pattern), text) is not None


def masked(text: str) -> list[str]:
    """Give the lines that are not empty, with each number as 0 and without ruling."""
    plain = re.sub(r"[─━═╌-]{2,}", "", re.sub(r"[+−-]?\d[\d,.e]*\d|[+−-]?\d", "0", text))
    return [" ".join(line.split()) for line in plain.splitlines() if line.strip()]


def tidy(text: str) -> str:
    """Give lines without white space at their ends."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def with_outputs(text: str, ran: Sequence[Ran]) -> str:
    """Put what the blocks printed into the page, except where ``…`` shortens it."""
    lines = text.splitlines(keepends=True)
    for done in reversed(ran):
        old = done.block.code
        if done.shows and ANY_LINES not in old.splitlines():
            lines[done.block.line : done.block.line + len(old.splitlines())] = [tidy(done.shows)]
    return "".join(lines)
