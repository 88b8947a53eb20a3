"""Check the documentation: README.md, CHANGELOG.md, CONTRIBUTING.md and docs/.

- Relative links lead to a file of the repository and, with an anchor, to a heading or a documented name of it.
- Each ```python block compiles.
- Blocks that are marked are run, and print what the page shows; see ``doc_blocks``.

Usage: python scripts/check_docs.py [--write] [FILE...]
"""

from __future__ import annotations

import argparse
import os
import pydoc
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from doc_blocks import Ran, run_blocks, with_outputs
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
TOP_PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
SLOW_SECONDS = 1
DIRECTIVE = re.compile(r"^::: ([\w.]+)", re.MULTILINE)
"""What mkdocstrings documents on a page."""


@dataclass(frozen=True)
class Page:
    """A Markdown file and its parsed tokens."""

    path: Path
    text: str
    tokens: Sequence[Token]


def main(arguments: Sequence[str]) -> int:
    """Print each problem and what slow pages take; return 1 if there is a problem."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="put what the blocks print into the pages")
    parser.add_argument("files", type=Path, nargs="*")
    options = parser.parse_args(arguments)
    paths = [*(ROOT / name for name in TOP_PAGES), *sorted(ROOT.glob("docs/**/*.md"))]
    found = 0
    for path in [file.resolve() for file in options.files] or paths:
        started, cpu = time.monotonic(), sum(os.times()[:4])
        wrong = problems(path, ROOT, write=options.write)
        if wrong:
            print("\n".join(wrong))
        if time.monotonic() - started > SLOW_SECONDS:
            took = f"{time.monotonic() - started:.1f} s, {sum(os.times()[:4]) - cpu:.1f} s of CPU"
            print(f"{path.relative_to(ROOT)}: {took}", flush=True)
        found += len(wrong)
    print(f"{found} problems" if found else "Links and code blocks are right.")
    return 1 if found else 0


def problems(path: Path, root: Path, *, write: bool = False) -> list[str]:
    """Return what is wrong with one page, as lines that start with file and line."""
    page = read(path)
    place = path.relative_to(root)
    broken = [f"{place}:{line}: {text}" for line, text in broken_links(page, root)]
    ran: list[Ran] = list(run_blocks(page.path, page.tokens))
    if write:
        path.write_text(with_outputs(page.text, ran), encoding="utf-8")
        return problems(path, root)
    return broken + [f"{place}:{done.block.line}: {done.problem}" for done in ran if done.problem]


def read(path: Path) -> Page:
    """Parse a Markdown file."""
    text = path.read_text(encoding="utf-8")
    return Page(path, text, MarkdownIt("commonmark").enable("table").parse(text))


def broken_links(page: Page, root: Path) -> Iterator[tuple[int, str]]:
    """Yield line and description of each relative link that leads nowhere."""
    for line, target in links(page):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        file = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
        if not file.exists() or not file.is_relative_to(root):
            yield line, f"the link {target} leads to no file of the repository"
        elif parts.fragment and (file.suffix != ".md" or not has_anchor(read(file), unquote(parts.fragment))):
            yield line, f"the link {target} leads to no heading of {file.relative_to(root)}"


def links(page: Page) -> Iterator[tuple[int, str]]:
    """Yield line and target of each link and image, in Markdown and in HTML."""
    for line, token in flat(page):
        attribute = {"link_open": "href", "image": "src"}.get(token.type)
        if attribute:
            yield line, str(token.attrs[attribute])
        elif token.type in ("html_block", "html_inline"):
            yield from ((line, target) for target in re.findall(r'\b(?:href|src)="([^"]*)"', token.content))


def has_anchor(page: Page, name: str) -> bool:
    """Tell whether a link to the page may name this after #: a heading, an id, or a name that is documented there."""
    documented = any(name == top or name.startswith(f"{top}.") for top in DIRECTIVE.findall(page.text))
    return name in anchors(page) or (documented and pydoc.locate(name) is not None)


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
