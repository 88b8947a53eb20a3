"""foils: the negative-sample engine for representation learning and ranking.

data = foils.Collection.from_beir("scifact/")
mined = foils.mine(data, "nv-retriever", model="minilm", negatives=8, out="runs/a")
rows = mined.to("triplet")
"""

from foils.collection import Collection
from foils.errors import FoilsError, InputError
from foils.formats.datasets import load
from foils.mining import Execution, Mined, mine
from foils.positives import Positives

__version__ = "0.1.0"

__all__ = [
    "Collection",
    "Execution",
    "FoilsError",
    "InputError",
    "Mined",
    "Positives",
    "__version__",
    "load",
    "mine",
]
