"""Real text that every machine has: the docstrings of the installed Python and of the demo's packages.

An *anchor* is the first paragraph of a docstring. An *item* is one place where the docstring is found: its
title is the qualified name, its text the rest of the docstring, the *body*. Inherited methods, re-exports and
twins such as ``posixpath`` and ``ntpath`` put one body under several names. Label one name per anchor as
positive, and the others are hidden positives whose rows are known: the false negatives that mining will meet.

What answers what is decided here, so that nothing true is called a negative:

- Docstrings that differ only by white space or case are one.
- Equal first paragraphs are one anchor, even over different bodies (``pyplot.title``, ``Axes.set_title``):
  the query cannot tell which is meant, so each of these bodies is right. At most five; the rest is left out.
- A body under different first paragraphs (a licence, a list of common options) answers none of them in
  particular: all its docstrings are left out.

Bodies that say the same in other words remain negatives of each other, so rates of false negatives counted
against this truth are lower bounds. Texts that differ only by the name of what they describe are not merged:
such pairs are siblings or opposites (``year`` and ``day``, ``min`` and ``max``).
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError

# The distributions that the demo installs, then what these bring. Whatever else is installed is left alone:
# to import a stranger's packages may do anything.
PACKAGES = (
    *("bm25s", "cyclopts", "jinja2", "matplotlib", "msgspec", "numpy", "pyarrow", "pyyaml", "rich"),
    *("safetensors", "scipy", "tokenizers"),
    *("anyio", "attrs", "click", "fonttools", "fsspec", "huggingface-hub", "markdown-it-py", "packaging"),
    *("pillow", "pygments", "pyparsing", "python-dateutil"),
)
MIN_ANCHOR_CHARACTERS = 15  # "Draw pane." could ask for anything
MIN_ANCHOR_WORDS = 3
MIN_BODY_CHARACTERS = 60  # below, a body is a bare type or a pointer ("See the module's __doc__.")
MIN_BODY_WORDS = 8
MAX_NAMES = 5  # per body; a common base class would otherwise hand its bodies to hundreds of items
MAX_BODIES = 5  # per anchor; matplotlib alone can "set multiple properties at once" in eighty ways
SECONDS_PER_ROOT = 60.0  # per top-level module with all below it; SciPy from a slow disk takes ten
SECONDS_IN_ALL = 300.0
MAX_CRASHES = 3  # modules that may end the reading process before we give up

# Python's settings that say where modules are. No other is passed on: PYTHONOPTIMIZE strips docstrings.
KEPT_SETTINGS = frozenset(
    f"PYTHON{name}" for name in ("PATH", "HOME", "USERBASE", "NOUSERSITE", "DONTWRITEBYTECODE", "PYCACHEPREFIX")
)
# "name(arguments)" or "name(arguments) -> result" on one or more lines of one paragraph, or "name(arguments)"
# and "--" as C code writes it. The possessive quantifiers (*+) keep the time linear.
SIGNATURE = re.compile(
    r"""\s* [\w.]+
        \( (?: [^()\n] | \n(?!\s*\n) | \( (?: [^()\n] | \([^()\n]*+\) )*+ \) )*+ \)
        [ \t]* (?: -+>.* )? (?: \n(?:--\n)? | \Z )""",
    re.VERBOSE,
)
# A heading's rule on any line, or a directive, a field, a doctest or a section at the start.
NOT_PROSE = re.compile(
    r"^\s*[-=~^*#]{3,}\s*$ | \A(?: \.\.\  | :\w | >>>\  | (?:Args|Arguments|Parameters|Returns): )",
    re.MULTILINE | re.VERBOSE,
)
# A line of an example's output that says of itself that it differs from run to run.
VARYING = re.compile(r"^.*# may vary.*\n?", re.MULTILINE)
WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, eq=False, slots=True)
class DocstringCorpus:
    """Anchors and items; item i answers the anchor ``body_anchor[item_body[i]]`` and no other.

    Items are sorted by name; bodies follow their first item, anchors their first body.

    Attributes:
        anchors: First paragraphs, each on one line, all different.
        bodies: The rest of the docstrings, all different.
        names: Qualified names, all different.
        item_body: int64 [items], row of the body that an item carries.
        body_anchor: int64 [bodies], row of the anchor that a body answers.
        versions: Version of Python and of each distribution that was read.
        skipped: How many modules, docstrings, bodies and names were left out, by reason.
    """

    anchors: list[str]
    bodies: list[str]
    names: list[str]
    item_body: NDArray[np.int64]
    body_anchor: NDArray[np.int64]
    versions: dict[str, str]
    skipped: dict[str, int]


class _Reading(NamedTuple):
    """What the reading process answered."""

    carriers: dict[str, list[str]]  # names by docstring
    versions: dict[str, str]
    failed: list[str]
    crashed: list[str]


class _Docstring(NamedTuple):
    anchor: str
    body: str
    names: frozenset[str]


def extract_docstrings(
    *,
    packages: Sequence[str] = PACKAGES,
    modules: Sequence[str] | None = None,
    max_anchors: int | None = None,
) -> DocstringCorpus:
    """Read the docstrings of the standard library and of ``packages``, imported in a process of its own.

    The same environment gives the same corpus every time.

    Args:
        packages: Distributions to read beside the standard library; those not installed are passed over.
        modules: Read only these modules and those below them, in place of the above.
        max_anchors: Keep this many anchors with all their bodies and names, chosen by the anchor's hash.

    Raises:
        DataError: The modules cannot be read, or none is documented.
    """
    reading = _read(packages, modules)
    skipped = {"modules not importable": len(reading.failed), "modules that crashed": len(reading.crashed)}
    return build_corpus(reading.carriers, versions=reading.versions, skipped=skipped, max_anchors=max_anchors)


def build_corpus(
    carriers: Mapping[str, Sequence[str]],
    *,
    versions: dict[str, str],
    skipped: Mapping[str, int],
    max_anchors: int | None = None,
) -> DocstringCorpus:
    """Decide which item answers which anchor.

    Args:
        carriers: For each docstring the qualified names that carry it; the order does not matter.
        versions: What to record as the corpus's versions.
        skipped: What was left out before; what is left out here is added.
        max_anchors: As in ``extract_docstrings``.

    Raises:
        DataError: No docstring has a first paragraph and a body.
    """
    counts = Counter(skipped)
    by_anchor = _gather(_split_all(carriers, counts), counts)
    if not by_anchor:
        raise DataError(
            f"{sys.executable} gave {len(carriers)} docstrings, none with a first paragraph and a body; "
            "expected thousands. Use a Python that was built with docstrings, for instance python.org's."
        )
    return _assemble(_subsample(by_anchor, max_anchors), versions, counts)


def split_docstring(doc: str) -> tuple[str, str]:
    r"""Split a docstring into its first paragraph, on one line, and the rest; signatures are dropped.

    >>> split_docstring("add(x1, x2, /)\n\nAdd two\narrays.\n\nParameters\n----------")
    ('Add two arrays.', 'Parameters\n----------')
    """
    text = inspect.cleandoc(doc).encode("utf-8", "ignore").decode()  # no file can hold a lone surrogate
    text = VARYING.sub("", text)
    while signature := SIGNATURE.match(text):
        text = text[signature.end() :]
    first, *rest = re.split(r"\n[ \t]*\n", text.strip(), maxsplit=1)
    anchor = "" if NOT_PROSE.search(first) else " ".join(first.split())
    return anchor, rest[0].strip("\n").rstrip() if rest else ""


def _read(packages: Sequence[str], modules: Sequence[str] | None) -> _Reading:
    """Run the reading process; should a module end it, run it again without that module."""
    crashed: list[str] = []
    while True:
        request = {
            "packages": list(packages),
            "modules": None if modules is None else list(modules),
            "denied": crashed,
            "seconds_per_root": SECONDS_PER_ROOT,
        }
        done = _run_collect(json.dumps(request))
        lines = done.stdout.splitlines()
        if lines and lines[-1].startswith('{"versions"'):  # a crash after the answer does no harm
            *records, summary = map(json.loads, lines)
            carriers = {record["doc"]: record["names"] for record in records if "doc" in record}
            return _Reading(carriers, summary["versions"], summary["failed"], crashed)
        announced = (line for line in reversed(lines) if line.startswith('{"module"'))
        culprit = json.loads(next(announced, '{"module": null}'))["module"]
        if culprit is None or len(crashed) == MAX_CRASHES:
            raise DataError(
                f"the process that reads docstrings ended with code {done.returncode} at module {culprit} "
                f"(earlier at {crashed}) and said {done.stderr.strip()[-500:]!r}. Reinstall what this module "
                f"belongs to, or use another virtual environment (this one: {sys.prefix})."
            )
        crashed.append(culprit)


def _run_collect(request: str) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).with_name("_collect.py")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON") or name in KEPT_SETTINGS
    }
    # The seed because some docstrings are composed on import and list what is in a set.
    environment |= {"PYTHONHASHSEED": "0", "MPLBACKEND": "Agg", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory(prefix="foils-") as folder:  # for what an import writes where it stands
        try:
            return subprocess.run(
                [sys.executable, "-P", "-W", "ignore", str(script), request],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=SECONDS_IN_ALL,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DataError(
                f"reading the docstrings of {sys.prefix} took more than {SECONDS_IN_ALL:g} s; expected about "
                "ten. Try again when the machine is less busy, or use another virtual environment."
            ) from error


def _split_all(carriers: Mapping[str, Sequence[str]], skipped: Counter[str]) -> list[_Docstring]:
    """Split each docstring, leave out what is too short, and merge what is equal; sorted by name."""
    merged: dict[tuple[str, str], _Docstring] = {}
    taken: set[str] = set()  # a function and the module of the same name share theirs: the first keeps it
    for doc, carrying in sorted(carriers.items(), key=lambda carrier: (min(carrier[1]), carrier[0])):
        anchor, body = split_docstring(doc)
        reason = _shortcoming(anchor, body)
        names = frozenset(carrying) - taken
        if reason:
            skipped[reason] += 1
        elif names:
            taken |= names
            key = _normalise(anchor), _normalise(body)
            known = merged.get(key, _Docstring(anchor, body, frozenset()))
            merged[key] = known._replace(names=known.names | names)
    return list(merged.values())


def _shortcoming(anchor: str, body: str) -> str | None:
    if not anchor:
        return "docstrings that do not begin with prose"
    if len(anchor) < MIN_ANCHOR_CHARACTERS or len(WORD.findall(anchor)) < MIN_ANCHOR_WORDS:
        return "docstrings with a short first paragraph"
    if len(body) < MIN_BODY_CHARACTERS or len(WORD.findall(body)) < MIN_BODY_WORDS:
        return "docstrings with a short or no body"
    return None


def _gather(docstrings: Iterable[_Docstring], skipped: Counter[str]) -> dict[str, list[_Docstring]]:
    """Gather docstrings by anchor, without the bodies that several anchors share; at most five per anchor."""
    by_body: defaultdict[str, list[_Docstring]] = defaultdict(list)
    for docstring in docstrings:
        by_body[_normalise(docstring.body)].append(docstring)
    by_anchor: defaultdict[str, list[_Docstring]] = defaultdict(list)
    for docstring, *others in by_body.values():
        if others:
            skipped["docstrings whose body has several first paragraphs"] += 1 + len(others)
            continue
        bodies = by_anchor[_normalise(docstring.anchor)]
        if len(bodies) == MAX_BODIES:
            skipped["bodies beyond five of one anchor"] += 1
        else:
            bodies.append(docstring)
    return dict(by_anchor)


def _subsample(by_anchor: Mapping[str, list[_Docstring]], max_anchors: int | None) -> list[list[_Docstring]]:
    """Keep the anchors with the smallest hashes: a larger number keeps the same and more."""
    by_hash = sorted(by_anchor, key=lambda anchor: hashlib.sha256(anchor.encode()).digest())
    return [by_anchor[anchor] for anchor in by_hash[:max_anchors]]


def _assemble(by_anchor: list[list[_Docstring]], versions: dict[str, str], skipped: Counter[str]) -> DocstringCorpus:
    """Number items, bodies and anchors in the order of the names."""
    carried: dict[str, tuple[int, _Docstring]] = {}
    for group, docstrings in enumerate(by_anchor):
        for docstring in docstrings:
            # The shortest paths are the public ones.
            names = sorted(docstring.names, key=lambda name: (name.count("."), name))
            skipped["names beyond five of one body"] += len(names[MAX_NAMES:])
            carried |= dict.fromkeys(names[:MAX_NAMES], (group, docstring))
    anchor_rows: dict[int, int] = {}  # by group
    body_rows: dict[str, int] = {}
    anchors: list[str] = []
    body_anchor: list[int] = []
    item_body: list[int] = []
    for _, (group, docstring) in sorted(carried.items()):
        if group not in anchor_rows:
            anchor_rows[group] = len(anchors)
            anchors.append(docstring.anchor)
        if docstring.body not in body_rows:
            body_rows[docstring.body] = len(body_rows)
            body_anchor.append(anchor_rows[group])
        item_body.append(body_rows[docstring.body])
    return DocstringCorpus(
        anchors=anchors,
        bodies=list(body_rows),
        names=sorted(carried),
        item_body=np.array(item_body, dtype=np.int64),
        body_anchor=np.array(body_anchor, dtype=np.int64),
        versions=versions,
        skipped={reason: count for reason, count in sorted(skipped.items()) if count},
    )


def _normalise(text: str) -> str:
    return " ".join(text.split()).casefold()
