"""The contract of the weights, applied to every member of the registry."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from foils import weights
from foils.candidates import Column
from foils.weights import CET, Fitting, NoiseTransition, Soft

problems = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("problems.py"))))

EXAMPLES = {
    "soft": (Soft(),),
    "noise_transition": (NoiseTransition(), NoiseTransition(label_miss_rate=0.0), NoiseTransition(label_miss_rate=1.0)),
    "cet": (CET(), CET(label_miss_rate=0.3, clip=0.5), CET(retriever="second", scorer="first")),
}
every_weight = pytest.mark.parametrize("weight", [one for examples in EXAMPLES.values() for one in examples])


def test_every_weight_is_covered():
    assert EXAMPLES.keys() == weights.REGISTRY.keys()
    for name, examples in EXAMPLES.items():
        assert {type(one) for one in examples} == {weights.REGISTRY[name]}


def problem(seed):
    """Give candidates all of which are calibrated."""
    found = problems.candidates(seed)
    values = np.nan_to_num(found.columns["p_positive"].values, nan=0.5)
    return replace(found, columns={**found.columns, "p_positive": Column(values.astype(np.float32))})


def fitted(weight, found):
    return weight.fit([found]) if isinstance(weight, Fitting) else weight


@every_weight
@pytest.mark.parametrize("seed", range(4))
def test_logarithms_of_weights(weight, seed):
    found = problem(seed)
    before = problems.copied(found)
    logs = fitted(weight, found)(found)
    problems.assert_same(found, before)
    assert (logs.dtype, logs.shape) == (np.float32, found.items.shape)
    assert (logs <= 0).all()
    assert np.isneginf(logs[~found.valid]).all()
    assert np.isfinite(logs[found.valid & (found.columns["p_positive"].values < 1)]).all()
    assert (logs[found.valid & (found.columns["p_positive"].values == 0)] == 0).all()


@every_weight
def test_a_unit_is_weighed_alone(weight):
    found = problem(1)
    numbers = fitted(weight, found)
    whole = numbers(found)
    for rows in ([4], [7, 2, 0], []):
        rows = np.array(rows, np.int64)
        problems.assert_same(numbers(problems.take(found, rows)), whole[rows])


@every_weight
def test_fields_are_data(weight):
    fields = msgspec.to_builtins(weight)
    assert msgspec.convert(fields, type(weight)) == weight
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_field": 1}, type(weight))
