"""What identifies a run, and how it is carried out: only the first decides the result."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any, Literal, get_args

import msgspec

from foils.errors import InputError
from foils.scorers import REGISTRY
from foils.search import SearchMode

FORMAT = 1
"""Version of the result folder; see docs/format.md."""

SHARD_UNITS = 1024
"""Units of a shard, and of a row group: part of the format, so that tables do not depend on the machine."""

MAX_STORED_CANDIDATES = 1_000_000_000
"""Above this many, candidates.parquet is not written."""

GIVEN = "collection.given"
"""Among the inputs: the digest of the collection without the found positives that were laid over it, if there were."""

LEAST_MEMORY = 16_000_000

SCORER_FIELD = re.compile(r"recipe\.scorers\[\d+\]\.(\w+)\.(\w+)")
"""The path of a scorer's field in an identity: the name it is registered under, and the field."""


class Execution(msgspec.Struct, frozen=True):
    """How a run is carried out; a resumed run may choose anew.

    Raises:
        InputError: a budget below 16 MB, no thread, an empty block, or no such search.
    """

    memory_bytes: int = 2_000_000_000
    """Bytes that blocks of vectors, scores and candidates may take, over all threads; docs/format.md tells the rest."""
    threads: int = 2
    """Worker threads; each runs its own single-threaded product."""
    block: int | None = None
    """Anchors and items of a block, instead of what the budget gives."""
    search: SearchMode = "auto"
    """How an exact search scores all items: ``exact`` (float32), ``screened`` (bfloat16 or int8 first) or ``auto``."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.memory_bytes < LEAST_MEMORY:
            raise InputError(f"a memory budget of {self.memory_bytes} bytes is too small; give at least 16MB")
        if self.threads < 1 or (self.block is not None and self.block < 1):
            given = f"threads is {self.threads}" if self.threads < 1 else f"block is {self.block}"
            raise InputError(f"{given}; expected at least 1")
        if self.search not in get_args(SearchMode):
            raise InputError(f"search is {self.search!r}; expected auto, exact or screened")


def execution_of(given: Execution | None) -> Execution:
    """Take how a run is carried out; None = as it is by default.

    Raises:
        InputError: it is something else.
    """
    if given is None:
        return Execution()
    if not isinstance(given, Execution):
        raise InputError(f"execution is {given!r:.80}; expected a foils.Execution, as in foils.Execution(threads=2)")
    return given


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """All that the tables follow from; runs that are no ``other_run`` give equal bytes.

    Its recipe also says where a service was asked last and by which budget, so that a result can be searched deeper.
    What a budget left without a score is scored when the run is begun again with another.
    """

    format: int = FORMAT
    recipe: dict[str, Any]
    """The resolved recipe, defaults filled in."""
    negatives: int
    split: str
    seed: int
    scores: str
    """The column that the sampler ordered by; what ``scores`` in negatives.parquet holds."""
    units: int
    shard_units: int
    candidates_stored: bool
    inputs: dict[str, str]
    """Digests of the collection and of the vectors."""
    constraints: dict[str, str] = {}
    """Name of each constraint → digest of the values or pairs that it rests on."""
    versions: dict[str, str]
    derived: str | None = None
    """``rethreshold`` where stored candidates were judged again without searching deeper."""

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return data


def versions() -> dict[str, str]:
    """Versions that the bytes of a table may depend on."""
    return {package: version(package) for package in ("foils", "numpy", "pyarrow")}


def other_run(there: Any, here: Any) -> list[str]:
    """Say in which entries two identities differ that decide the result, one line each; see ``differences``."""
    return [line for line in differences(there, here) if not _is_among("execution", line.partition(": ")[0])]


def other_budget(there: Any, here: Any) -> bool:
    """Tell whether two identities differ in what a scorer may spend: what it left without a score follows from that."""
    return any(_is_among("budget", line.partition(": ")[0]) for line in differences(there, here))


def _is_among(fields: Literal["execution", "budget"], path: str) -> bool:
    """Tell whether an entry is a scorer's field that its scorer lists there; from none of these a score follows."""
    field = SCORER_FIELD.fullmatch(path)
    return field is not None and field[2] in getattr(REGISTRY.get(field[1]), fields, ())


def differences(there: Any, here: Any, path: str = "") -> list[str]:
    """Say in which entries two identities differ, one line each."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [*there, *(key for key in here if key not in there)]
        steps = [(f"{path}.{key}" if path else key, there.get(key), here.get(key)) for key in keys]
        return [line for name, old, new in steps for line in differences(old, new, name)]
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        pairs = enumerate(zip(there, here, strict=True))
        return [line for place, (old, new) in pairs for line in differences(old, new, f"{path}[{place}]")]
    return [] if there == here else [f"{path}: {there!r} there, {here!r} now"]
