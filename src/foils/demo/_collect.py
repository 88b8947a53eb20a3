"""Read the docstrings of installed modules. Run as a script, in a process of its own; standard library only.

    python -P _collect.py '{"packages": ["numpy"], "modules": null, "denied": [], "seconds_per_root": 60}'

Importing a module runs its code, so this process is the place where that may print, warn, exit, hang or
crash. The answer goes to the original standard output as JSON lines; imports find standard error there.

    {"module": name}                        before each import, so that the caller knows who crashed
    {"doc": text, "names": [name, ...]}     after all imports: each distinct docstring and who carries it
    {"versions": {...}, "failed": [...]}    at last, so that a torn answer is told from a whole one

Public names only: those of ``__all__`` or, without one, those without a leading underscore that the module's
top-level package defines. A method without a docstring carries that of the method it overrides (as in
``inspect.getdoc``); a class without one carries none, because its base class is something else.
"""

from __future__ import annotations

import faulthandler
import importlib
import importlib.metadata
import json
import os
import pkgutil
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any, TextIO

# Top-level modules that nobody in this process can import: they open windows, or take seconds each, and what
# other packages document should not depend on whether such a framework is installed.
BLOCKED = frozenset(
    {
        *("antigravity", "this"),  # opens a browser, prints a poem
        *("tkinter", "turtle", "turtledemo", "idlelib"),  # need a display
        *("distutils", "lib2to3"),  # replaced by setuptools on import; writes grammar caches
        *("torch", "tensorflow", "jax", "flax", "paddle", "mlx", "numba"),
    }
)
# A module is passed over, with all below it, where its dotted name or any part of it is listed here.
DENIED = BLOCKED | {
    *("test", "tests", "idle_test", "conftest"),  # not documentation, and some run on import
    "matplotlib.backends",  # load GUI toolkits
    "matplotlib.testing",  # runs ImageMagick, Ghostscript and Inkscape
    "huggingface_hub.cli",  # asks the network for its newest version
    "PIL.report",  # prints a report
}
# What reading documentation does not need. It gets a PermissionError, which users of a network are ready for.
FORBIDDEN_EVENTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "webbrowser.open"})


def main(request: dict[str, Any], output: TextIO) -> None:
    """Answer one request on ``output``."""

    def send(record: dict[str, Any]) -> None:
        output.write(json.dumps(record) + "\n")

    def announce(name: str) -> None:
        send({"module": name})
        output.flush()

    sys.meta_path.insert(0, _Blocker())
    sys.addaudithook(_forbid)
    roots, versions = select_roots(request["packages"], request["modules"])
    denied = DENIED.union(request["denied"])
    failed: list[str] = []
    carriers: dict[str, list[str]] = {}
    for root in roots:
        # A timer in C: it ends the process even where an import holds the interpreter lock.
        faulthandler.dump_traceback_later(request["seconds_per_root"], exit=True)
        for module in import_modules([root], denied, announce, failed):
            for name, doc in module_docstrings(module):
                carriers.setdefault(doc, []).append(name)
    faulthandler.cancel_dump_traceback_later()
    for doc, names in carriers.items():
        send({"doc": doc, "names": names})
    send({"versions": versions, "failed": failed})
    output.flush()


def select_roots(packages: Iterable[str], modules: Iterable[str] | None) -> tuple[list[str], dict[str, str]]:
    """Name the modules to begin with, sorted, and the versions of what they belong to."""
    versions = {"python": f"{platform.python_implementation()} {platform.python_version()}"}
    if modules is not None:
        return sorted(set(modules)), versions
    roots = set(sys.stdlib_module_names)
    wanted = {_distribution_key(name) for name in packages}
    for top_level, distributions in importlib.metadata.packages_distributions().items():
        for distribution in distributions:
            key = _distribution_key(distribution)
            if key in wanted:
                roots.add(top_level)
                versions[key] = importlib.metadata.version(distribution)
    return sorted(roots), dict(sorted(versions.items()))


def import_modules(
    names: Iterable[str], denied: frozenset[str], announce: Callable[[str], None], failed: list[str]
) -> Iterator[ModuleType]:
    """Import the public modules ``names`` and those below, in order; add to ``failed`` those that fail."""
    for name in names:
        parts = name.split(".")
        if name in denied or any(part.startswith("_") or part in denied for part in parts):
            continue
        announce(name)
        try:
            module = importlib.import_module(name)
            path = list(getattr(module, "__path__", []))
        except KeyboardInterrupt:
            raise
        except BaseException:  # SystemExit too: a module's failure is its own affair
            failed.append(name)
            continue
        yield module
        below = sorted(f"{name}.{found.name}" for found in pkgutil.iter_modules(path))
        yield from import_modules(below, denied, announce, failed)


def module_docstrings(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Give (qualified name, docstring) of a module and of all that is public in it."""
    prefix = module.__name__
    doc = own_docstring(module)
    if doc:
        yield prefix, doc
    for name in public_names(module):
        value = _attribute(module, name)
        doc = own_docstring(value)
        if issubclass(type(value), type):
            if doc and doc not in {own_docstring(base) for base in _builtin_bases(value)}:
                yield f"{prefix}.{name}", doc
            for member, member_doc in class_docstrings(value).items():
                yield f"{prefix}.{name}.{member}", member_doc
        elif doc and callable(value):
            yield f"{prefix}.{name}", doc


def public_names(module: ModuleType) -> list[str]:
    """Name what a module offers: its ``__all__``, or what its own package defines in it."""
    listed = _attribute(module, "__all__")
    if isinstance(listed, (list, tuple)):
        return sorted({name for name in listed if isinstance(name, str) and not name.startswith("_")})
    home = _home(module.__name__)
    return sorted(
        name
        for name, value in list(vars(module).items())
        if not name.startswith("_") and _home(_attribute(value, "__module__")) == home
    )


def class_docstrings(cls: type) -> dict[str, str]:
    """Give the docstrings of a class's public members, except those that builtin types gave to it."""
    found: dict[str, str] = {}
    builtin_bases = _builtin_bases(cls)
    for owner in cls.__mro__:
        if owner in builtin_bases:
            continue
        for name, value in vars(owner).items():
            if name.startswith("_") or name in found:
                continue
            doc = own_docstring(value)
            if doc and all(doc != own_docstring(vars(base).get(name)) for base in builtin_bases):
                found[name] = doc
    return dict(sorted(found.items()))


def own_docstring(value: object) -> str | None:
    """Give an object's own docstring as it stands; None where it has none but its type's."""
    kind = type(value)  # isinstance() would also ask value.__class__, which may be code
    if issubclass(kind, (staticmethod, classmethod)):
        return own_docstring(_attribute(value, "__func__"))
    doc = _attribute(value, "__doc__")
    if not isinstance(doc, str) or doc == _attribute(kind, "__doc__"):
        return None
    return doc


def _builtin_bases(cls: type) -> list[type]:
    return [base for base in cls.__mro__[1:] if base.__module__ == "builtins"]


def _attribute(value: object, name: str) -> Any:
    """Get an attribute; None where its code fails, for modules and proxies may run anything to make it."""
    try:
        return getattr(value, name, None)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def _home(module: object) -> str | None:
    """Name a module's top-level package; an accelerator such as ``_curses`` belongs to ``curses``."""
    return module.split(".")[0].lstrip("_") if isinstance(module, str) else None


def _distribution_key(name: str) -> str:
    """Write a distribution's name in its normal form: lower case, one hyphen between words."""
    return re.sub(r"[-_.]+", "-", name).lower()


class _Blocker:
    """A finder that stands before the others and says that a blocked module is not there.

    None in ``sys.modules`` would not do: some packages take any entry there for an imported module.
    """

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is not imported while documentation is read", name=name)


def _forbid(event: str, _arguments: tuple[object, ...]) -> None:
    if event in FORBIDDEN_EVENTS:
        raise PermissionError(f"{event} is not allowed while documentation is read")


if __name__ == "__main__":
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    main(json.loads(sys.argv[1]), answer)
