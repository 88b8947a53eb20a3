"""SIGKILL at any moment: every label that was acknowledged is there, and none twice."""

import os
import random
import signal
import subprocess
import sys
import time

from foils.labelling import LabelStore

WRITERS = """
import os, sys
from pathlib import Path
from foils.estimating import Label
from foils.labelling.events import Event
from foils.labelling.store import LabelStore

def write(store, first):
    for number in range(first, first + 1000):
        store.create()
        event = Event(f"token {number}", "a", str(number), Label(number % 2))
        store.record(event, 0)
        os.write(1, f"{number}\\n".encode())
        if number % 3 == 0:  # what a browser does that got no answer
            store.record(event, 0)

for line in sys.stdin:  # one writer for each line; importing once saves seconds
    if child := os.fork():
        os.write(1, f"pid {child}\\n".encode())
        os.waitpid(child, 0)
        os.write(1, b"gone\\n")
    else:
        write(LabelStore.of(Path(sys.argv[1])), int(line))
        os._exit(0)
"""
KILLS = 12


def test_a_writer_that_is_killed_again_and_again(tmp_path):
    chance, store, acknowledged = random.Random(0), LabelStore.of(tmp_path), set()
    command = [sys.executable, "-c", WRITERS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writers:
        for kill in range(KILLS):
            writers.stdin.write(f"{1000 * kill}\n")
            writers.stdin.flush()
            lines = []
            while not any(line.startswith("pid") for line in lines):
                lines.append(writers.stdout.readline())
            time.sleep(chance.uniform(0.0, 0.15))
            pid = next(line for line in lines if line.startswith("pid"))
            os.kill(int(pid.split()[1]), signal.SIGKILL)
            while lines[-1] != "gone\n":
                lines.append(writers.stdout.readline())
            acknowledged |= {int(line) for line in lines if line[:-1].isdigit()}
            store.create()
            given = store.given()
            there = [int(one.item_id) for one in given]
            assert len(there) == len(set(there))
            assert acknowledged <= set(there)
            assert len(there) <= len(acknowledged) + kill + 1  # one more a kill: stored, and not yet acknowledged
            assert all(one.label == int(one.item_id) % 2 for one in given)
        writers.stdin.close()
    assert len(acknowledged) > KILLS
