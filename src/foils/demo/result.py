"""What a demo found: plain data, as report.json holds it; table, page and plots show nothing else."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from foils.demo.settings import DemoSettings
from foils.reporting.text import rate, signed

FORMAT = 1

Verdict = Literal["reference", "better", "worse", "no difference shown"]


class Estimate(msgspec.Struct, frozen=True):
    """A number with its interval of 95 %."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        """Show it as a rate: ``15.2 [14.1, 16.3]``."""
        return f"{rate(self.estimate)} {self.interval}"

    @property
    def interval(self) -> str:
        """Show the interval of a rate."""
        return f"[{rate(self.low)}, {rate(self.high)}]"

    def apart(self, other: Estimate) -> bool:
        """Tell whether the two intervals have nothing in common."""
        return self.high < other.low or other.high < self.low


class Difference(Estimate, frozen=True):
    """A difference of nDCG@10 with its interval and p-value."""

    p_value: float

    def __str__(self) -> str:
        """Show it with signs: ``+0.012 [−0.003, +0.027]``."""
        return f"{signed(self.estimate)} {self.interval}"

    @property
    def interval(self) -> str:
        """Show the interval with signs."""
        return f"[{signed(self.low)}, {signed(self.high)}]"

    @property
    def verdict(self) -> Verdict:
        """Say whether the interval leaves zero out, and on which side."""
        if self.low <= 0 <= self.high:
            return "no difference shown"
        return "better" if self.low > 0 else "worse"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table.

    The rates are false negatives per 1,000 negatives; None where nothing was mined.
    """

    name: str
    role: Literal["reference", "recipe", "mined only", "lexical"]
    hidden: Estimate | None = None
    """With one labelled positive per anchor, and nothing known of the others."""
    resolved: Estimate | None = None
    """With the labelled body's other names known as exact duplicates."""
    hardness: float | None = None
    """Mean of the negative's similarity minus the labelled positive's, by the warm-up encoder."""
    negatives: int = 0
    """Mined in all seeds, nothing known of duplicates."""
    ndcg: float
    difference: Difference | None = None
    """To training with in-batch negatives only; None in that row itself."""

    @property
    def verdict(self) -> Verdict:
        """Say whether nDCG@10 differs from the reference."""
        return "reference" if self.difference is None else self.difference.verdict


class Example(msgspec.Struct, frozen=True):
    """A hidden positive that a recipe passed as a negative."""

    anchor: str
    labelled: str
    """Name of the labelled positive."""
    negative: str
    """Name of what was passed as a negative."""
    kind: Literal["twin", "another answer"]
    body: str
    """The beginning of the negative's text."""
    rank: int
    score: float
    labelled_score: float


class Stage(msgspec.Struct, frozen=True):
    """How long one kind of work took."""

    name: str
    wall_seconds: float
    cpu_seconds: float


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How large the corpus is."""

    anchors: int
    bodies: int
    items: int
    train_anchors: int
    test_anchors: int
    train_items: int
    train_anchors_with_hidden_positives: int
    hidden_twins: int
    """Items of train anchors with the labelled body under another name."""
    hidden_other_answers: int
    """Items of train anchors with another body."""


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    """All that a demo found."""

    report: str = "foils demo"
    format: int = FORMAT
    rows: list[Row]
    conclusion: list[str]
    example_recipe: str
    """Whose negatives the examples are, of the first seed."""
    examples: list[Example]
    counts: Counts
    left_out: dict[str, int]
    settings: DemoSettings
    made_at: str
    """Time in UTC, ISO 8601."""
    versions: dict[str, str]
    stages: list[Stage]

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        for row, shown in zip(self.rows, data["rows"], strict=True):
            shown["verdict"] = row.verdict
        return data
