"""Short probes; plan_world.py can be imported by its name."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # plan_world.py


@pytest.fixture(autouse=True)
def short_probes(monkeypatch):
    """No waiting for a second to pass, nor for the disk."""
    for module in ("probe", "encode", "judge"):
        monkeypatch.setattr(f"foils.planning.{module}.PROBE_SECONDS", 0.02)
    monkeypatch.setattr("foils.encoders.encoding.TOLD_TEXTS", 1000)
    monkeypatch.setattr("foils._durable.sync", lambda path: None)
