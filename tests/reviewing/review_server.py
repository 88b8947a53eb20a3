"""``foils review`` as a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from label_world import World


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    address: str

    @classmethod
    @contextmanager
    def started(cls, world: World, *options: str) -> Iterator[Server]:
        """Start it, and see to it that it does not outlive the block."""
        code = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); import foils.cli; "
        arguments = ["review", str(world.out), "--data", str(world.data), "--no-browser", *options]
        command = [sys.executable, "-c", f"{code} sys.exit(foils.cli.main({arguments!r}))"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                line = process.stdout.readline()
                found = re.search(r"http://\S+", line)
                assert found, line + process.stderr.read()
                yield cls(process, found[0])
            finally:
                if process.poll() is None:
                    process.kill()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.address.split(":")[2].partition("/")[0])

    def end(self, signal_: signal.Signals) -> tuple[int, str]:
        """Send a signal; gives the exit code and what it said on standard error."""
        self.process.send_signal(signal_)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said
