"""Fine-tune models of sentence-transformers: retrievers and rerankers.

``fit_full`` trains a whole ``SentenceTransformer`` by InfoNCE, ``fit_reranker`` a ``CrossEncoder`` by binary
cross-entropy, both on sentence-transformers' own trainers. What a batch holds comes from ``foils.training``, the same
as for a static encoder or an adapter:

    pairs --order of the epoch--> rows --mined negatives of the epoch--> texts --> tokens --> model --> loss
                                        known positives: masked ------------------------------^

- Each item of a batch is encoded once, however many anchors it is for. Known positives and their exact duplicates
  are masked, so no batch needs to avoid repetitions.
- Short rows stay short: an anchor with fewer mined negatives gets fewer, never a repetition or a filler.
- Every epoch draws other negatives from those that were mined.
- The order and the draws are functions of seed and epoch; a killed run goes on from its last checkpoint and ends in
  the same weights as one that was never interrupted.

Needs the extra ``train``. PyTorch is imported when a training begins.
"""

from foils.integrations.sentence_transformers.full import fit_full
from foils.integrations.sentence_transformers.outcome import Evaluated, FittedModel
from foils.integrations.sentence_transformers.reranker import fit_reranker
from foils.integrations.sentence_transformers.settings import FullSettings, RerankerSettings

__all__ = ["Evaluated", "FittedModel", "FullSettings", "RerankerSettings", "fit_full", "fit_reranker"]
