"""The sample that an advice is tried out on."""

import numpy as np

from foils.advising import AdviceSettings
from foils.advising.sample import HELD_OUT, TRAIN, choose
from foils.collection import Collection

ANCHORS, ITEMS = 100, 500


def collection():
    """Anchor a has the positive a, and the item a + 200 judged 0; every 10th anchor is judged in the split ``test``."""
    pairs = [(anchor, anchor) for anchor in range(ANCHORS)] + [(anchor, anchor + 200) for anchor in range(ANCHORS)]
    splits = ["test" if anchor % 10 == 0 else "train" for anchor, _ in pairs]
    return Collection.from_arrays(
        pairs,
        anchors=[f"query {anchor}" for anchor in range(ANCHORS)],
        items=["" if item == 499 else f"item {item}" for item in range(ITEMS)],
        grades=[1] * ANCHORS + [0] * ANCHORS,
        splits=splits,
    )


def chosen(seed=0, **settings):
    return choose(collection(), "train", AdviceSettings(**settings), seed)


def test_a_third_of_the_anchors_of_the_split_is_held_out():
    sample = chosen()
    assert len(sample.anchors) == 90
    assert not (sample.anchors % 10 == 0).any()
    assert sample.held_out == 30
    judged = sample.collection.judgements
    sides = [set(judged.select((split,)).anchors.tolist()) for split in (TRAIN, HELD_OUT)]
    assert [len(side) for side in sides] == [60, 30]
    assert not sides[0] & sides[1]


def test_all_that_is_judged_about_the_anchors_comes_with_them():
    sample = chosen(anchors=60, items=130)
    assert len(sample.items) == 130
    ids = sample.collection.anchors.ids.to_pylist(), sample.collection.items.ids.to_pylist()
    judged = sample.collection.judgements
    found = {
        (int(ids[0][a]), int(ids[1][i]), g) for a, i, g in zip(judged.anchors, judged.items, judged.grades, strict=True)
    }
    own = [int(anchor) for anchor in sample.anchors]
    assert found == {(a, a, 1.0) for a in own} | {(a, a + 200, 0.0) for a in own}


def test_judged_items_come_even_beyond_the_limit_and_empty_ones_do_not():
    assert len(chosen(items=100).items) == 180
    assert 499 not in chosen().items


def test_the_choice_follows_from_the_seed_and_a_smaller_one_is_a_part_of_a_larger():
    assert np.array_equal(chosen().anchors, chosen().anchors)
    assert set(chosen(anchors=60).anchors) < set(chosen(anchors=80).anchors)
    assert set(chosen(anchors=60).anchors) != set(chosen(seed=1, anchors=60).anchors)
