"""Parts of records and collections."""

import numpy as np
import pyarrow as pa

from foils.collection import Collection
from foils.records import Records


def test_take_keeps_every_column():
    records = Records.of(
        ["a", "b", "c"], ["A", "B", "C"], ["1", "2", "3"], ["x", "y", "z"], {"year": pa.array([1, 2, 3])}
    )
    taken = records.take(np.array([2, 0]))
    columns = taken.ids, taken.texts, taken.titles, taken.payloads, taken.fields["year"]
    assert [column.to_pylist() for column in columns] == [["c", "a"], ["C", "A"], ["3", "1"], ["z", "x"], [3, 1]]


def test_take_of_ids_alone():
    taken = Records.of(["a", "b"]).take(np.array([1]))
    assert (taken.ids.to_pylist(), taken.texts, taken.titles, taken.payloads) == (["b"], None, None, None)


def test_a_part_keeps_the_judgements_between_its_anchors_and_items():
    pairs = [(0, 0), (0, 3), (1, 1), (2, 3), (2, 4)]
    whole = Collection.from_arrays(
        pairs,
        anchors=["p", "q", "r"],
        items=["a", "b", "c", "d", "e"],
        grades=[1, 0, 1, 2, 1],
        splits=["train", "test", "train", "test", "train"],
        item_groups=[7, 7, -1, 8, 8],
    )
    part = whole.part(np.array([0, 2]), np.array([0, 3, 4]))
    judged = part.judgements
    names = [judged.split_names[split] for split in judged.splits]
    assert list(zip(judged.anchors, judged.items, judged.grades, names, strict=True)) == [
        (0, 0, 1, "train"),
        (0, 1, 0, "test"),
        (1, 1, 2, "test"),
        (1, 2, 1, "train"),
    ]
    assert part.items.texts.to_pylist() == ["a", "d", "e"]
    assert part.item_groups.tolist() == [7, 8, 8]
