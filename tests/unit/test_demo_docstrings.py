"""The demo's text: what is read from which module, what is left out, and which item answers which anchor."""

import ast
import itertools
import json
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.demo import _collect, docstrings
from foils.demo.docstrings import build_corpus, extract_docstrings, split_docstring
from foils.errors import DataError

BODY = "The rest says at length what happens to the arguments, what is returned, and what is raised."


def build(carriers, max_anchors=None):
    return build_corpus(carriers, versions={"python": "x"}, skipped={}, max_anchors=max_anchors)


def truth(corpus):
    """Give the corpus as {(name, anchor, body)}, normalised."""
    anchors = [corpus.anchors[row] for row in corpus.body_anchor[corpus.item_body]]
    bodies = [corpus.bodies[row] for row in corpus.item_body]
    return {
        (name, plain(anchor), plain(body)) for name, anchor, body in zip(corpus.names, anchors, bodies, strict=True)
    }


def plain(text):
    return " ".join(text.split()).casefold()


def same(one, other):
    return truth(one) == truth(other) and one.anchors == other.anchors and one.names == other.names


# How a docstring is split


@pytest.mark.parametrize(
    ("doc", "anchor", "body"),
    [
        ("Join paths.\n\nThe rest.", "Join paths.", "The rest."),
        ("Join\n    two paths.\n\n    The\n      rest.\n    ", "Join two paths.", "The\n  rest."),
        ("f($self, x, /)\n--\n\nFrom C.\n\nRest.", "From C.", "Rest."),
        ("add(x1, x2, /, out=None, *, where=True[, signature])\n\nAdd.\n\nRest.", "Add.", "Rest."),
        (
            "f(a, b=(1, (2, 3)),\n  c=None)\nf(a) -> list\nf() --> (x, y)\n\nSum up.\n\nRest.",
            "Sum up.",
            "Rest.",
        ),
        ("Table.cast(self, Schema s)\nCast it.\n\nRest.", "Cast it.", "Rest."),
        ("f(x) is the sum of all.\n\nRest.", "f(x) is the sum of all.", "Rest."),
        ("f(never closed\n\nSum) up.\n\nRest.", "f(never closed", "Sum) up.\n\nRest."),
        ("Point(x, y)", "", ""),
        ("Heading\n=======\n\nRest.", "", "Rest."),
        ("Parameters\n----------\nx : int\n\nRest.", "", "Rest."),
        (":param x: one\n\nRest.", "", "Rest."),
        (".. deprecated:: 1.0\n\nRest.", "", "Rest."),
        (">>> 1 + 1\n2\n\nRest.", "", "Rest."),
        ("Args:\n    x: one\n\nRest.", "", "Rest."),
        ("Draw.\n\n>>> draw()\narray([3, 1])  # may vary\n>>> end()", "Draw.", ">>> draw()\n>>> end()"),
        ("Lone \ud800surrogate.\n\nRest\udfff.", "Lone surrogate.", "Rest."),
        ("Ünï <script>\x1b[31m.\n\n=cmd() 漢字", "Ünï <script>\x1b[31m.", "=cmd() 漢字"),
        ("", "", ""),
        ("\n \n", "", ""),
    ],
)
def test_a_docstring_is_split(doc, anchor, body):
    assert split_docstring(doc) == (anchor, body)


@pytest.mark.parametrize("text", ["f(" * 20_000, "f(" + "(a," * 20_000, "f(" + "a, " * 20_000, "f()" * 20_000])
def test_a_long_signature_takes_linear_time(text):
    start = time.perf_counter()
    split_docstring(text)
    assert time.perf_counter() - start < 1.0


# What answers what


def test_one_body_under_several_names_is_one_group():
    doc = f"Join all the paths.\n\n{BODY}"
    indented = f"Join all the   PATHS.\n\n    {BODY}"
    corpus = build({doc: ["posixpath.join", "ntpath.join"], indented: ["os.join"]})
    assert corpus.anchors == ["Join all the paths."]
    assert corpus.bodies == [BODY]
    assert corpus.names == ["ntpath.join", "os.join", "posixpath.join"]
    assert corpus.item_body.tolist() == [0, 0, 0]
    assert corpus.body_anchor.tolist() == [0]
    assert corpus.item_body.dtype == corpus.body_anchor.dtype == np.int64


def test_one_anchor_over_several_bodies_is_answered_by_each():
    carriers = {f"Set the title of it.\n\n{BODY} {name}": [name] for name in "abcdefg"}
    corpus = build(carriers)
    assert corpus.anchors == ["Set the title of it."]
    assert corpus.names == list("abcde")
    assert corpus.body_anchor.tolist() == [0] * 5
    assert corpus.skipped == {"bodies beyond five of one anchor": 2}


def test_a_body_of_several_anchors_is_left_out():
    kept = f"Return the sum of all.\n\n{BODY} Indeed."
    corpus = build({f"Return the year.\n\n{BODY}": ["year"], f"Return the day.\n\n{BODY}": ["day"], kept: ["sum"]})
    assert corpus.names == ["sum"]
    assert corpus.skipped == {"docstrings whose body has several first paragraphs": 2}


def test_names_are_capped_and_the_shortest_paths_stay():
    names = [f"a.b.c{number}" for number in range(7)] + ["z.z", "y"]
    corpus = build({f"Join all the paths.\n\n{BODY}": names})
    assert corpus.names == ["a.b.c0", "a.b.c1", "a.b.c2", "y", "z.z"]
    assert corpus.skipped == {"names beyond five of one body": 4}


def test_a_name_of_two_docstrings_is_one_item():
    carriers = {f"A module of paths.\n\n{BODY}": ["glob.glob"], f"Find all files.\n\n{BODY}!": ["glob.glob"]}
    corpus = build(carriers)
    assert corpus.names == ["glob.glob"]


def test_what_is_too_short_is_left_out_and_counted():
    corpus = build(
        {
            f"Join all the paths.\n\n{BODY}": ["kept"],
            f"Draw pane.\n\n{BODY}": ["one"],
            "Join all the paths.": ["two"],
            "Join all the paths.\n\nReturns\n-------\nint": ["three"],
            f"Heading\n-------\n\n{BODY}": ["four"],
        }
    )
    assert corpus.names == ["kept"]
    assert corpus.skipped == {
        "docstrings that do not begin with prose": 1,
        "docstrings with a short first paragraph": 1,
        "docstrings with a short or no body": 2,
    }


def test_no_documentation_is_an_error_that_says_so():
    with pytest.raises(DataError, match=r"gave 1 docstrings.*expected thousands"):
        build({"Short.": ["a"]})


ANCHORS = [f"Return the {thing} of it." for thing in ("sum", "mean", "product")]
BODIES = [f"{BODY} Number {number}." for number in range(7)]


@st.composite
def carriers_of_names(draw):
    pairs = draw(st.lists(st.tuples(st.sampled_from(ANCHORS), st.sampled_from(BODIES), st.booleans()), min_size=1))
    carriers = {}
    number = itertools.count()
    for anchor, body, loud in pairs:
        doc = f"{anchor.upper() if loud else anchor}\n\n{body}"
        for _ in range(draw(st.integers(1, 4))):
            carriers.setdefault(doc, []).append("a." * draw(st.integers(0, 2)) + f"n{next(number)}")
    return carriers


def reference(carriers):
    """Apply the rules of the module's docstring word by word."""
    pairs = {}
    for doc, names in carriers.items():
        anchor, body = doc.split("\n\n")
        pairs.setdefault((plain(anchor), plain(body)), []).extend(names)
    lone = [pair for pair in pairs if sum(body == pair[1] for _, body in pairs) == 1]
    triples = set()
    for anchor in {anchor for anchor, _ in lone}:
        bodies = sorted((body for one, body in lone if one == anchor), key=lambda b: min(pairs[anchor, b]))
        for body in bodies[:5]:
            names = sorted(pairs[anchor, body], key=lambda name: (name.count("."), name))
            triples |= {(name, anchor, body) for name in names[:5]}
    return triples


@given(carriers_of_names(), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_truth_follows_the_rules_in_any_order(carriers, rng):
    expected = reference(carriers)
    if not expected:
        with pytest.raises(DataError):
            build(carriers)
        return
    corpus = build(carriers)
    assert truth(corpus) == expected
    assert corpus.names == sorted(corpus.names)
    assert len({plain(anchor) for anchor in corpus.anchors}) == len(corpus.anchors)
    assert len({plain(body) for body in corpus.bodies}) == len(corpus.bodies)
    assert list(dict.fromkeys(corpus.item_body.tolist())) == list(range(len(corpus.bodies)))
    assert list(dict.fromkeys(corpus.body_anchor.tolist())) == list(range(len(corpus.anchors)))
    shuffled = [(doc, rng.sample(names, len(names))) for doc, names in carriers.items()]
    rng.shuffle(shuffled)
    assert same(corpus, build(dict(shuffled)))


def test_a_subsample_keeps_whole_groups_and_grows():
    carriers = {
        f"Return number {word} of it.\n\n{BODY} {word} {version}": [f"{word}{version}", f"x.{word}{version}"]
        for word in map(str, range(100))
        for version in ("a", "b")
    }
    whole = truth(build(carriers))
    small, large = (build(carriers, max_anchors) for max_anchors in (10, 30))
    assert len(small.anchors) == 10
    assert truth(small) == {triple for triple in whole if triple[1] in set(map(plain, small.anchors))}
    assert truth(small) < truth(large) < whole
    assert len(truth(small)) == 40
    assert same(build(carriers, 1000), build(carriers))
    assert small.anchors != build(carriers).anchors[:10]


# What is read from a module


class Documented(dict):
    """A dictionary of ours."""

    def get(self, key):
        """Get ours."""

    def ours(self):
        """Do what we do."""

    @property
    def size(self):
        """How large it is."""

    @staticmethod
    def make():
        """Make one."""

    number = 7
    _hidden = property(doc="Hidden")


class Inheriting(Documented):
    def ours(self):
        pass

    def pop(self):
        pass


def module_of(**contents):
    module = types.ModuleType("sample.part")
    vars(module).update(contents)
    return module


def test_a_module_gives_its_public_docstrings():
    def function():
        """Call me."""

    function.__module__ = Documented.__module__ = Inheriting.__module__ = "_sample"
    module = module_of(
        __doc__="About the module.",
        function=function,
        _private=function,
        Documented=Documented,
        Inheriting=Inheriting,
        foreign=json.dumps,
        constant=3,
        json=json,
    )
    members = {"get": "Get ours.", "ours": "Do what we do.", "size": "How large it is.", "make": "Make one."}
    assert dict(_collect.module_docstrings(module)) == {
        "sample.part": "About the module.",
        "sample.part.function": "Call me.",
        "sample.part.Documented": "A dictionary of ours.",
        **{f"sample.part.Documented.{name}": doc for name, doc in members.items()},
        **{f"sample.part.Inheriting.{name}": doc for name, doc in members.items()},
    }


def test_all_names_what_is_public():
    module = module_of(__all__=["dumps", "_private", "absent", 3], dumps=json.dumps, loads=json.loads)
    assert [name for name, _ in _collect.module_docstrings(module)] == ["sample.part.dumps"]


def test_what_comes_from_builtins_is_theirs():
    class MistakeError(ValueError):
        __doc__ = ValueError.__doc__

    assert "with_traceback" not in _collect.class_docstrings(MistakeError)
    assert dict(_collect.module_docstrings(module_of(__all__=["Mistake"], Mistake=MistakeError))) == {}
    assert "update" in _collect.class_docstrings(dict)


def test_a_hostile_attribute_is_passed_over():
    class Hostile:
        def __getattribute__(self, name):
            raise SystemExit(name)

    module = module_of(__all__=["hostile", "dumps"], hostile=Hostile(), dumps=json.dumps)
    assert [name for name, _ in _collect.module_docstrings(module)] == ["sample.part.dumps"]


def test_the_script_needs_the_standard_library_only():
    tree = ast.parse(Path(_collect.__file__).read_text(encoding="utf-8"))
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    imported += [node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


# The process that reads


@pytest.fixture(scope="module")
def paths():
    return extract_docstrings(modules=["posixpath", "ntpath", "json", "this"])


def test_twins_of_the_standard_library_are_found(paths):
    assert {name.split(".")[0] for name in paths.names} == {"json", "ntpath", "posixpath"}
    body = dict(zip(paths.names, paths.item_body, strict=True))
    assert body["posixpath.splitext"] != body["posixpath.samefile"]
    assert body["ntpath.splitext"] == body["posixpath.splitext"]
    assert paths.versions["python"].endswith(sys.version.split()[0])


def test_the_same_modules_give_the_same_corpus(paths, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    again = extract_docstrings(modules=["json", "ntpath", "posixpath"])
    assert same(paths, again)
    assert paths.bodies == again.bodies


def test_packages_are_found_by_their_distribution():
    roots, versions = _collect.select_roots(["PyYAML", "not-installed"], None)
    assert {"yaml", "json"} <= set(roots)
    assert "numpy" not in roots
    assert versions["pyyaml"]
    assert "not-installed" not in versions


GOOD = f'"""A module that is documented.\n\n{BODY}\n"""\n'


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Make a package of modules, given by their source, that the reading process can import."""

    def make(**sources):
        root = tmp_path / "site" / "sample"
        for name, source in {"__init__": GOOD, **sources}.items():
            path = root.joinpath(*name.split("__DOT__")).with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
        return extract_docstrings(modules=["sample"])

    return make


@pytest.mark.parametrize(
    "harm",
    [
        "raise SystemExit(0)",
        "raise RuntimeError",
        "import tkinter",
        "import torch",
        "import antigravity",
        "import socket; socket.create_connection(('127.0.0.1', 9), timeout=5)",
        "input()[0]",
        "def f(:",
    ],
)
def test_a_module_that_fails_is_passed_over(package, harm):
    corpus = package(harmful=f"{harm}\n", last=f'"""The last file of all.\n\n{BODY * 2}"""')
    assert corpus.names == ["sample", "sample.last"]
    assert corpus.skipped["modules not importable"] == 1


def test_what_a_module_prints_does_not_reach_the_answer(package):
    noise = "import os, sys\nprint('{\"versions\"}')\nos.write(1, b'{')\nsys.stdout.flush()\n"
    noise += "import warnings, atexit\nwarnings.warn('loud')\natexit.register(print, '}')\n"
    corpus = package(noisy=noise)
    assert corpus.names == ["sample"]
    assert corpus.skipped == {}


def test_private_denied_and_main_modules_are_not_imported(package, tmp_path):
    mark = f"open({str(tmp_path / 'mark')!r}, 'w').close()\n"
    package(tests__DOT____init__=mark, conftest=mark, _private=mark, __main__=mark, public__DOT__test=mark)
    assert not (tmp_path / "mark").exists()


def test_files_written_where_an_import_stands_are_thrown_away(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    package(writing="open('left-behind', 'w').close()\n")
    assert not list(tmp_path.rglob("left-behind"))


@pytest.mark.parametrize("harm", ["import os; os._exit(0)", "import os; os._exit(9)"])
def test_a_module_that_ends_the_process_is_left_out(package, harm):
    corpus = package(harmful=harm)
    assert corpus.names == ["sample"]
    assert corpus.skipped == {"modules that crashed": 1}


def test_a_module_that_hangs_is_left_out(package, monkeypatch):
    monkeypatch.setattr(docstrings, "SECONDS_PER_ROOT", 0.5)
    corpus = package(hanging="while True: pass")
    assert corpus.skipped == {"modules that crashed": 1}


def test_too_many_crashes_are_an_error_that_names_them(package):
    with pytest.raises(DataError, match=r"code 9 at module sample\.d \(earlier at \['sample\.a', 'sample\.b'"):
        package(**dict.fromkeys("abcd", "import os; os._exit(9)"))


def test_a_reading_that_takes_too_long_is_an_error(package, monkeypatch):
    monkeypatch.setattr(docstrings, "SECONDS_IN_ALL", 0.5)
    with pytest.raises(DataError, match=r"more than 0\.5 s"):
        package(hanging="import time; time.sleep(60)")
