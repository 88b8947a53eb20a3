"""Check the documentation: README.md, CHANGELOG.md, CONTRIBUTING.md and docs/.

- Relative links lead to a file of the repository and, with an anchor, to a heading of it.
- Each ```python block compiles.
- A block under the comment ``<!-- run -->`` is run: ```python as it stands, of ```console and ```bash the
  lines after ``$ ``. The blocks of one page run in order, in one temporary folder and one Python namespace.

Usage: python scripts/check_docs.py
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
TOP_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
COMMAND_SECONDS = 300
RUN = "<!-- run -->"
SHELL = ("console", "bash")


@dataclass(frozen=True)
class Page:
    """A Markdown file and its parsed tokens."""

    path: Path
    tokens: Sequence[Token]


@dataclass(frozen=True)
class Block:
    """A fenced code block; line is that of its fence, counted from 1."""

    line: int
    language: str
    code: str
    is_run: bool


def main() -> int:
    """Print each problem; return 1 if there is one."""
    paths = [*(ROOT / name for name in TOP_PAGES), *sorted(ROOT.glob("docs/**/*.md"))]
    found = [problem for path in paths for problem in problems(path, ROOT)]
    print("\n".join(found) or f"{len(paths)} pages: links and code blocks are right.")
    return 1 if found else 0


def problems(path: Path, root: Path) -> list[str]:
    """Return what is wrong with one page, as lines that start with file and line."""
    page = read(path)
    place = path.relative_to(root)
    broken = [f"{place}:{line}: {text}" for line, text in broken_links(page, root)]
    return broken + [f"{place}:{line}: {text}" for line, text in broken_blocks(page)]


def read(path: Path) -> Page:
    """Parse a Markdown file."""
    return Page(path, MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")))


def broken_links(page: Page, root: Path) -> Iterator[tuple[int, str]]:
    """Yield line and description of each relative link that leads nowhere."""
    for line, target in links(page):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        file = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
        if not file.exists() or not file.is_relative_to(root):
            yield line, f"the link {target} leads to no file of the repository"
        elif parts.fragment and (file.suffix != ".md" or unquote(parts.fragment) not in anchors(read(file))):
            yield line, f"the link {target} leads to no heading of {file.relative_to(root)}"


def links(page: Page) -> Iterator[tuple[int, str]]:
    """Yield line and target of each link and image, in Markdown and in HTML."""
    for line, token in flat(page):
        attribute = {"link_open": "href", "image": "src"}.get(token.type)
        if attribute:
            yield line, str(token.attrs[attribute])
        elif token.type in ("html_block", "html_inline"):
            yield from ((line, target) for target in re.findall(r'\b(?:href|src)="([^"]*)"', token.content))


def anchors(page: Page) -> set[str]:
    """Return what a link to the page may name after #: slugs of its headings, ids in its HTML."""
    known: set[str] = set()
    for heading, inline in zip(page.tokens, page.tokens[1:], strict=False):
        if heading.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            repeats = sum(re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other) is not None for other in known)
            known.add(f"{slug}-{repeats}" if repeats else slug)
    html = "".join(token.content for _, token in flat(page) if token.type.startswith("html"))
    return known | set(re.findall(r'\b(?:id|name)="([^"]*)"', html))


def flat(page: Page) -> Iterator[tuple[int, Token]]:
    """Yield each token, those inside paragraphs too, with the line that its paragraph begins on."""
    line = 1
    for token in page.tokens:
        line = token.map[0] + 1 if token.map else line
        yield line, token
        yield from ((line, child) for child in token.children or ())


def broken_blocks(page: Page) -> Iterator[tuple[int, str]]:
    """Yield line and description of each code block that does not compile or, if it is to be run, fails."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for block in blocks(page):
            if block.language == "python":
                problem = failure_of_python(block, page.path, namespace)
            elif not block.is_run:
                continue
            elif block.language in SHELL:
                problem = failure_of_shell(block)
            else:
                problem = f"{block.language or 'no language'} cannot be run; valid: python, console, bash"
            if problem:
                yield block.line, problem


def blocks(page: Page) -> Iterator[Block]:
    """Yield the fenced code blocks of a page."""
    for before, token in zip([None, *page.tokens], page.tokens, strict=False):
        if token.type == "fence" and token.map:
            is_run = before is not None and before.type == "html_block" and before.content.strip() == RUN
            yield Block(token.map[0] + 1, token.info.strip(), token.content, is_run)


def failure_of_python(block: Block, path: Path, namespace: dict[str, object]) -> str:
    """Compile a block, run it if it is marked, and return what went wrong; a traceback shows page lines."""
    try:
        code = compile("\n" * block.line + block.code, str(path), "exec", dont_inherit=True)
        if block.is_run:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, namespace)
    except (Exception, SystemExit):
        return f"the Python block fails:\n{traceback.format_exc(limit=-3)}"
    return ""


def failure_of_shell(block: Block) -> str:
    """Run the commands of a block, this Python's folder of programs first, and return what went wrong."""
    commands = re.findall(r"^\$ ((?:.*\\\n)*.*)$", block.code, re.MULTILINE)
    if not commands:
        return "the block is to be run and has no line that starts with '$ '"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands:
        try:
            done = subprocess.run(
                ["bash", "-c", command],
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=COMMAND_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"after {COMMAND_SECONDS} s still not done: {command}"
        if done.returncode:
            return f"exit code {done.returncode} from: {command}\n{done.stderr.strip()}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
