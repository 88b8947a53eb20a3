"""The offline pipeline: source → scorers → rules → sampler → disk, resumable at the shard."""

from foils.mining.extend import extend
from foils.mining.identity import Execution, Identity
from foils.mining.mine import mine
from foils.mining.mined import Mined

__all__ = ["Execution", "Identity", "Mined", "extend", "mine"]
