"""When an advice declines: nothing to learn from, no room, vectors that cannot be right; and what constraints do."""

import numpy as np
import pytest
from advice_worlds import world

import foils
from foils.advising import AdviceSettings
from foils.advising.arms import Mining, run_seed
from foils.advising.result import Arm
from foils.advising.sample import HELD_OUT, chance_level, choose, sampled_constraints
from foils.advising.settings import RECIPES, REFERENCE, UNIFORM
from foils.advising.verdict import compare, recommend
from foils.collection import Collection
from foils.constraints import Allow, Deny, Same
from foils.errors import InputError
from foils.mining import Execution

QUICK = AdviceSettings(seeds=2, anchors=90, items=400)


def told(level, *, gain=0.0, chance=0.0):
    """Ask for the verdict where every arm is at a level, and mined negatives gain."""
    rng = np.random.default_rng(0)
    values = {
        name: np.clip(level + gain * (name != REFERENCE) + 0.001 * rng.standard_normal((2, 60)), 0, 1)
        for name in (REFERENCE, *RECIPES)
    }
    arms = [
        Arm(
            name,
            float(own.mean()),
            None if name == REFERENCE else compare(own, values[REFERENCE]),
            None if name in (REFERENCE, UNIFORM) else compare(own, values[UNIFORM]),
            4.0,
            0.0,
            0.0,
        )
        for name, own in values.items()
    ]
    return recommend(arms, values, 0.01, chance=chance)


@pytest.mark.parametrize(("level", "gain", "chance"), [(0.0, 0, 0), (0.004, 0.012, 0.0), (0.06, 0.02, 0.045)])
def test_nothing_is_advised_where_no_arm_ranks_better_than_chance(level, gain, chance):
    verdict, recipe, sentences = told(level, gain=gain, chance=chance)
    assert (verdict, recipe) == ("cannot tell", None)
    assert sentences[0].startswith("There is nothing to learn from")
    assert "order of the vectors" in sentences[1]


def test_a_gain_from_almost_nothing_is_a_gain():
    assert told(0.01, gain=0.05)[0] == "pays"


def test_at_the_ceiling_there_is_no_room():
    verdict, recipe, sentences = told(0.995)
    assert (verdict, recipe) == ("does not pay", None)
    assert "there is no room" in sentences[0]
    assert "there is no room" not in told(0.97)[2][0]
    assert told(0.97, gain=0.025)[0] == "pays"


def test_the_level_of_chance_is_that_of_random_rankings():
    pairs = [(anchor, 3 * anchor + place) for anchor in range(90) for place in range(1 + anchor % 3)]
    data = Collection.from_arrays(pairs, anchors=90, items=300)
    sample = choose(data, "train", AdviceSettings(anchors=90, items=300), 0)
    rng = np.random.default_rng(0)
    held = sample.collection.positives((HELD_OUT,))
    found = []
    for anchor in np.flatnonzero(held.degrees):
        wanted = np.isin(np.arange(len(sample.items)), held.row(anchor))
        discounts = 1 / np.log2(np.arange(2, 12))
        ideal = discounts[: wanted.sum()].sum()
        found += [rng.permutation(wanted)[:10] @ discounts / ideal for _ in range(300)]
    assert chance_level(sample) == pytest.approx(np.mean(found), rel=0.05)


def vectors(rows, seed):
    return np.random.default_rng(seed).standard_normal((rows, 6)).astype(np.float32)


def test_vectors_in_another_order_are_named_and_nothing_is_advised():
    data = world(180, rivals=0)
    sane = vectors(180, 0)
    settings = AdviceSettings(seeds=2, anchors=180, items=400)
    advice = foils.advise(data, query_vectors=sane, item_vectors=np.roll(sane, 90, axis=0), settings=settings)
    assert (advice.verdict, advice.recipe) == ("cannot tell", None)
    assert "positives cannot be told by their scores from random items" in advice.sentences[0]
    advice = foils.advise(data, query_vectors=sane, item_vectors=sane, settings=settings)
    assert not any("from random items" in sentence for sentence in advice.sentences)


def test_five_seeds_are_tried_by_default():
    assert AdviceSettings().seeds == 5


def tenants():
    texts = world(rivals=2)
    owner = ["a" if row % 2 else "b" for row in range(len(texts.items))]
    judged = texts.judgements
    return Collection.from_arrays(
        np.stack([judged.anchors, judged.items], axis=1),
        anchors=texts.anchors.full_texts(),
        items=texts.items.full_texts(),
        anchor_fields={"tenant": [owner[item] for item in judged.items]},
        item_fields={"tenant": owner},
    )


class Listening:
    """A trainer that notes what negatives it is given."""

    def __init__(self, sample):
        self.sample, self.given = sample, []

    def vectors(self, mined, per_anchor, seed):
        self.given.append(mined)
        return vectors(len(self.sample.anchors), seed), vectors(len(self.sample.items), seed + 1)

    def start(self, reference):
        return reference


def test_every_recipe_mines_under_the_constraints():
    data = tenants()
    sample = choose(data, "train", QUICK, 0)
    trainer = Listening(sample)
    anchors, items = (side.ids.to_pylist() for side in (sample.collection.anchors, sample.collection.items))
    denied = [(anchor, item) for anchor in anchors[:30] for item in items]
    limits = sampled_constraints([Same("tenant"), Deny(denied)], sample.collection)
    list(run_seed(trainer, sample, QUICK, 0, Mining(Execution(), limits)))
    sides = sample.collection.anchors, sample.collection.items
    owners = [np.array(side.fields["tenant"].to_pylist()) for side in sides]
    assert trainer.given[0] is None
    for mined in trainer.given[1:]:
        kept = mined.items >= 0
        anchors = np.broadcast_to(mined.anchors[:, None], mined.items.shape)
        assert kept.any()
        assert (owners[0][anchors[kept]] == owners[1][mined.items[kept]]).all()
        assert not (anchors[kept] < 30).any()


def test_an_advice_takes_constraints_and_refuses_what_is_none(tmp_path):
    data = tenants()
    listed = tmp_path / "denied.tsv"
    listed.write_text(f"anchor_id\titem_id\n{data.anchors.ids[0].as_py()}\t{data.items.ids[1].as_py()}\n")
    settings = AdviceSettings(seeds=2, anchors=60, items=100)
    advice = foils.advise(data, constraints=[Same("tenant"), Deny(listed)], settings=settings)
    assert advice.verdict in ("pays", "does not pay", "cannot tell")
    with pytest.raises(InputError, match="is no constraint"):
        foils.advise(data, constraints=["tenant"], settings=settings)
    with pytest.raises(InputError, match="the collection has no anchor 'nobody'"):
        foils.advise(data, constraints=[Allow([("nobody", "nothing")])], settings=settings)
