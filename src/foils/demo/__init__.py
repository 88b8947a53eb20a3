"""The demo: the main job on the documentation that every machine has.

``docstrings`` reads it, ``truth`` labels and splits it, ``experiment`` runs a seed on what ``bench`` prepared,
``rows`` estimates with the ``measures``, ``conclusion`` says what the numbers allow, ``table`` and ``report`` show
them. ``run_demo`` does it all.
"""

from foils.demo.result import DemoResult
from foils.demo.run import run_demo
from foils.demo.settings import DemoSettings
from foils.demo.table import render

__all__ = ["DemoResult", "DemoSettings", "render", "run_demo"]
