"""Fit calibrators to labels or to a stronger scorer, and see how far they can be trusted.

``pairs`` finds the labelled candidates of a result, ``fit`` fits, ``reliability`` measures, ``calibrate`` does all of
it with cross-fitting by anchor, ``calibration`` keeps what comes out, ``plot`` draws it.
"""

from foils.calibrating.calibrate import calibrate
from foils.calibrating.calibration import Calibration, read_calibration
from foils.calibrating.pairs import Labels
from foils.calibrating.plot import write_plot
from foils.calibrating.reliability import Bin, Reliability, reliability

__all__ = [
    "Bin",
    "Calibration",
    "Labels",
    "Reliability",
    "calibrate",
    "read_calibration",
    "reliability",
    "write_plot",
]
