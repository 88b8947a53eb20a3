"""What labels are tested on: a small data set on disk, mined by its vectors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import foils
from foils.labelling import LabelStore
from foils.labelling.events import Event
from foils.labelling.store import insert
from foils.mining.stored import Result

ANCHORS, ITEMS, DIM = 24, 60, 8
HOSTILE = (
    "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">",
    "\u202egnorw daer\u202c and {{ 7 * 7 }} </textarea></form>",
    "nul \x00 bell \x07 escape \x1b[31m c1 \x9b31m line\u2028end",
    '=HYPERLINK("http://evil.test")&amp;&lt;b&gt;',
)


@dataclass(frozen=True)
class World:
    """A data set (BEIR folder) and a result of it.

    Attributes:
        data: the folder of the data.
        out: the folder of the result.
        positives: known positives per anchor.
    """

    data: Path
    out: Path

    @classmethod
    def make(cls, folder: Path, *, negatives: int = 5, recipe: str = "naive-top-k", positives: int = 1) -> World:
        """Write the data and mine it; the texts of some items are hostile."""
        world = cls(folder / "data", folder / "out")
        world._write(positives)
        rng = np.random.default_rng(0)
        foils.mine(
            world.collection(),
            recipe,
            negatives=negatives,
            query_vectors=rng.standard_normal((ANCHORS, DIM)).astype(np.float32),
            item_vectors=rng.standard_normal((ITEMS, DIM)).astype(np.float32),
            out=world.out,
        )
        return world

    def _write(self, positives: int) -> None:
        (self.data / "qrels").mkdir(parents=True)
        corpus = [
            {
                "_id": f"d{i}",
                "title": f"Title {i}",
                "text": f"{HOSTILE[i % len(HOSTILE)]} item {i}" if i % 3 == 0 else f"text of item {i}",
            }
            for i in range(ITEMS)
        ]
        queries = [{"_id": f"q{i}", "text": f"question {i} <b>bold</b>"} for i in range(ANCHORS)]
        for name, rows in (("corpus", corpus), ("queries", queries)):
            (self.data / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        lines = [f"q{i}\td{(i + step) % ITEMS}\t1\n" for i in range(ANCHORS) for step in range(positives)]
        (self.data / "qrels/train.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))

    def collection(self) -> foils.Collection:
        """Read the data."""
        return foils.Collection.from_beir(self.data)

    def result(self) -> Result:
        """Open the result."""
        return Result(self.out)

    def pairs(self) -> list[tuple[str, str]]:
        """List the negatives, in the order of the table."""
        table = self.result().negatives(["anchor_id", "negative_ids"])
        rows = zip(table["anchor_id"].to_pylist(), table["negative_ids"].to_pylist(), strict=True)
        return [(anchor, item) for anchor, items in rows for item in items]


def record_all(store: LabelStore, events: Iterable[Event]) -> None:
    """Add events in one transaction, which is quicker than one for each."""
    with store.writing() as connection:
        for event in events:
            insert(connection, event)
