"""What is easily given instead of what is meant: each is refused with what to do."""

from __future__ import annotations

import numpy as np
import pytest

import foils
from foils.errors import DataError, InputError, RecipeError
from foils.mining.prepare import warnings
from foils.samplers import SimANS, Softmax, TopK, UniformWindow, Window
from foils.training import AdapterSettings, StaticSettings, as_rows, fit_adapter, fit_static

VECTORS = {"query_vectors": np.eye(3, 4, dtype=np.float32), "item_vectors": np.eye(4, dtype=np.float32)}


def collection():
    return foils.Collection.from_arrays(
        [(0, 0), (1, 1), (2, 2)], anchors=["aa b", "bb c", "cc d"], items=["x one", "y two", "z three", "w four"]
    )


@pytest.mark.parametrize("given", ["plants", None, {"anchors": []}, np.eye(2)])
@pytest.mark.parametrize(
    "call",
    [
        lambda given: foils.mine(given, "naive-top-k", negatives=1, **VECTORS),
        lambda given: foils.plan(given, "naive-top-k", negatives=1, **VECTORS),
    ],
    ids=["mine", "plan"],
)
def test_something_else_than_a_collection(call, given):
    with pytest.raises(InputError, match=r"expected a Collection, found .*Collection\.from_path\("):
        call(given)


@pytest.mark.parametrize("recipe", [{"source": {"dense": {}}, "sampler": {"top_k": {}}}, None, 3])
def test_something_else_than_a_recipe(recipe):
    with pytest.raises(RecipeError, match=r"the recipe is of the type \w+; expected a recipe's name"):
        foils.mine(collection(), recipe, negatives=1, **VECTORS)


@pytest.mark.parametrize("given", ["runs/a", 3, [[0, 1]]])
def test_something_else_than_a_mined_result(given):
    with pytest.raises(InputError, match=r"expected a Mined, which foils\.mine gives, and foils\.Mined\.open\(path\)"):
        fit_static(collection(), mined=given)
    with pytest.raises(InputError, match="expected a Mined"):
        fit_adapter(collection(), *VECTORS.values(), mined=given)


def test_a_mined_result_is_trained_on_as_it_is():
    data = collection()
    mined = foils.mine(data, "naive-top-k", negatives=2, **VECTORS)
    rows = as_rows(mined, data, "train")
    assert [array.tolist() for array in (rows.anchors, rows.items)] == [array.tolist() for array in mined.rows(data)]
    settings = StaticSettings(dim=4, epochs=1, batch_size=2)
    one, other = (fit_static(data, mined=given, settings=settings) for given in (mined, rows))
    assert one.digest == other.digest
    adapted = AdapterSettings(epochs=1, patience=0)
    assert fit_adapter(data, *VECTORS.values(), mined=mined, settings=adapted).adapter.digest
    with pytest.raises(InputError, match="was mined for the split 'train', not for 'test'"):
        mined.rows(data, "test")


def test_a_split_that_goes_by_another_name():
    data = foils.Collection.from_arrays([(0, 0), (0, 1)], anchors=1, items=2, splits=["train", "dev"])
    for name in ("valid", "validation"):
        with pytest.raises(DataError, match=f"there is no split '{name}'; did you mean 'dev'"):
            data.positives((name,))
    without = foils.Collection.from_arrays([(0, 0), (0, 1)], anchors=1, items=2, splits=["train", "test"])
    with pytest.raises(DataError, match=r"no split 'valid'; Valid: test, train$"):
        without.positives(("valid",))


@pytest.mark.parametrize(
    ("setting", "meant"),
    [
        ("margin=0.3", "did you mean rules.relative_margin.margin?"),
        ("relative_margin.margin=0.3", "did you mean rules.relative_margin?"),
        ("k=30", "did you mean source.dense.k?"),
        ("skip_ranks=3", "did you mean sampler.top_k.skip_ranks?"),
        ("column=dense", "did you mean rules.relative_margin.column or sampler.top_k.column?"),
    ],
)
def test_a_setting_without_its_part_is_told_the_full_name(setting, meant):
    with pytest.raises(RecipeError) as error:
        foils.recipes.load("nv-retriever", [setting])
    assert meant in str(error.value)


def test_mining_refuses_a_budget_that_planning_refuses(tmp_path):
    small = foils.Execution(memory_bytes=16_000_000)
    deep = {**VECTORS, "settings": ["source.dense.max_depth=1000000"], "execution": small}
    messages = []
    for call in (foils.plan, foils.mine):
        options = {"out": tmp_path / "out"} if call is foils.mine else {}
        with pytest.raises(
            InputError, match=r"too small to look 1,000,000 candidates deep.*give at least --memory \d+MB"
        ) as error:
            call(collection(), "naive-top-k", negatives=1, **deep, **options)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("sampler", "window", "room"),
    [
        (TopK(skip_ranks=3, skip_survivors=2), Window(3, None, 2), 5),
        (UniformWindow(skip_ranks=2, max_rank=8), Window(2, 8), 6),
        (UniformWindow(max_rank=99), Window(0, 99), 10),
        (Softmax(skip_ranks=12), Window(12), 0),
        (SimANS(), Window(), 10),
    ],
)
def test_samplers_say_what_is_left_of_ten_candidates(sampler, window, room):
    assert sampler.window() == window
    assert window.room(10) == room


def test_a_window_too_narrow_is_warned_of():
    data = collection()
    narrow = ["source.dense.k=4", "source.dense.max_depth=4", "sampler.top_k.skip_ranks=3"]
    recipe = foils.recipes.load("naive-top-k", narrow)
    said = warnings(recipe, data.positives().units(), 2)
    assert any("leave at most 1 candidates" in one for one in said)
