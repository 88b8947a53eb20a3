"""What a plan says, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A part of a run.

    Attributes:
        name: what is done.
        amount: how often.
        unit: what is counted.
        seconds: wall time with the run's threads.
    """

    name: str
    amount: int
    unit: str
    seconds: float


@dataclass(frozen=True)
class Encoding:
    """The texts that one model encodes.

    Attributes:
        model: name of the vectors.
        side: ``anchors`` or ``items``.
        texts: how many there are.
        missing: of these, how many are encoded: the others are in the cache, or equal to one that is.
        dim: dimensions of a vector.
        probed: texts that were encoded to measure.
        seconds: of the missing ones.
        kept: whether vectors are kept in the cache, and mapped from there; else they lie in memory.
    """

    model: str
    side: str
    texts: int
    missing: int
    dim: int
    probed: int
    seconds: float
    kept: bool


@dataclass(frozen=True)
class Judging:
    """The pairs that a model is asked about.

    Attributes:
        column: of the scorer.
        pairs: asked in all.
        known: of these, about how many are in the cache.
        seconds: of the others; 0 where a service is asked, whose time nobody can tell.
        calls: of a service, about; None = no service is asked.
        tokens: that the service reads and writes, about.
        at_most: whether fewer may be asked about: another judge chooses.
    """

    column: str
    pairs: int
    known: int
    seconds: float
    calls: int | None = None
    tokens: int | None = None
    at_most: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run will take.

    Attributes:
        stages: time, in the order of the run.
        encodings: texts by model and side; empty where vectors were given or are not read.
        judgings: pairs by judge; empty where the recipe has none.
        memory: what is held at most, in bytes.
        budget: bytes of ``--memory``; blocks of work keep to it, the rest comes on top.
        least_budget: the smallest budget that works.
        tables: bytes of each file of the result.
        scratch: what else lies on disk while it runs, in bytes; what is in the cache stays.
        units: what gets negatives, and how many of them the probe carried out.
        calibration: what was measured, in words.
        warnings: what may surprise.
    """

    stages: tuple[Stage, ...]
    encodings: tuple[Encoding, ...]
    judgings: tuple[Judging, ...]
    memory: Mapping[str, int]
    budget: int
    least_budget: int
    tables: Mapping[str, int]
    scratch: Mapping[str, int]
    units: int
    probed_units: int
    calibration: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Wall time of the whole run."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def memory_bytes(self) -> int:
        """Peak of what is held."""
        return sum(self.memory.values())

    @property
    def disk_bytes(self) -> int:
        """Peak on disk: the result, its shards until they are joined, and vectors."""
        return sum(self.tables.values()) + sum(self.scratch.values())

    def after(self, stages: Sequence[Stage]) -> Plan:
        """Add stages that come first, such as reading."""
        return replace(self, stages=(*stages, *self.stages))

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        totals = {"seconds": self.seconds, "memory_bytes": self.memory_bytes, "disk_bytes": self.disk_bytes}
        return asdict(replace(self, memory=dict(self.memory), tables=dict(self.tables))) | totals
