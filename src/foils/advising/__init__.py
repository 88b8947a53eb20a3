"""Advice: does mining pay on this data, and which recipe? Tried out on a sample, with intervals.

    a sample of the anchors ──> trained with in-batch negatives only          reference
                            ├─> + uniform                                     negatives that cost nothing
                            ├─> + naive-top-k                                 the nearest, unchecked
                            └─> + nv-retriever                                the nearest, checked against the positive

Every arm trains from the same start with the same seeds and is evaluated on the same held-out anchors, so
differences are paired. The rules that turn them into a recommendation are fixed in ``verdict``; "mining does not pay
here" is one of their answers, and "this sample cannot tell" is another.
"""

from foils.advising.advise import advise
from foils.advising.result import Advice, Arm, Cost
from foils.advising.settings import AdviceSettings
from foils.advising.trainers import chosen_kind

__all__ = ["Advice", "AdviceSettings", "Arm", "Cost", "advise", "chosen_kind"]
