"""Run the command line in a process of its own, with small shards; wait to be interrupted where that is asked for.

Usage: cli_driver.py PAUSE ARGUMENTS…

After the shard of number PAUSE is written (−1 = never), the process says so on standard error and sleeps.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from foils.cli import main
from foils.mining import prepare
from foils.mining.folder import Folder

SECONDS = 60


def pause_after(shard: int) -> None:
    """Sleep once that shard is written."""
    original = Folder.write_shard

    def write_shard(folder: Folder, name: str, *rest: Any) -> Any:
        written = original(folder, name, *rest)
        if int(name) == shard:
            sys.stderr.write("paused\n")
            sys.stderr.flush()
            time.sleep(SECONDS)
        return written

    Folder.write_shard = write_shard  # type: ignore[method-assign]


if __name__ == "__main__":
    prepare.SHARD_UNITS = 2
    pause_after(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
