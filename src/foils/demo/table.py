"""The table of a demo for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from foils.demo.result import DemoResult, Estimate, Example, Row
from foils.reporting.text import shown, signed

NOTHING = "–"
SHOWN_EXAMPLES = 3
STYLES = {"better": "green", "worse": "red", "no difference shown": "dim", "reference": "dim"}


def render(result: DemoResult) -> RenderableType:
    """Lay out the table, what it shows, and some examples."""
    counts = result.counts
    title = Text(
        f"{counts.bodies:,} docstrings under {counts.items:,} names; anchors: {counts.train_anchors:,} to train on, "
        f"{counts.test_anchors:,} to test on; seeds: {result.settings.seeds}"
    )
    parts: list[RenderableType] = [title, _table(result), *(Text(f"• {said}") for said in result.conclusion)]
    if result.examples:
        parts += [Text(), Text(f"Hidden positives that {result.example_recipe} passed as negatives:", style="bold")]
        parts += [line for example in result.examples[:SHOWN_EXAMPLES] for line in _example(example)]
    return Group(*parts)


def _table(result: DemoResult) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("recipe")
    for head in ("hidden false\nnegatives\nper 1,000", "the same,\nduplicates\nresolved", "hardness\ns⁻ − s⁺"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("nDCG@10", justify="right", no_wrap=True)
    table.add_column("difference to\nin-batch only", min_width=16)  # an interval on one line of 80
    for row in result.rows:
        hardness = NOTHING if row.hardness is None else signed(row.hardness)
        table.add_row(
            Text(row.name), _rate(row.hidden), _rate(row.resolved), hardness, f"{row.ndcg:.3f}", _difference(row)
        )
    return table


def _rate(estimate: Estimate | None) -> Text:
    return Text(NOTHING) if estimate is None else _stacked(str(estimate).split(" ", 1))


def _difference(row: Row) -> Text:
    if row.difference is None:
        return Text(row.verdict, style=STYLES[row.verdict])
    text = _stacked(str(row.difference).split(" ", 1))
    return text.append(f"\n{row.verdict}", style=STYLES[row.verdict])


def _stacked(lines: Sequence[str]) -> Text:
    """Put the interval below its estimate, on one line of its own."""
    estimate, interval = lines
    return Text(estimate).append(f"\n{interval.replace(' ', chr(0xA0))}", style="dim")


def _example(example: Example) -> list[Text]:
    return [
        Text(f"  “{shown(example.anchor)}”"),
        Text(f"    labelled: {shown(example.labelled)}   negative at rank {example.rank}: {shown(example.negative)}"),
    ]
