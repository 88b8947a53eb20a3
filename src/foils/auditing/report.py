"""The report: all figures as plain data. report.json holds exactly this; page and terminal show nothing else."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from foils.auditing.comparison import Comparison
from foils.auditing.coverage import Coverage
from foils.auditing.duplicates import Duplicates
from foils.auditing.examples import Kind
from foils.auditing.gradients import Gradients
from foils.auditing.groups import Group, Ranks
from foils.auditing.hardness import Hardness
from foils.auditing.hidden import Hidden
from foils.auditing.leakage import Leak
from foils.auditing.measured import Measured
from foils.auditing.near import NearDuplicates
from foils.auditing.shortfall import Shortfall
from foils.mining.sanity import Separation

REPORT, FORMAT = "foils audit", 1

Level = Literal["fault", "look", "fine"]


class Finding(msgspec.Struct, frozen=True):
    """A sentence on what was found."""

    level: Level
    """``fault``: something is wrong; ``look``: worth a look; ``fine``: checked, and nothing was found."""
    text: str


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """What of a file is not in the collection."""

    anchors: int
    """Rows whose anchor is not; they are left out, with their negatives."""
    negatives: int
    positives: int
    examples: list[str]


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What was audited."""

    name: str
    form: str
    """``foils`` for a result folder, else the form of the file."""
    recipe: str | None
    split: str
    units: int
    anchors: int
    items: int
    negatives: int
    asked: int
    unmatched: Unknown | None


class Effort(msgspec.Struct, frozen=True):
    """What the audit took."""

    wall_seconds: float
    peak_anonymous_bytes: int | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that an audit found. What could not be measured is None, and ``notes`` says why."""

    report: str = REPORT
    format: int = FORMAT
    about: About
    headline: str
    findings: list[Finding]
    separation: dict[str, Separation]
    """By the name of vectors: how often a known positive scores above a random item."""
    hardness: Hardness | None
    ranks: Ranks | None
    coverage: Coverage
    duplicates: Duplicates
    near_duplicates: NearDuplicates | None
    shortfall: Shortfall
    sources: list[Group]
    verdicts: dict[str, int] | None
    """``kept`` or reason for rejection → candidates."""
    leakage: list[Leak] | None
    hidden: Hidden | None
    measured: Measured | None = None
    """From labels beside the result; None where there are none."""
    gradients: list[Gradients] = []
    """Where the negative gradient of losses falls; by each kind of evidence of false negatives that there is."""
    comparison: Comparison | None
    examples: list[Kind]
    notes: list[str]
    made_at: str
    """Time in UTC, ISO 8601."""
    versions: dict[str, str]
    effort: Effort

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data; a number that is unknown is None."""
        data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self, enc_hook=float))  # NaN becomes null
        return data
