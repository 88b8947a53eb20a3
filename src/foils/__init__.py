"""foils: the negative-sample engine for representation learning and ranking."""

from foils.collection import Collection
from foils.errors import FoilsError, InputError
from foils.positives import Positives

__version__ = "0.1.0"

__all__ = ["Collection", "FoilsError", "InputError", "Positives", "__version__"]
