"""Parquet files joined by copying their row groups: what is read is what was written, and damage is refused."""

import hashlib
import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.errors import DefectError, FolderError
from foils.mining import row_groups
from foils.mining.folder import parquet


def a_table(rows: int, seed: int, width: int = 5) -> pa.Table:
    """Make rows with lists, some of them empty, strings, NaN, and columns with and without a dictionary."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, width + 1, rows)
    offsets = pa.array(np.append(0, np.cumsum(lengths)), pa.int32())
    n = int(lengths.sum())
    values = rng.standard_normal(n).astype(np.float32)
    values[rng.random(n) < 0.2] = np.nan
    reasons = [("kept", "max_score")[code] for code in rng.integers(0, 2, n)]
    columns = {
        "unit_id": pa.array([f"unit {seed} {row}" for row in range(rows)], pa.string()),
        "anchor": pa.array(rng.integers(0, 2**40, rows)),
        "exhausted": pa.array(rng.random(rows) < 0.5),
        "items": pa.ListArray.from_arrays(offsets, pa.array(rng.integers(0, 2**31, n))),
        "reason": pa.ListArray.from_arrays(offsets, pa.array(reasons, pa.string())),
        "score.dense": pa.ListArray.from_arrays(offsets, pa.array(values)),
    }
    return pa.table(columns)


def laid(tmp_path, encoded: list[bytes]):
    shards = []
    for number, content in enumerate(encoded):
        path = tmp_path / f"negatives-{number:05d}.parquet"
        path.write_bytes(content)
        shards.append((path, hashlib.sha256(content).hexdigest()))
    return shards


def spelled(table: pa.Table) -> str:
    return repr(table.to_pydict())


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=20), seed=st.integers(0, 1000))
def test_joined_files_are_read_as_their_tables_one_below_the_other(tmp_path_factory, sizes, seed):
    folder = tmp_path_factory.mktemp("join")
    tables = [a_table(rows, seed + number) for number, rows in enumerate(sizes)]
    target = folder / "negatives.parquet"
    row_groups.join(laid(folder, [parquet(table).to_pybytes() for table in tables]), target)
    file = pq.ParquetFile(target, page_checksum_verification=True)
    assert spelled(file.read()) == spelled(pa.concat_tables(tables))
    assert file.metadata.num_rows == sum(sizes)
    assert [file.metadata.row_group(place).num_rows for place in range(len(sizes))] == sizes
    for place, table in enumerate(tables):
        assert spelled(file.read_row_group(place)) == spelled(table)


@pytest.mark.parametrize(
    "options",
    [
        {"write_page_index": True},
        {"data_page_version": "2.0", "compression": "none"},
        {"use_dictionary": True, "write_statistics": True},
        {"store_schema": True, "sorting_columns": [pq.SortingColumn(0)]},
        {"bloom_filter_options": {"unit_id": {"ndv": 100, "fpp": 0.1}}},
    ],
)
def test_other_ways_of_writing_are_joined_too(tmp_path, options):
    tables = [a_table(30, seed) for seed in range(17)]
    encoded = []
    for table in tables:
        sink = io.BytesIO()
        try:
            pq.write_table(table, sink, **options)
        except TypeError:
            pytest.skip(f"this PyArrow does not know {options}")
        encoded.append(sink.getvalue())
    target = tmp_path / "joined.parquet"
    row_groups.join(laid(tmp_path, encoded), target)
    assert spelled(pq.read_table(target)) == spelled(pa.concat_tables(tables))
    found = pq.read_table(target, filters=[("unit_id", "==", "unit 3 7")])
    assert found["unit_id"].to_pylist() == ["unit 3 7"]


def test_one_file_stays_as_it_is(tmp_path):
    content = parquet(a_table(20, 0)).to_pybytes()
    target = tmp_path / "joined.parquet"
    row_groups.join(laid(tmp_path, [content]), target)
    assert target.read_bytes() == content


def test_places_beyond_32_bits_are_kept():
    raw = parquet(a_table(20, 0)).to_pybytes()
    footer = row_groups.Footer.of(raw[-8 - int.from_bytes(raw[-8:-4], "little") : -8])
    group, spans = footer.groups[0]
    shift = 5 << 32
    moved = row_groups.Footer.of(row_groups._joined([(footer, 0), (footer, shift)]))
    before = [span.value for span in spans if span.path in row_groups.PLACES and span.value]
    after = [span.value for span in moved.groups[1][1] if span.path in row_groups.PLACES and span.value]
    assert after == [place + shift for place in before]
    assert len(group) < len(moved.groups[1][0])


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_file_is_named(tmp_path, damage):
    shards = laid(tmp_path, [parquet(a_table(20, seed)).to_pybytes() for seed in range(3)])
    path = shards[1][0]
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes({"flipped": content, "cut": content[:-3], "empty": b""}[damage])
    with pytest.raises(FolderError, match=r"negatives-00001\.parquet: damaged since it was written.*made again"):
        row_groups.join(shards, tmp_path / "joined.parquet")


def test_files_of_different_schemas_are_not_joined(tmp_path):
    table = a_table(5, 0)
    encoded = [parquet(one).to_pybytes() for one in (table, table.drop_columns(["items"]))]
    with pytest.raises(DefectError, match="schema"):
        row_groups.join(laid(tmp_path, encoded), tmp_path / "joined.parquet")
