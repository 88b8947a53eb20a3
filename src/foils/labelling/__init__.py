"""Labels that people give to mined negatives, and what follows from them.

A *design* draws which pairs are labelled, with known chances (``foils.estimating``); it and every label stand in
``labels.sqlite`` beside the tables of a result. A pair is (anchor id, item id), so that a label serves any result of
the same data. ``store`` keeps labels safe, ``exchange`` writes and reads files of them, ``measure`` turns them
into rates.
"""

from foils.labelling.drawn import DEFAULT_LABELS, StoredDesign, stored_or_drawn
from foils.labelling.exchange import Imported, export_labels, import_labels
from foils.labelling.labels import Labels, read_labels
from foils.labelling.measure import Counted, Fixed, Look, Measured, Part, counted, last_look, measure, next_look
from foils.labelling.population import Negatives, negatives_of
from foils.labelling.store import FILE, LabelStore

__all__ = [
    "DEFAULT_LABELS",
    "FILE",
    "Counted",
    "Fixed",
    "Imported",
    "LabelStore",
    "Labels",
    "Look",
    "Measured",
    "Negatives",
    "Part",
    "StoredDesign",
    "counted",
    "export_labels",
    "import_labels",
    "last_look",
    "measure",
    "negatives_of",
    "next_look",
    "read_labels",
    "stored_or_drawn",
]
