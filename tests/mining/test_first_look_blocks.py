"""The first look at units is shallow, so its blocks may have more units in the same memory than the deepest look's."""

from dataclasses import replace

import pytest

from foils.search import Blocks


@pytest.mark.parametrize("memory", [16_000_000, 64_000_000, 1_000_000_000])
def test_first_look_takes_larger_blocks_within_the_same_memory(memory):
    blocks = Blocks.within(memory, dim=384, depth=1600, first_depth=100)
    assert blocks.anchors <= blocks.first
    assert replace(blocks, anchors=blocks.first).most_bytes(dim=384, depth=100, n_items=10**6) <= memory
    assert blocks.most_bytes(dim=384, depth=1600, n_items=10**6) <= memory


def test_a_lean_run_gains_by_it():
    blocks = Blocks.within(64_000_000, dim=384, depth=1600, first_depth=100)
    assert blocks.first > 4 * blocks.anchors


def test_without_a_depth_of_its_own_the_first_look_is_as_the_others():
    blocks = Blocks.within(64_000_000, dim=384, depth=800)
    assert blocks.first == blocks.anchors
