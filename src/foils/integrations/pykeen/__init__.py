"""PyKEEN with negatives of foils: samplers for its training loops, and a way between its triples and collections.

    data = foils.Collection.from_triples("umls/")            # or collection_of(PyKEEN's factories)
    factories = triples_factories(data)                      # PyKEEN's ids are then the rows of the collection
    stream = foils.NegativeStream(data, "bernoulli", negatives=8)
    pipeline(training=factories["train"], testing=factories["test"], negative_sampler=stream_sampler(stream), …)

``stream_sampler``      negatives that are drawn in each epoch
``mined_sampler``       negatives that were mined, of which each epoch takes others; one's own by the source ``run``
``triples_factories``   a collection's splits for PyKEEN
``collection_of``       a collection of PyKEEN's splits

PyKEEN hands a sampler batches of triples and does not say which epoch it is. So visits are counted: the e-th time that
a triple is asked for it gets its negatives of epoch e, whatever the batches are, and also where PyKEEN drops the last
batch of an epoch. Known positives of the split are never among them; PyKEEN's own samplers draw them, and its filter
takes them out and leaves fewer. A negative that does not exist is masked.

Needs the extra ``kg``.
"""

from foils.integrations.pykeen.draws import MinedDraws, StreamDraws
from foils.integrations.pykeen.factories import collection_of, triples_factories
from foils.integrations.pykeen.sampler import mined_sampler, stream_sampler
from foils.integrations.pykeen.visits import Visits

__all__ = [
    "MinedDraws",
    "StreamDraws",
    "Visits",
    "collection_of",
    "mined_sampler",
    "stream_sampler",
    "triples_factories",
]
