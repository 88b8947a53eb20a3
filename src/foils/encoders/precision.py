"""Which arithmetic a model encodes in: bfloat16 where the machine is fast at it and the vectors hardly move.

    v = a text's vector in float32,  w = with products in bfloat16:   cos(v, w) >= 0.9999 for every text of a sample

The weights stay float32. ``torch.autocast`` rounds the factors of products to bfloat16 and leaves norms, softmax and
pooling in float32: that is closer to float32 than weights in bfloat16 are, about as fast, and vectors keep length 1.

The sample is fixed, so that the answer follows from the model alone, and not from which texts came first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from foils._processor import multiplies_bfloat16
from foils.encoders.encoder import Float32
from foils.encoders.fingerprints import write_whole

Arithmetic = Literal["float32", "bfloat16", "float16"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""``auto`` is bfloat16 where the machine is fast at it and the model passes the check, else float32."""

LEAST_COSINE = 0.9999
"""Between a text's two vectors. Below it, ranks of near neighbours begin to change for more than a few texts."""

CHECK = "bfloat16 check/1"
"""Changes when the sample does."""

SENTENCES = (
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "who was the first woman to win the nobel prize in physics",
    "A randomised trial of 1,204 patients found no difference in mortality at 30 days (p = 0.48).",
    "def area(radius):\n    return 3.14159 * radius ** 2",
    "El tren de las siete y cuarto llega con veinte minutos de retraso.",
    "Wireless over-ear headphones, black, 30 h battery, noise cancelling, foldable",
    "how to reset a forgotten router password",
    "Le contrat prend fin de plein droit si le loyer n'est pas payé dans les trente jours.",
    "The court held that the defendant's silence could not be taken as consent.",
    "नदी के किनारे एक पुराना मंदिर है, जहाँ हर साल मेला लगता है।",
    "SELECT name, COUNT(*) FROM orders WHERE total > 100 GROUP BY name;",
    "東京から大阪まで新幹線で二時間半かかります。",
    "Preheat the oven to 220 °C, knead the dough for ten minutes and let it rest.",
    "Die Brücke wurde 1894 eröffnet und im Krieg zerstört.",
    "gene expression of TGF-beta receptors in murine fibroblasts",
    "Yes.",
)
LENGTHS = (1, 1, 2, 3, 5, 8)
"""Sentences of a text of the sample, in turn."""
SAMPLE = tuple(
    " ".join(SENTENCES[(5 * text + place) % len(SENTENCES)] for place in range(LENGTHS[text % len(LENGTHS)]))
    for text in range(48)
)


def is_fast_at_bfloat16(device: str | None) -> bool:
    """Tell whether the machine multiplies bfloat16 in hardware.

    Args:
        device: such as ``cuda``; None = the best there is.
    """
    torch: Any = import_module("torch")
    kind = best_device() if device is None else torch.device(device).type
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return kind == "cpu" and multiplies_bfloat16()


def best_device() -> str:
    """Name the kind of device that models are put on where none is asked for."""
    torch: Any = import_module("torch")
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def lowest_cosine(vectors: Float32, others: Float32) -> float:
    """Compare row by row; a row of zeros on both sides counts as equal, NaN as opposite."""
    left, right = np.asarray(vectors, np.float64), np.asarray(others, np.float64)
    squares = (left * left).sum(axis=1), (right * right).sum(axis=1)
    lengths = np.sqrt(squares[0] * squares[1])
    equal = np.where(squares[0] == squares[1], 1.0, -1.0)
    cosines = np.divide((left * right).sum(axis=1), lengths, out=equal, where=lengths != 0)
    return float(np.nan_to_num(cosines, nan=-1.0).min())


def remembered(memo: Path | None, digest: str, measure: Callable[[], float]) -> float:
    """Give what ``measure`` gave for this model before, or measure and remember it.

    Args:
        memo: folder where it is remembered; None = measure anew.
        digest: of the model.
        measure: gives the lowest cosine of the sample.
    """
    torch: Any = import_module("torch")
    check = f"{CHECK}, torch {torch.__version__}"
    path = None if memo is None else memo / f"{digest}.precision.json"
    known: Any = {}
    if path is not None:
        with suppress(OSError, ValueError):  # not there, or broken: then it is measured again
            known = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(known, dict) and known.get("check") == check and isinstance(known.get("lowest_cosine"), float):
        return float(known["lowest_cosine"])
    cosine = measure()
    if path is not None:
        about = json.dumps({"check": check, "texts": len(SAMPLE), "lowest_cosine": cosine}, indent=2) + "\n"
        with suppress(OSError):
            write_whole(path, lambda partial: partial.write_text(about, encoding="utf-8"))
    return cosine
