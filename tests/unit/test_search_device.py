"""Search on a device, here the CPU in a GPU's place: what it finds is what the canonical ranking says."""

import runpy
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from foils import _compiled
from foils.errors import InputError
from foils.positives import Relation
from foils.search import Blocks, ExactIndex, Vectors, Work, choice, choose_screen, device
from foils.search.device import OnDevice, columns_within, find_device, is_cut_short
from foils.search.products import multiplies_float32, shared_tensor

plain = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "contract" / "search_reference.py")))
made = SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "test_search_selection.py")))
HUNDRED = Work(100, np.ones((100, 8), np.float32), 20, Blocks(64, 64, 64))
WORLDS = made.worlds()
ROOMS = {"roomy": Blocks.room, "tight": staticmethod(lambda k, n_items: k + 3)}
MEMORY = {"all stay": 1 << 30, "one by one": 1}


@pytest.fixture(params=["numba", "numpy"])
def body(request, monkeypatch):
    monkeypatch.setattr(_compiled, "is_available", lambda: request.param == "numba")


@pytest.fixture(params=ROOMS)
def room(request, monkeypatch):
    monkeypatch.setattr(Blocks, "room", ROOMS[request.param])
    return request.param


def on_cpu(items, memory=1 << 30):
    return OnDevice(items, "cpu", "a test", memory)


def index(items, memory=1 << 30, mineable=None):
    return ExactIndex(items, np.ones(len(items), bool) if mineable is None else mineable, on_cpu(items, memory))


def ranked(anchors, items, k, barred=None):
    scores = plain.canonical(anchors, items)
    return plain.reference(scores, k, np.zeros(scores.shape, bool) if barred is None else barred)


def assert_equal(found, expected):
    np.testing.assert_array_equal(found.items, expected[0])
    np.testing.assert_array_equal(found.scores, expected[1])


@pytest.mark.parametrize("memory", MEMORY)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_what_is_found_is_the_canonical_ranking(body, room, memory, world, similarity, monkeypatch):
    """Whatever the room, blocks of the device (of 1, 23 or all items), and ties."""
    anchors, items = (Vectors(side, similarity) for side in WORLDS[world])
    queries, expected = anchors.read(slice(None)), ranked(anchors.read(slice(None)), items.read(slice(None)), 20)
    for columns, step in ((23, 7), (1 << 16, 64)):
        monkeypatch.setattr(device, "MOST_COLUMNS", columns)
        found = index(items, MEMORY[memory]).find(queries, 20, plain.nobody(len(queries)), Blocks(64, step, 64))
        assert_equal(found, expected)
        if room == "tight" and world in ("all equal", "near ties"):
            assert found.overflowed == len(queries)
        if room == "roomy" or (world == "random" and similarity == "dot"):
            assert found.overflowed == 0


def test_a_shortlist_that_is_cut_short_is_searched_anew(body):
    """2,500 equal items do not fit in it: every anchor for which they are among the best is given up, and only that."""
    items = np.concatenate([np.full((2500, 8), 0.5, np.float32), made.normal(700, 8, 1)])
    anchors = np.concatenate([np.ones((2, 8), np.float32), -np.ones((3, 8), np.float32)])
    found = index(Vectors(items, "dot")).find(anchors, 300, plain.nobody(5), Blocks(5, 256, 256))
    assert_equal(found, ranked(anchors, items, 300))
    assert found.overflowed == 2


@pytest.mark.parametrize("columns", [16, 1 << 16])
def test_exclusions_and_masks_hold(body, room, columns, monkeypatch):
    monkeypatch.setattr(device, "MOST_COLUMNS", columns)
    anchors, items = made.normal(5, 5, 0), made.normal(100, 5, 1)
    best = np.argsort(-(anchors[1] @ items.T))[:40]
    pairs = [(1, item) for item in best] + [(2, item) for item in range(100) if item != 57]
    excluded = Relation.from_pairs(*np.array([*pairs, *((3, item) for item in range(100))]).T, 5)
    mineable, mask = np.arange(100) != 3, np.random.default_rng(2).random((5, 100)) < 0.3
    mask[2, 57] = False
    vectors = Vectors(items, "dot")
    found = index(vectors, mineable=mineable).find(anchors, 20, excluded, Blocks(9, 7, 16), lambda part: mask[:, part])
    barred = mask.copy()
    barred[excluded.coordinates()], barred[:, 3] = True, True
    assert_equal(found, ranked(anchors, items, 20, barred))
    assert found.items[2].tolist() == [57] + [-1] * 19


@pytest.mark.parametrize(("n_anchors", "n_items"), [(0, 5), (3, 0), (0, 0), (3, 2)])
def test_degenerate_shapes(n_anchors, n_items):
    anchors, items = made.normal(n_anchors, 4, 0), made.normal(n_items, 4, 1)
    found = index(Vectors(items, "dot")).find(anchors, 3, plain.nobody(n_anchors), Blocks(4, 4, 4))
    assert (found.items[:, n_items:] == -1).all()
    assert (found.items[:, : min(3, n_items)] >= 0).all()
    assert found.items.shape == (n_anchors, 3)


def test_no_more_of_the_device_is_used_than_was_free(monkeypatch):
    """The widest product follows from what the items leave; under autocast and gradients it is float32 all the same."""
    items, anchors = Vectors(made.normal(5000, 64, 1), "dot"), made.normal(10, 64, 0)
    seen, product = [], torch.mm

    def watched(left, right, *, out):
        seen.append((left.dtype, right.shape[1]))
        return product(left, right, out=out)

    monkeypatch.setattr(torch, "mm", watched)
    for memory, most in ((10 << 20, 5000), (1 << 20, 780)):
        seen.clear()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = index(items, memory).find(anchors, 50, plain.nobody(10), Blocks(10, 512, 64))
        assert_equal(found, ranked(anchors, items.matrix, 50))
        assert {dtype for dtype, _ in seen} == {torch.float32}
        assert max(width for _, width in seen) == most
    assert columns_within(0, 10, 64) == 1


def test_items_that_stay_are_brought_once(monkeypatch):
    items, reads = Vectors(made.normal(300, 8, 1), "dot"), []
    roughly = Vectors.roughly
    monkeypatch.setattr(Vectors, "roughly", lambda self, rows: reads.append(rows) or roughly(self, rows))
    searched = index(items)
    for _ in range(3):
        searched.find(made.normal(4, 8, 0), 5, plain.nobody(4), Blocks(4, 64, 64))
    assert len(reads) == 1


def test_a_list_is_cut_short_where_its_least_entry_may_still_count():
    scores = np.array([[5, 4, 3, 2], [5, 4, 3, 2.5], [5, 4, 3, 2], [3, 3, 3, 3]], np.float32)
    counts = np.array([4, 4, 3, 4])
    reach = np.array([0.9, 0.5, 9.0, 0.0])
    assert is_cut_short(scores, counts, 3, reach).tolist() == [False, True, False, True]
    assert is_cut_short(scores, counts, 4, reach).tolist() == [True, True, False, True]


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_products_that_round_are_refused(precision, monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "matmul", SimpleNamespace(fp32_precision=precision), raising=False)
    items = Vectors(made.normal(30, 4, 1), "dot")
    with pytest.raises(InputError, match=r"search on cpu needs float32 products, .*set_float32_matmul_precision"):
        index(items).find(made.normal(3, 4, 0), 5, plain.nobody(3), Blocks(4, 4, 4))


def test_a_device_that_runs_out_of_memory_is_named(monkeypatch):
    def full(*_, **__):
        raise torch.cuda.OutOfMemoryError("tried to allocate 3 GiB")

    monkeypatch.setattr(torch, "mm", full)
    with pytest.raises(InputError, match="the memory of cpu ran out: tried to allocate 3 GiB; end what else uses it"):
        index(Vectors(made.normal(30, 4, 1), "dot")).find(made.normal(3, 4, 0), 5, plain.nobody(3), Blocks(4, 4, 4))


@pytest.fixture
def gpu(monkeypatch):
    """Pretend that there is one with so many free bytes."""

    def pretend(free=1 << 34, precision="none"):
        answers = {
            "is_available": True,
            "current_device": 1,
            "mem_get_info": (free, 1 << 35),
            "get_device_name": "GPU of a test",
        }
        for name, answer in answers.items():
            monkeypatch.setattr(torch.cuda, name, partial(lambda given: given, answer))
        monkeypatch.setattr(torch.backends.cuda, "matmul", SimpleNamespace(fp32_precision=precision))
        monkeypatch.setattr(choice, "WORTH_A_LOOK", 1000.0)

    return pretend


def test_a_search_that_needs_an_import_must_be_longer_to_be_worth_a_look(monkeypatch):
    shape = (50_000, 384)
    between = round(choice.WORTH_AN_IMPORT / 4 / 384 / 50_000)
    assert "torch" in sys.modules
    assert choice.is_worth_a_look(between, shape)
    assert not choice.is_worth_a_look(between // 10, shape)
    monkeypatch.delitem(sys.modules, "torch")
    assert not choice.is_worth_a_look(between, shape)
    assert choice.is_worth_a_look(10 * between, shape)


@pytest.mark.parametrize("mode", ["auto", "exact"])
def test_a_gpu_is_chosen_and_named(gpu, mode):
    gpu()
    items = Vectors(made.normal(300, 8, 1), "dot")
    chosen, facts = choose_screen(items, HUNDRED, mode, 0)
    assert isinstance(chosen, OnDevice)
    assert (chosen.device, chosen.free_bytes) == ("cuda:1", 1 << 34)
    assert facts == {"screen": "torch float32 on cuda:1 (GPU of a test)"}


def test_a_gpu_is_left_alone_where_little_is_to_be_done(gpu, monkeypatch):
    gpu()
    monkeypatch.setattr(choice, "WORTH_A_LOOK", 1e6)
    _, facts = choose_screen(Vectors(made.normal(300, 8, 1), "dot"), HUNDRED, "auto", 0)
    assert facts == {"screen": "numpy float32"}


@pytest.mark.parametrize(
    ("settings", "warning"),
    [({"precision": "tf32"}, "rounds its float32 products to TF32"), ({"free": 1 << 20}, "only 1 MB of its memory")],
)
def test_a_gpu_that_is_not_used_is_told(gpu, settings, warning):
    gpu(**settings)
    items = Vectors(made.normal(300, 8, 1), "dot")
    chosen, facts = choose_screen(items, HUNDRED, "auto", 0)
    assert not isinstance(chosen, OnDevice)
    assert warning in facts["warnings"][0]
    assert "cuda:1 is not used for search" in facts["warnings"][0]


def test_without_a_gpu_there_is_none():
    assert torch.cuda.is_available() or find_device(Vectors(made.normal(3, 8, 1), "dot")) == (None, None)


@pytest.mark.parametrize("name", ["NVIDIA_TF32_OVERRIDE", "CUBLAS_EMULATE_SINGLE_PRECISION"])
def test_rounding_by_the_environment_is_seen(name, monkeypatch):
    assert multiplies_float32("cuda")
    monkeypatch.setenv(name, "1")
    assert not multiplies_float32("cuda")
    assert multiplies_float32("cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("world", WORLDS)
def test_a_real_gpu_finds_the_same(world):
    anchors, items = (Vectors(side, "dot") for side in WORLDS[world])
    screen, _ = find_device(items)
    found = ExactIndex(items, np.ones(len(items), bool), screen).find(
        anchors.read(slice(None)), 20, plain.nobody(len(anchors)), Blocks(64, 64, 64)
    )
    assert_equal(found, ranked(anchors.matrix, items.matrix, 20))


def test_memory_that_cannot_be_written_is_shared_without_a_warning(tmp_path, monkeypatch):
    """PyTorch warns once in a process, so the warning is not waited for."""
    np.save(tmp_path / "v.npy", made.normal(30, 4, 1))
    mapped, given, take = np.load(tmp_path / "v.npy", mmap_mode="r"), [], torch.from_numpy
    monkeypatch.setattr(torch, "from_numpy", lambda array: given.append(array.flags.writeable) or take(array))
    tensors = [shared_tensor(one) for one in (mapped, mapped[3:20, ::2], np.array(mapped))]
    assert given == [True, True, True]
    assert tensors[0].data_ptr() == mapped.ctypes.data
    np.testing.assert_array_equal(tensors[1].numpy(), mapped[3:20, ::2])
