"""Training: from judged pairs, and the negatives that were mined for them, to an encoder.

Two kinds need neither PyTorch nor a network. ``foils.integrations`` has those that fine-tune a whole model.

The *static* encoder: a vector per token, a text is the normalised mean of its tokens. It trains in seconds and
finds what BM25 finds and somewhat more, so it serves as the model that mines, as the yardstick of mined negatives,
and as an honest baseline.

    texts --bags--> token shares --E--> means --normalise--> vectors --info_nce--> loss
                                    ^------------- Adagrad, the batch's tokens only ----'

``bag_collection`` learns a tokenizer and tokenises a collection; ``fit_static`` trains; the ``StaticEncoder``
encodes, and is saved in the model2vec format.

The *adapter*: a matrix behind any encoder whose vectors are there already; ``fit_adapter`` trains it.

    frozen vectors --I + D--> mapped --normalise--> vectors --info_nce--> loss
                       ^----------------- Adam -----------------------'

What an anchor is pushed away from is set by ``negatives``:

- ``in_batch``: the other items of the batch, uniform over the training pairs, so popular items come often;
- ``mined``: its own mined negatives and nothing else;
- ``both`` (default): the batch's items and everybody's mined negatives, where there are any.

In each, known positives of the anchor and their exact duplicates are masked: minus infinity in the softmax. Mined
negatives may count in part only (``weights``, see ``foils.weights``): their log-weight is added to the logit.
"""

from foils.training.adapter import FittedAdapter, fit_adapter
from foils.training.adapter_settings import AdapterSettings
from foils.training.adapter_state import Epoch
from foils.training.fit import Progress, fit_static
from foils.training.info_nce import Cells, LossAndGradients, Mask, Offsets, info_nce
from foils.training.pool import MinedNegatives, MinedResult, as_rows
from foils.training.settings import StaticSettings
from foils.training.texts import CollectionBags, bag_collection

__all__ = [
    "AdapterSettings",
    "Cells",
    "CollectionBags",
    "Epoch",
    "FittedAdapter",
    "LossAndGradients",
    "Mask",
    "MinedNegatives",
    "MinedResult",
    "Offsets",
    "Progress",
    "StaticSettings",
    "as_rows",
    "bag_collection",
    "fit_adapter",
    "fit_static",
    "info_nce",
]
