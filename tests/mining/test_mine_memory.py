"""Memory is bounded by a budget: an anchors × items array never exists."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from foils.mining import memory
from foils.mining.memory import Effort, PeakMemory, anonymous_bytes

ANCHORS, ITEMS, BUDGET = 4_000, 20_000, 64 << 20
CELLS_BYTES = 4 * ANCHORS * ITEMS  # 320 MB: float32 scores of all pairs
TOLERANCE = 64 << 20
"""Beyond the budget: Arrow's pools and its threads' stacks, the tables of one shard, ids, and what Python keeps."""

PROCESS = """
import json, sys
import numpy as np
from foils.collection import Collection
from foils.mining import Execution, memory, mine

memory.SECONDS = 0.005
anchors, items, budget = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
queries, corpus = (rng.standard_normal((rows, 32), dtype=np.float32) for rows in (anchors, items))

def run(anchors, items):
    data = Collection.from_arrays([(row, row) for row in range(anchors)], anchors=anchors, items=items)
    before = memory.anonymous_bytes()
    with memory.PeakMemory() as peak:
        mined = mine(
            data, "naive-top-k", negatives=8, query_vectors=queries[:anchors], item_vectors=corpus[:items],
            settings=["source.dense.k=50"], execution=Execution(memory_bytes=budget),
        )
    return peak.peak - before, mined.stats["negatives"]

run(64, 100)  # what is needed once in a process
few, _ = run(anchors // 4, items)
many, negatives = run(anchors, items)
print(json.dumps([few, many, negatives]))
"""


@pytest.mark.skipif(anonymous_bytes() is None, reason="only Linux tells how much anonymous memory a process has")
def test_peak_memory_follows_the_budget_and_not_the_number_of_pairs():
    command = [sys.executable, "-c", PROCESS, str(ANCHORS), str(ITEMS), str(BUDGET)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    few, many, negatives = json.loads(done.stdout)
    assert negatives == 8 * ANCHORS
    assert few < BUDGET + TOLERANCE
    assert few + many < BUDGET + TOLERANCE < CELLS_BYTES / 2  # the second run uses again what the first one freed


def test_the_peak_of_a_block_of_code_is_seen(monkeypatch):
    now = iter([5, 9, 2, 2, 2, 2, 2])
    monkeypatch.setattr(memory, "anonymous_bytes", lambda: next(now, 2))
    monkeypatch.setattr(memory, "SECONDS", 0.001)
    with PeakMemory() as peak:
        time.sleep(0.05)
    assert peak.peak == 9


@pytest.mark.skipif(anonymous_bytes() is None, reason="only Linux tells how much anonymous memory a process has")
def test_anonymous_memory_grows_with_what_is_held():
    before = anonymous_bytes()
    held = bytearray(b"\1" * (64 << 20))
    assert anonymous_bytes() - before > 60 << 20
    del held


def test_a_system_without_proc_tells_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "STATUS", Path(tmp_path / "none"))
    assert anonymous_bytes() is None
    with PeakMemory() as peak:
        pass
    assert peak.peak is None
    assert peak.lap().peak_anonymous_bytes is None


def test_laps_add_up_and_the_highest_peak_stays():
    total = Effort.total([Effort(1.0, 2.0, 7), Effort(0.5, 0.25, None), Effort(0.0, 0.0, 9)])
    assert total == Effort(1.5, 2.25, 9)
    assert Effort.total([]) == Effort(0, 0, None)
    with PeakMemory() as peak:
        first = peak.lap()
        time.sleep(0.02)
        second = peak.lap()
    assert second.wall_seconds >= 0.02 > first.wall_seconds >= 0
    assert second.cpu_seconds >= 0
