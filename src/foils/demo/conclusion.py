"""What the numbers allow to say: sentences chosen by rules from the rows of the table.

A recipe has fewer false negatives than another where their intervals have nothing in common. A recipe changes
nDCG@10 where the interval of its paired difference leaves zero out. Whatever else there is to see is not said.
"""

from __future__ import annotations

from collections.abc import Sequence

from foils.demo.result import Difference, Row, Verdict
from foils.demo.settings import PLAIN
from foils.reporting.text import rate, signed

MOST = 0.5
"""A share of the false negatives above this is called most of them."""


def conclude(rows: Sequence[Row]) -> list[str]:
    """Give the sentences, in the order of the table's columns."""
    recipes = [row for row in rows if row.role == "recipe"]
    sentences = [_false_negatives(recipes), _duplicates(recipes), _quality(recipes)]
    sentences += [_alone(row) for row in rows if row.role == "mined only"]
    return [sentence for sentence in sentences if sentence]


def _false_negatives(recipes: Sequence[Row]) -> str:
    plain = next((row for row in recipes if row.name == PLAIN), None)
    if plain is None or plain.hidden is None:
        return ""
    fewer: list[str] = []
    more: list[str] = []
    same: list[str] = []
    for row in recipes:
        if row is plain or row.hidden is None:
            continue
        shown = f"{row.name} ({rate(row.hidden.estimate)})"
        apart = row.hidden.apart(plain.hidden)
        below = row.hidden.estimate < plain.hidden.estimate
        (same if not apart else fewer if below else more).append(shown)
    parts = [
        f"{_listed(names)} {word}"
        for names, word in ((fewer, "fewer"), (more, "more"), (same, "a number not shown to differ"))
        if names
    ]
    compared = f"; {'; '.join(parts)}" if parts else ""
    return f"Of 1,000 negatives, {PLAIN} passes {rate(plain.hidden.estimate)} that are hidden positives{compared}."


def _duplicates(recipes: Sequence[Row]) -> str:
    known = [(row.hidden, row.resolved, row.name) for row in recipes if row.hidden and row.resolved]
    before, after, name = max(known, key=lambda entry: entry[0].estimate, default=(None, None, ""))
    if before is None or after is None or before.estimate == 0:
        return ""
    change = f"With exact duplicates resolved, {name} passes {rate(after.estimate)} instead of {rate(before.estimate)}"
    if not after.apart(before):
        return f"{change}, which is not shown to differ."
    if after.estimate > before.estimate:
        return f"{change}: more."
    removed = 1 - after.estimate / before.estimate
    kind = "most of its" if removed > MOST else "a part of its"
    rest = "The rest are other right answers, which only scores or a look at the content can find."
    twins = f"{change}: {kind} false negatives were the labelled text under another name."
    return f"{twins} {rest}" if after.estimate else twins


def _quality(recipes: Sequence[Row]) -> str:
    compared = [(row.name, row.difference) for row in recipes if row.difference is not None]
    if not compared:
        return ""
    by_verdict: dict[Verdict, list[str]] = {}
    for name, difference in compared:
        by_verdict.setdefault(difference.verdict, []).append(f"{name} ({difference})")
    if list(by_verdict) == ["no difference shown"]:
        reach = max(_reach(difference) for _, difference in compared)
        return (
            "Beside in-batch negatives, mined ones make no difference to nDCG@10 that could be shown here, with any "
            f"recipe: all {len(compared)} intervals contain zero, and none reaches beyond ±{reach:.3f}."
        )
    texts: tuple[tuple[Verdict, str], ...] = (
        ("better", "rises with"),
        ("worse", "falls with"),
        ("no difference shown", "is not shown to change with"),
    )
    parts = [f"{text} {_listed(by_verdict[verdict])}" for verdict, text in texts if verdict in by_verdict]
    return f"Against in-batch negatives only, nDCG@10 {'; it '.join(parts)}."


def _alone(row: Row) -> str:
    if row.difference is None:
        return ""
    said = {
        "better": "are better than in-batch negatives",
        "worse": "do not replace in-batch negatives",
        "no difference shown": "are not shown to differ from in-batch negatives",
    }[row.difference.verdict]
    return f"Mined negatives alone ({row.name.removesuffix(', mined only')}) {said}: {signed(row.difference.estimate)}."


def _reach(difference: Difference) -> float:
    return max(abs(difference.low), abs(difference.high))


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
