"""The contract of the array kernels: both bodies mean what the plain-Python reference means, row by row."""

import copy
import inspect
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from scipy import special, stats

from foils import _array
from foils._array import Key

REFERENCE_FILE = Path(__file__).with_name("array_reference.py")
reference = SimpleNamespace(**runpy.run_path(str(REFERENCE_FILE)))

BODIES = ("numpy", "torch")
KERNELS = tuple(reference.EDGE_CASES)
# Tested below, one by one.
HELPERS = ("is_torch", "key_bits", "mix", "namespace", "sigmoid", "to_numpy", "uniform_of_bits")
# Of all others every bit is promised. exp and log may differ in the last digit, absolute near log 1 = 0.
TOLERANCE = {"gumbel": 5e-16}
INF = float("inf")


def to_body(argument, body):
    if isinstance(argument, tuple):
        return Key(*argument)
    return torch.from_numpy(argument.copy()) if body == "torch" and isinstance(argument, np.ndarray) else argument


def call(name, body, arguments, options):
    """Run a kernel on NumPy arguments in a body, check that it leaves them alone, and return NumPy."""
    before = copy.deepcopy(arguments)
    passed = [to_body(argument, body) for argument in arguments]
    result = getattr(_array, name)(*passed, **options)
    assert _array.is_torch(result) is (body == "torch")
    for old, new in zip(before, passed, strict=True):
        if isinstance(old, np.ndarray):
            np.testing.assert_array_equal(_array.to_numpy(new), old)
    return _array.to_numpy(result)


def assert_same(found, expected, tolerance=0.0):
    """Compare shape, dtype and, without a tolerance, every bit save for the sign of NaN."""
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    if tolerance:
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
        return
    np.testing.assert_array_equal(found, expected)
    if found.dtype.kind == "f":
        real = ~np.isnan(found)
        np.testing.assert_array_equal(np.signbit(found[real]), np.signbit(expected[real]))


def assert_agrees(name, body, arguments, options):
    expected = getattr(reference, name)(*arguments, **options)
    # The quantile's reference rounds its last sum before it is clipped to the two neighbours.
    tolerance = 1e-15 if name == "masked_quantile" else TOLERANCE.get(name, 0.0)
    assert_same(call(name, body, arguments, options), expected, tolerance)


def rows_of(name, arguments, start, stop):
    """Cut the arguments of a call down to the rows start:stop of its result."""
    if name == "segment_reduce":
        values, indptr = arguments
        return values[indptr[start] : indptr[stop]], indptr[start : stop + 1] - indptr[start]
    whole = {"row_searchsorted": 2, "counter_uniform": 1, "gumbel": 1}.get(name, 0)
    return *arguments[:whole], *(array[start:stop] for array in arguments[whole:])


EDGES = [
    pytest.param(name, arguments, options, id=f"{name}-{number}")
    for name, cases in reference.EDGE_CASES.items()
    for number, (arguments, options) in enumerate(cases)
]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("name", "arguments", "options"), EDGES)
def test_edge_case_agrees_with_the_reference(name, arguments, options, body):
    assert_agrees(name, body, arguments, options)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("name", KERNELS)
def test_large_case_agrees_with_the_reference(name, body):
    assert_agrees(name, body, *reference.large_cases(90)[name])


@pytest.mark.parametrize("name", KERNELS)
def test_bodies_agree(name):
    arguments, options = reference.large_cases(1000)[name]
    found, expected = (call(name, body, arguments, options) for body in BODIES)
    assert_same(found, expected, TOLERANCE.get(name, 0.0))


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("name", KERNELS)
def test_rows_do_not_depend_on_the_block(name, rows):
    arguments, options = reference.large_cases(1000)[name]
    whole = call(name, "numpy", arguments, options)
    edges = [(start, min(start + rows, 1000)) for start in range(0, 1000, rows)]
    blocks = [call(name, "numpy", rows_of(name, arguments, *edge), options) for edge in edges]
    assert_same(np.concatenate(blocks), whole)


@pytest.mark.parametrize("name", sorted(set(KERNELS) - set(TOLERANCE)))
def test_rows_do_not_depend_on_the_block_in_torch(name):
    arguments, options = reference.large_cases(1000)[name]
    whole = call(name, "torch", arguments, options)
    edges = [(start, min(start + 7, 1000)) for start in range(0, 1000, 7)]
    blocks = [call(name, "torch", rows_of(name, arguments, *edge), options) for edge in edges]
    assert_same(np.concatenate(blocks), whole)


@pytest.mark.parametrize("order", ["F", "strided"])
@pytest.mark.parametrize("name", KERNELS)
def test_memory_layout_does_not_matter(name, order):
    arguments, options = reference.large_cases(64)[name]
    whole = call(name, "numpy", arguments, options)

    def relay(array):
        if not isinstance(array, np.ndarray):
            return array
        return np.asfortranarray(array) if order == "F" else np.repeat(array, 2, axis=-1)[..., ::2]

    assert_same(call(name, "numpy", tuple(relay(array) for array in arguments), options), whole)


@pytest.mark.parametrize("name", KERNELS)
def test_any_small_problem_agrees_with_the_reference(name):
    @settings(max_examples=50, deadline=None)
    @given(reference.STRATEGIES[name])
    def agree(case):
        for body in BODIES:
            assert_agrees(name, body, *case)

    agree()


def test_every_public_function_is_under_contract():
    functions = inspect.getmembers(_array, inspect.isfunction)
    own = {name for name, one in functions if one.__module__ == _array.__name__ and not name.startswith("_")}
    assert own == {*KERNELS, *HELPERS}
    assert set(KERNELS) == set(reference.STRATEGIES)
    for name in KERNELS:
        assert inspect.isfunction(getattr(reference, name))
        assert reference.EDGE_CASES[name]


def test_noise_of_a_key_is_that_of_its_bits():
    units, counters = np.array([[3], [-5], [2**62]]), np.arange(4)
    bits = [_array.key_bits(key) for key in (Key(0, "a", 0), Key(0, "a", 1), Key(1, "a", 0), Key(0, "b", 0))]
    assert len(set(bits)) == 4
    assert all(-(2**63) <= one < 2**63 for one in bits)
    found = _array.uniform_of_bits(bits[0], units, counters)
    np.testing.assert_array_equal(found, _array.counter_uniform(Key(0, "a", 0), units, counters))


MATRIX, INDICES = np.zeros((2, 3)), np.zeros((2, 1), np.int64)
SEGMENT = (MATRIX[0], np.array([0, 3]))
NAN_ROW = np.array([[0.0, np.nan, 1.0, 2.0, 3.0]])
REFUSED = [
    ("top_k", (MATRIX,), {"k": 4}, ValueError, "k is 4"),
    ("top_k", (MATRIX,), {"k": -1}, ValueError, "k is -1"),
    ("top_k", (NAN_ROW,), {"k": 1}, ValueError, "NaN"),
    ("top_k", (NAN_ROW,), {"k": 5}, ValueError, "NaN"),
    ("sort_rows", (NAN_ROW,), {"descending": False}, ValueError, "NaN"),
    ("take_valid", (MATRIX, INDICES + 3), {"fill": 0}, IndexError, r"0\.\.2"),
    ("take_valid", (MATRIX, INDICES - 2), {"fill": 0}, IndexError, "-1"),
    ("take_valid", (MATRIX[0], INDICES + 3), {"fill": 0}, IndexError, r"0\.\.2"),
    ("take_valid", (MATRIX, INDICES[:1]), {"fill": 0}, ValueError, "fit"),
    ("take_valid", (MATRIX, INDICES[0]), {"fill": 0}, ValueError, "fit"),
    ("take_valid", (INDICES[0], INDICES), {"fill": np.nan}, ValueError, "nan"),
    ("take_valid", (INDICES[0], INDICES), {"fill": 0.5}, ValueError, "0.5"),
    ("take_valid", (MATRIX[0] > 0, INDICES), {"fill": -1}, ValueError, "-1"),
    ("put_valid", (MATRIX, INDICES - 2, 0.0), {}, IndexError, "-1"),
    ("put_valid", (MATRIX, INDICES + 3, 0.0), {}, IndexError, r"0\.\.2"),
    ("put_valid", (MATRIX, INDICES, MATRIX), {}, ValueError, "fit"),
    ("put_valid", (INDICES, INDICES, MATRIX[:, :1]), {}, ValueError, "fit"),
    ("put_valid", (INDICES, INDICES, -INF), {}, ValueError, "fit"),
    ("segment_reduce", (MATRIX[0], np.array([0, 2])), {"how": "sum"}, ValueError, "rise from 0 to 3"),
    ("segment_reduce", (MATRIX[0], np.array([1, 3])), {"how": "sum"}, ValueError, "rise from 0 to 3"),
    ("segment_reduce", (MATRIX[0], np.array([0, 4, 3])), {"how": "sum"}, ValueError, "rise from 0 to 3"),
    ("segment_reduce", (MATRIX[0], np.array([0, 3])), {"how": "median"}, KeyError, "median"),
    ("row_searchsorted", (*SEGMENT, INDICES[0] + 1, MATRIX[0, :1]), {"side": "left"}, IndexError, "rows"),
    ("row_searchsorted", (*SEGMENT, INDICES[0] - 1, MATRIX[0, :1]), {"side": "left"}, IndexError, "rows"),
    ("row_searchsorted", (*SEGMENT, INDICES[0], MATRIX[0, :1]), {"side": "up"}, KeyError, "up"),
    ("masked_quantile", (MATRIX, MATRIX == 0), {"q": 1.5}, ValueError, "q is 1.5"),
    ("masked_quantile", (NAN_ROW, NAN_ROW != 3), {"q": 0.5}, ValueError, "NaN"),
]  # fmt: skip


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("name", "arguments", "options", "error", "text"), REFUSED)
def test_a_wrong_call_is_refused(name, arguments, options, error, text, body):
    with pytest.raises(error, match=text):
        call(name, body, arguments, options)


@pytest.mark.parametrize("body", BODIES)
def test_nan_stays_in_its_segment_or_row(body):
    values, indptr = np.array([1.0, np.nan, 2.0, 3.0]), np.array([0, 2, 4])
    for how, expected in (("sum", 5.0), ("min", 2.0), ("max", 3.0), ("mean", 2.5)):
        found = call("segment_reduce", body, (values, indptr), {"how": how})
        assert_same(found, np.array([np.nan, expected]))
    assert_same(call("row_sum", body, (values.reshape(2, 2),), {}), np.array([np.nan, 5.0]))


@pytest.mark.parametrize("body", BODIES)
def test_padding_with_zeros_changes_no_bit(body):
    (scores,), _ = reference.large_cases(1000)["row_sum"]
    sums = call("row_sum", body, (scores,), {})
    assert_same(call("row_sum", body, (np.pad(scores, ((0, 0), (0, 91))),), {}), sums)
    indptr = np.arange(len(scores) + 1) * scores.shape[1]
    assert_same(call("segment_reduce", body, (scores.ravel(), indptr), {"how": "sum"}), sums)


@pytest.mark.parametrize("k", [1, 8, 9, 30])
def test_top_k_has_the_order_of_a_full_sort(k):
    (keys,), _ = reference.large_cases(1000)["top_k"]
    keys = np.concatenate([keys, np.full((5, 37), -INF), np.zeros((5, 37))])
    assert_same(_array.top_k(keys, k), _array.sort_rows(keys, descending=True)[:, :k].copy())


def test_normalised_rows_have_length_one():
    (vectors,), _ = reference.large_cases(1000)["normalise_rows"]
    unit = _array.normalise_rows(vectors)
    np.testing.assert_allclose(np.linalg.norm(unit.astype(np.float64), axis=1), 1.0, atol=1e-7)


def test_a_quantile_lies_between_its_neighbours():
    low, high, q = 3.8866828706543126, 3.8866828706543135, 0.012555063788245177
    assert (1 - q) * low + q * high < low  # rounding alone would leave the interval
    values = np.array([[high, low]])
    assert _array.masked_quantile(values, values > 0, q)[0] == low


def test_table_of_strings_and_memory_map(tmp_path):
    names = _array.take_valid(np.array(["ä", "bc"]), np.array([[1, -1]]), "")
    assert names.tolist() == [["bc", ""]]
    table = np.lib.format.open_memmap(tmp_path / "table.npy", "w+", np.float32, (3, 2))
    table[:] = [[3, 4], [0, 0], [0, 2]]
    assert _array.normalise_rows(table).tolist() == pytest.approx(np.array([[0.6, 0.8], [0, 0], [0, 1]]))


def test_namespace_and_is_torch():
    array, tensor = np.zeros(2), torch.zeros(2)
    assert _array.namespace(array, array).__name__ == "array_api_compat.numpy"
    assert _array.namespace(tensor).__name__ == "array_api_compat.torch"
    assert (_array.is_torch(array), _array.is_torch(tensor)) == (False, True)
    with pytest.raises(TypeError):
        _array.namespace(array, tensor)


def test_to_numpy():
    array, tensor = np.zeros(2), torch.tensor([1.5, 2.0], requires_grad=True)
    assert _array.to_numpy(array) is array
    assert_same(_array.to_numpy(tensor), np.array([1.5, 2.0], np.float32))
    assert_same(_array.to_numpy(tensor.to(torch.bfloat16)), np.array([1.5, 2.0], np.float32))


def test_numpy_bodies_do_not_import_torch():
    code = f"""
import runpy, sys
from foils import _array
cases = runpy.run_path({str(REFERENCE_FILE)!r})
for name in cases["EDGE_CASES"]:
    arguments, options = cases["large_cases"](5)[name]
    arguments = [_array.Key(*each) if isinstance(each, tuple) else each for each in arguments]
    _array.to_numpy(getattr(_array, name)(*arguments, **options))
print(sorted(module for module in sys.modules if module.partition(".")[0] == "torch"))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


# The noise: fixed keys, so every p-value below is fixed as well.
CELLS = 2**16


def uniformity(cells, count=CELLS):
    """Return the two-sided p-value of chi² for cell numbers meant to be uniform on 0..count-1."""
    tail = stats.chisquare(np.bincount(np.ravel(cells), minlength=count)).pvalue
    return 2 * min(tail, 1 - tail)


def by_key(field, keys, width):
    """Return noise[keys,width] along one field of the key, at units 0..width-1 and counter 0."""
    series = (Key(0, "sample", 0)._replace(**{field: number}) for number in range(keys))
    return np.stack([_array.counter_uniform(key, np.arange(width), np.arange(1)) for key in series])


def by_row(key, units, counters):
    return lambda: _array.counter_uniform(key, units, counters)


LONG, SIDE, ONE = np.arange(2**20)[:, None], np.arange(2**10), np.arange(1)
ALONG = {
    "units": by_row(Key(1, "sample", 0), LONG, ONE),
    "counters": by_row(Key(1, "sample", 0), ONE, LONG),
    "units of a grid": by_row(Key(2, "", 1), SIDE[:, None], SIDE),
    "counters of a grid": by_row(Key(2, "", 1), SIDE, SIDE[:, None]),
    "seeds": lambda: by_key("seed", 2**12, 2**8),
    "epochs": lambda: by_key("epoch", 2**12, 2**8),
}


@pytest.mark.parametrize("along", ALONG)
def test_noise_is_uniform_and_neighbours_are_independent(along):
    uniform = ALONG[along]()
    assert 0.0 < uniform.min() < uniform.max() < 1.0
    assert len(np.unique(uniform)) == uniform.size
    bits = (uniform * 2.0**52).astype(np.int64)
    byte = bits >> 44
    p_values = [
        uniformity(bits >> 36),  # the 16 highest bits
        uniformity(bits % CELLS),  # the 16 lowest
        uniformity(byte[:-1] * 256 + byte[1:]),  # pairs of neighbours
        uniformity(byte[:-2] * 256 + byte[2:]),
        uniformity(byte[:, 0], 256),  # one unit or counter by itself
    ]
    assert min(p_values) > 1e-4
    steps = np.corrcoef(uniform[:-1].ravel(), uniform[1:].ravel())[0, 1]
    assert abs(steps) < 5 / np.sqrt(uniform.size)


@pytest.mark.parametrize("flipped", ["unit", "counter"])
def test_every_bit_of_the_input_reaches_every_bit_of_the_noise(flipped):
    generator = np.random.default_rng(0)
    unit, counter = generator.integers(-(2**63), 2**63 - 1, (2, 4096))
    flip = np.int64(1) << np.arange(64)[:, None]

    def bits(unit, counter):
        noise = (_array.counter_uniform(Key(0, "avalanche", 0), unit, counter) * 2.0**52).astype(np.int64)
        return noise[..., None] >> np.arange(52) & 1

    moved = bits(unit ^ flip, counter) if flipped == "unit" else bits(unit, counter ^ flip)
    changed = np.mean(moved != bits(unit, counter), axis=1)  # [64 bits in, 52 bits out]
    assert np.abs(changed - 0.5).max() < 0.05  # 6.4 standard deviations


def test_unit_and_counter_do_not_collide():
    grid = np.arange(1500)
    noise = _array.counter_uniform(Key(0, "grid", 0), grid[:, None], grid)
    assert len(np.unique(noise)) == noise.size  # so noise[u,c] ≠ noise[c,u] as well


def test_every_field_of_the_key_matters():
    fields = [(0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1), (-1, "a", 0), (1, "a", 1), (2**64, "a", 0)]
    fields += [(11, "", 1), (1, "", 11), (0, "a, 0", 0), (0, "", 0)]  # these look alike once they are joined
    keys = [Key(*each) for each in fields]
    first = [float(_array.counter_uniform(key, np.arange(1), np.arange(1))[0]) for key in keys]
    assert len(set(first)) == len(keys)


@pytest.mark.parametrize("body", BODIES)
def test_noise_is_pinned_for_all_versions(body):
    arguments = (Key(0, "sample", 0), np.array([0, 1, 123456]), np.array([0, 7, 99]))
    pinned = [0.8220868635224222, 0.5893855217374512, 0.7388259357844192]
    assert call("counter_uniform", body, arguments, {}).tolist() == pinned


@pytest.mark.parametrize("state", [0, -1])
def test_noise_never_reaches_0_or_1(monkeypatch, state):
    monkeypatch.setattr(_array, "mix", lambda numbers: numbers * 0 + state)
    uniform = _array.counter_uniform(Key(0, "", 0), np.arange(1), np.arange(1))
    assert 0.0 < uniform[0] < 1.0
    assert np.isfinite(_array.gumbel(Key(0, "", 0), np.arange(1), np.arange(1)))[0]


@pytest.mark.parametrize("body", BODIES)
def test_the_mixed_bits_are_those_of_the_reference(body):
    state = np.array([0, 1, -1, 2**63 - 1, -(2**63)])
    found = _array.to_numpy(_array.mix(to_body(state.copy(), body))).view(np.uint64)
    assert found.tolist() == [reference._mix(number & reference.WORD) for number in state.tolist()]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_sigmoid_neither_overflows_nor_loses_nan(dtype, body):
    logits = np.array([-INF, -1e4, -2.0, -0.0, 2.0, 1e4, INF, float("nan")], dtype)
    found = call("sigmoid", body, (logits,), {})
    assert found.dtype == dtype
    np.testing.assert_allclose(found, special.expit(logits), rtol=4 * np.finfo(dtype).eps)


def test_gumbel_noise_follows_its_law():
    noise = _array.gumbel(Key(3, "law", 0), np.arange(1000)[:, None], np.arange(100))
    assert stats.kstest(noise.ravel(), stats.gumbel_r.cdf).pvalue > 1e-3
