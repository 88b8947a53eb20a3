"""Fixtures of the calibration's tests: several shards, no waiting for the disk, and worlds whose truth is known."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # calibrating_world.py


@pytest.fixture(scope="module", autouse=True)
def several_shards():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("foils.mining.prepare.SHARD_UNITS", 32)
        patched.setattr("foils._durable.sync", lambda path: None)
        yield
