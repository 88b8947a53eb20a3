"""Shards at work: the next one is settled while one is written, short units are searched together, failures stop it."""

import threading
from pathlib import Path

import pytest
from mining_problem import file_bytes, finished_shards, problem

from foils.mining import Execution, shard
from foils.mining.folder import Folder
from foils.mining.run import AHEAD
from foils.mining.settle import Search

DEEP = Path(__file__).with_name("deep.yaml")


def spied_searches(monkeypatch) -> list[tuple[int, int]]:
    """Note (depth, units) of each search."""
    searches = []
    original = Search.candidates

    def candidates(search, rows, depth):
        searches.append((depth, len(rows)))
        return original(search, rows, depth)

    monkeypatch.setattr(Search, "candidates", candidates)
    return searches


def test_the_short_units_of_a_shard_are_searched_together(tmp_path, monkeypatch):
    this = problem()
    wanted = file_bytes(this.mine(DEEP, tmp_path / "whole", execution=Execution(threads=1)).path)
    depths = this.mine(DEEP).stats["units_by_searched_depth"]
    searches = spied_searches(monkeypatch)
    this.mine(DEEP, tmp_path / "out", execution=Execution(threads=8))
    assert file_bytes(tmp_path / "out") == wanted
    by_depth = {depth: [units for found, units in searches if found == depth] for depth, _ in searches}
    assert len(by_depth[5]) == 4 + 4 + 4  # two shards at a time: a block for every thread
    for depth in (10, 20, 40):
        assert len(by_depth[depth]) <= 3  # one for each shard, however many blocks the units came from
    settled = {int(depth): units for depth, units in depths.items()}
    for depth, deeper in ((10, (10, 20, 40)), (20, (20, 40)), (40, (40,))):
        assert sum(by_depth[depth]) == sum(settled.get(one, 0) for one in deeper)


@pytest.mark.parametrize("block", [1, 3, 7, 64])
@pytest.mark.parametrize("threads", [1, 3])
def test_tables_do_not_depend_on_blocks_and_threads(tmp_path, block, threads):
    this = problem()
    wanted = file_bytes(this.mine(DEEP, tmp_path / "whole").path)
    this.mine(DEEP, tmp_path / "out", execution=Execution(block=block, threads=threads))
    assert file_bytes(tmp_path / "out") == wanted


def test_the_next_shard_is_settled_while_one_is_written_and_no_more(tmp_path, monkeypatch):
    events, seconds_begun = [], threading.Event()
    begin, write = shard.Settling.__init__, Folder.write_shard

    def settling(self, job, span, pool, threads):
        events.append(("begin", span.start // 16))
        begin(self, job, span, pool, threads)
        for look in self._looks:
            look.part.add_done_callback(lambda _: seconds_begun.set() if span.start else None)

    def write_shard(folder, name, *rest):
        if name == "00000":
            assert seconds_begun.wait(60)  # would never come if the threads were idle
        events.append(("write", int(name)))
        return write(folder, name, *rest)

    monkeypatch.setattr(shard.Settling, "__init__", settling)
    monkeypatch.setattr(Folder, "write_shard", write_shard)
    this = problem(anchors=90)
    this.mine(DEEP, tmp_path / "out")
    shards = 80 // 16
    assert [number for what, number in events if what == "write"] == list(range(shards))
    for place, (what, number) in enumerate(events):
        if what == "begin":
            assert number - sum(1 for other, _ in events[:place] if other == "write") <= AHEAD


@pytest.mark.parametrize("error", [RuntimeError("the worker is dead"), MemoryError(), OSError(5, "the disk")])
def test_a_failure_on_a_thread_stops_the_run_and_keeps_what_was_finished(tmp_path, monkeypatch, error):
    this, out = problem(), tmp_path / "out"
    wanted = file_bytes(this.mine(DEEP, tmp_path / "whole").path)
    with monkeypatch.context() as patch:
        whole = Search.candidates

        def candidates(search, rows, depth):
            if search.units.anchors[rows].max() > 18:  # of the second shard
                raise error
            return whole(search, rows, depth)

        patch.setattr(Search, "candidates", candidates)
        before = threading.active_count()
        with pytest.raises(type(error)):
            this.mine(DEEP, out)
        assert threading.active_count() == before
    assert finished_shards(out) == ["00000"]
    searches = spied_searches(monkeypatch)
    this.mine(DEEP, out)
    assert sum(units for depth, units in searches if depth == 5) == 20
    assert file_bytes(out) == wanted


def test_progress_starts_at_what_is_there_and_never_falls(tmp_path):
    this, out, seen = problem(), tmp_path / "out", []

    def interrupt(done: int, total: int) -> None:
        if done > 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        this.mine(DEEP, out, progress=interrupt)
    this.mine(DEEP, out, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (16, 36)
    assert seen[-1] == (36, 36)
    assert seen == sorted(set(seen))
