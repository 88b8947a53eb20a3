"""foils: the negative-sample engine for representation learning and ranking.

data = foils.Collection.from_beir("scifact/")
mined = foils.mine(data, "nv-retriever", model="minilm", negatives=8, out="runs/a")
rows = mined.to("triplet")
"""

from foils import constraints
from foils.advising import advise
from foils.auditing import audit
from foils.calibrating import calibrate
from foils.collection import Collection
from foils.errors import FoilsError, InputError
from foils.formats.datasets import load
from foils.mining import Execution, Mined, extend, mine
from foils.planning import plan
from foils.positives import Examples, Positives
from foils.streaming import NegativeStream

__version__ = "0.1.0"

__all__ = [
    "Collection",
    "Examples",
    "Execution",
    "FoilsError",
    "InputError",
    "Mined",
    "NegativeStream",
    "Positives",
    "__version__",
    "advise",
    "audit",
    "calibrate",
    "constraints",
    "extend",
    "load",
    "mine",
    "plan",
]
