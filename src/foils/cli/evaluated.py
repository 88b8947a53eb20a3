"""What ``foils eval`` found, for a terminal and as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from foils.evaluating import Interval, PairedDifference
from foils.search import Similarity

LEVEL, INTERVAL = 0.95, "95 % interval"


@dataclass(frozen=True)
class Line:
    """What was found for one metric; the last two where there is a model to compare with."""

    model: Interval
    against: float | None = None
    difference: PairedDifference | None = None

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        if self.difference is None:
            return {"model": self.model}
        interval, p_value = self.difference.interval, self.difference.p_value
        difference = {"estimate": interval.estimate, "low": interval.low, "high": interval.high, "p_value": p_value}
        return {"model": self.model, "against": self.against, "difference": difference}

    def cells(self) -> list[str]:
        """Give it as cells of the table."""
        cells = [*f"{self.model:.4f}".split(" ", 1)]
        if self.difference is None or self.against is None:
            return cells
        p_value = self.difference.p_value
        return [*cells, f"{self.against:.4f}", str(self.difference.interval), f"{p_value:.2g}" if p_value < 1 else "1"]


@dataclass(frozen=True)
class Found:
    """What was measured, for a terminal and as data.

    Attributes:
        split: whose judgements.
        queries: how many of it are judged.
        items: in the corpus.
        exclude: splits whose positives the rankings leave out.
        similarity: how vectors were compared.
        model: what it was ranked by, in words.
        against: the other model, if any.
        lines: by metric.
    """

    split: str
    queries: int
    items: int
    exclude: tuple[str, ...]
    similarity: Similarity
    model: str
    against: str | None
    lines: dict[str, Line]

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        facts = {"split": self.split, "queries": self.queries, "items": self.items}
        facts |= {"excluded": list(self.exclude), "similarity": self.similarity}
        metrics = {name: line.data() for name, line in self.lines.items()}
        return {**facts, "model": self.model, "against": self.against, "level": LEVEL, "metrics": metrics}

    def text(self) -> str:
        """Give it as a head and a table."""
        head = ["metric", "model", f"[{INTERVAL}]"]
        if self.against is not None:
            head += ["against", f"difference [{INTERVAL}]", "p"]
        without = f", without the positives of {', '.join(self.exclude)}" if self.exclude else ""
        said = [
            f"{self.queries:,} queries of {self.split}, {self.items:,} items{without}, by {self.similarity}",
            f"model:   {self.model}",
            *([] if self.against is None else [f"against: {self.against}"]),
        ]
        return "\n".join([*said, "", _table([head, *([name, *line.cells()] for name, line in self.lines.items())])])


def _table(rows: list[list[str]]) -> str:
    """Set cells in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
