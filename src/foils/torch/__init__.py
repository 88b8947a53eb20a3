"""The training step, for a plain PyTorch loop: a loss that knows the positives, and what feeds it.

    loss = foils.torch.InfoNCE(temperature=0.05, positives=data.positives(), rules=[foils.rules.RelativeMargin(0.05)])
    out = loss(anchor_vectors, positive_vectors, anchors=batch.anchors, items=batch.items)
    out.loss.backward()

    InfoNCE       softmax over the batch's items and given negatives; known positives and what rules reject are masked
    SymmetricKL   a judge's soft scores as labels of a list
    MinedDataset  the pairs of a mined result, each with negatives that rotate through its pool by epoch
    Collator      makes batches of them: global rows, and texts or vectors
    hardest       the highest-scored of drawn negatives (dynamic negative sampling)

Everything is told apart by global rows: −1 = absent, −2 = a new item that has no row. Import it as ``foils.torch``; it
needs the extra ``torch`` and nothing else in foils does.
"""

from importlib.util import find_spec

from foils.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError("PyTorch", "torch")

from foils.torch.collate import Batch, Collator
from foils.torch.hardest import Hardest, hardest
from foils.torch.info_nce import Guide, InfoNCE, LossOutput
from foils.torch.mined import MinedDataset
from foils.torch.symmetric_kl import SymmetricKL

__all__ = ["Batch", "Collator", "Guide", "Hardest", "InfoNCE", "LossOutput", "MinedDataset", "SymmetricKL", "hardest"]
