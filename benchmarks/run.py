"""Run a benchmark under both settings of the BLAS, each in a fresh process.

    python benchmarks/run.py search            # docs/speed/search.json, both settings
    python benchmarks/run.py all --quick       # try all of them with small sizes; nothing is saved

The first process has the environment as found. The second has OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE unset; where
neither was set, that is what the first had already, and the second gets the pin instead that gives every processor the
kernels of one without AVX-512. Further arguments go to the script. Afterwards ``make tables`` writes docs/speed.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hardware import PINS

FOLDER = Path(__file__).resolve().parent
WITHOUT_AVX512 = {"OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_L2_SIZE": "512"}


def main(arguments: list[str]) -> int:
    """Return the exit code: 0, or 1 if a script failed, 2 if there is none of that name."""
    known = names()
    if not arguments or arguments[0] not in (*known, "all"):
        sys.stderr.write(f"usage: python benchmarks/run.py NAME [ARGUMENT...]; names: {', '.join(known)}, all\n")
        return 2
    chosen = known if arguments[0] == "all" else [arguments[0]]
    failed = []
    for name in chosen:
        for environment in environments(os.environ):
            pins = " ".join(f"{pin}={environment[pin]}" for pin in PINS if pin in environment) or "unpinned"
            sys.stdout.write(f"\n{name}, {pins}\n")
            sys.stdout.flush()
            command = [sys.executable, str(FOLDER / f"{name}.py"), *arguments[1:]]
            if subprocess.run(command, env=environment, check=False).returncode != 0:
                failed.append(f"{name} ({pins})")
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def names() -> list[str]:
    """Name the scripts that save results under their own name."""
    scripts = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}
    return sorted(name for name, text in scripts.items() if f'save("{name}"' in text)


def environments(found: Mapping[str, str]) -> list[dict[str, str]]:
    """Give the environment as found, and the other one."""
    unpinned = {name: value for name, value in found.items() if name not in PINS}
    if len(unpinned) < len(found):
        return [dict(found), unpinned]
    return [dict(found), {**unpinned, **WITHOUT_AVX512}]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
