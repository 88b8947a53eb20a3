"""Where the tests of foils.compat find their toy models."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # compat_toys.py
