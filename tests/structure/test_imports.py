"""Imports go down only, wherever they are written; PyTorch is imported in few places, inside functions."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"

# A module may import from the lines above its own, and from its own package; not from its neighbours.
# "foils" is the package's own __init__, which gathers the public surface.
LEVELS = (
    {"errors"},
    {"_compiled", "_fetch_numba"},
    {"_folds_numba", "_folds_numpy", "_squares_numba", "_squares_numpy"},
    {"_array", "_cache", "_durable", "_extras", "_lengths", "_processor", "_segments", "_stored", "_threads", "ranks"},
    {"normalisers", "positives"},
    {"records", "triples"},
    {"candidates", "drawing", "found"},
    {"collection"},
    {"constraints"},
    {"encoders", "formats", "reporting", "search"},
    {"clustering"},
    {"calibrators", "rules", "samplers", "scorers", "sources", "weights"},
    {"recipes"},
    {"estimating", "evaluating"},
    {"mining", "streaming", "training"},
    {"labelling", "planning"},
    {"advising", "auditing", "calibrating", "reviewing", "torch"},
    {"foils"},
    {"compat", "demo", "integrations"},
    {"cli"},
    {"__main__"},
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}

# Inside functions.
TORCH_PLACES = (
    "foils._array",
    "foils._processor",
    "foils._threads",
    "foils.clustering",
    "foils.encoders",
    "foils.search",
)
TORCH_HOMES = ("foils.integrations", "foils.torch")  # anywhere


@dataclass(frozen=True)
class Import:
    """Module `importer` imports `target` at a line, within classes and functions named in `scope`."""

    importer: str
    target: str
    line: int
    scope: tuple[str, ...]
    in_function: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


def imports(module: str, source: str, *, is_package: bool = False) -> Iterator[Import]:
    """Yield each import of a module: at the top, inside functions, under TYPE_CHECKING, or by name."""

    def visit(node: ast.AST, scope: tuple[str, ...], in_function: bool) -> Iterator[Import]:
        for target in targets(node, module, is_package):
            yield Import(module, target, node.lineno, scope, in_function)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if isinstance(node, ast.ClassDef) or is_function:
            scope = (*scope, getattr(node, "name", "lambda"))
        for child in ast.iter_child_nodes(node):
            yield from visit(child, scope, in_function or is_function)

    yield from visit(ast.parse(source), (), False)


def targets(node: ast.AST, module: str, is_package: bool) -> list[str]:
    """Return the full names of what one node imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parents = module.split(".") if is_package else module.split(".")[:-1]
            base = ".".join([*parents[: len(parents) - node.level + 1], *([base] if base else [])])
        return [f"{base}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Call) and "import" in ast.unparse(node.func).rpartition(".")[2].split("_"):
        return [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return []


def part_of(name: str) -> str:
    """Return the file or folder of foils that a full name belongs to; "foils" for what __init__ offers."""
    _, _, rest = name.partition(".")
    first = rest.partition(".")[0]
    return first if first in LEVEL else "foils"


def goes_up(found: Import) -> bool:
    """Return whether an import of foils breaks the order."""
    if found.target.partition(".")[0] != "foils" or is_reader_of_collection(found):
        return False
    importer, target = part_of(found.importer), part_of(found.target)
    return importer != target and LEVEL[importer] <= LEVEL[target]


def is_reader_of_collection(found: Import) -> bool:
    """Return whether this is the one exception: Collection.from_* imports its reader inside the method."""
    return (
        found.importer == "foils.collection"
        and found.target.startswith("foils.formats.")
        and len(found.scope) == 2
        and found.scope[0] == "Collection"
        and found.scope[1].startswith("from_")
    )


def takes_torch(found: Import) -> bool:
    """Return whether an import takes PyTorch where that is not allowed."""
    if found.target.partition(".")[0] != "torch":
        return False

    def stands_in(places: tuple[str, ...]) -> bool:
        return any(found.importer == place or found.importer.startswith(f"{place}.") for place in places)

    return not (stands_in(TORCH_HOMES) or (stands_in(TORCH_PLACES) and found.in_function))


@functools.cache
def all_imports() -> list[Import]:
    found: list[Import] = []
    for path in sorted(SOURCE.glob("foils/**/*.py")):
        is_package = path.name == "__init__.py"
        name = ".".join((path.parent if is_package else path.with_suffix("")).relative_to(SOURCE).parts)
        found += imports(name, path.read_text(encoding="utf-8"), is_package=is_package)
    return found


def test_every_file_and_folder_has_its_level():
    children = (SOURCE / "foils").iterdir()
    names = {path.stem for path in children if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert names - {"__init__"} <= set(LEVEL)


def test_imports_go_down_only():
    found = all_imports()
    assert len(found) > 20
    assert [str(one) for one in found if goes_up(one)] == []


def test_torch_is_imported_inside_functions_of_few_modules():
    assert [str(one) for one in all_imports() if takes_torch(one)] == []


def test_importing_foils_imports_no_package_of_an_extra():
    code = "import sys, foils.cli; print(*{'datasets', 'matplotlib', 'pandas', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("foils.errors", "from foils import _array"),
        ("foils.positives", "from foils.collection import Collection"),
        ("foils.positives", "def f():\n    import foils.collection"),
        ("foils.rules.margins", "from foils.samplers.top_k import TopK"),
        ("foils.rules.margins", "from ..samplers import TopK"),
        ("foils.rules.margins", "import foils"),
        ("foils.rules.margins", "from foils import Collection"),
        ("foils.rules.margins", "import importlib\nimportlib.import_module('foils.recipes')"),
        ("foils.search.exact", "if TYPE_CHECKING:\n    from foils.sources import Dense"),
        ("foils.mining.run", "from foils.training import train"),
        ("foils.collection", "from foils.formats.beir import read_beir"),
        (
            "foils.collection",
            "class Collection:\n    def load(self):\n        from foils.formats.beir import read",
        ),
        (
            "foils.collection",
            "class Other:\n    def from_a(self):\n        from foils.formats.beir import read",
        ),
        (
            "foils.collection",
            "class Collection:\n    def from_a(self):\n        from foils.search.exact import x",
        ),
    ],
)
def test_an_import_upwards_is_found(importer, source):
    assert any(goes_up(found) for found in imports(importer, source))


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("foils._array", "from foils.errors import InputError"),
        ("foils.rules.margins", "from . import kinds\nfrom .kinds import Kind\nfrom foils import _array"),
        ("foils.recipes.loader", "from foils import rules\nfrom foils.samplers import REGISTRY"),
        ("foils.demo", "import foils\nfrom foils import Collection"),
        (
            "foils.collection",
            "class Collection:\n    def from_a(self):\n        from foils.formats.beir import read",
        ),
    ],
)
def test_an_import_downwards_is_allowed(importer, source):
    assert not any(goes_up(found) for found in imports(importer, source))


@pytest.mark.parametrize(
    ("importer", "source", "expected"),
    [
        ("foils._array", "def f():\n    import torch", False),
        ("foils.encoders.minilm", "def f():\n    from torch import nn", False),
        ("foils.torch.info_nce", "import torch", False),
        ("foils._array", "import torch", True),
        ("foils.encoders.minilm", "class A:\n    import torch.nn", True),
        ("foils.rules.margins", "def f():\n    import torch", True),
    ],
)
def test_torch_out_of_place_is_found(importer, source, expected):
    assert any(takes_torch(found) for found in imports(importer, source)) is expected
