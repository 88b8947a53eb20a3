"""Encoders: texts to vectors.

``open_encoder`` opens a model by its folder or name:

static    a folder in the model2vec format (``foils train --kind static`` saves one); no PyTorch
sentence  a folder of sentence-transformers (one with modules.json), or its name on the Hugging Face hub
minilm    all-MiniLM-L6-v2 from the package that carries its weights

``as_encoder`` also takes a model in memory, or any function from texts to vectors. Anchors and items may be encoded
differently (by prompts, or by towers of their own), so an encoder is told which *side* the texts are from. What the
vectors of a side follow from is the encoder's ``identity``: the key under which ``cache`` keeps them.
"""

from foils.encoders.cache import VectorCache
from foils.encoders.callables import CallableEncoder
from foils.encoders.encoder import Encoder, Side
from foils.encoders.encoding import encode_collection, encode_records, texts_at, texts_to_encode
from foils.encoders.files import check_new
from foils.encoders.opening import as_encoder, open_encoder
from foils.encoders.sentence import SentenceEncoder
from foils.encoders.static import StaticEncoder

__all__ = [
    "CallableEncoder",
    "Encoder",
    "SentenceEncoder",
    "Side",
    "StaticEncoder",
    "VectorCache",
    "as_encoder",
    "check_new",
    "encode_collection",
    "encode_records",
    "open_encoder",
    "texts_at",
    "texts_to_encode",
]
