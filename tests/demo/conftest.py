"""A small corpus with twins, other answers and hostile strings, and what a demo makes of it."""

import random

import pytest

from foils.demo.clock import Clock
from foils.demo.docstrings import build_corpus
from foils.demo.run import experiment
from foils.demo.settings import DemoSettings
from foils.training import StaticSettings

HOSTILE = "<script>alert('{{ 7*7 }}')</script> =cmd() \x1b[31m & \"quoted\" zürich"


def build_small(anchors=120, seed=0):
    """Every third anchor has two bodies, every second body three names; texts are random words."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(120)]
    carriers = {}
    for number in range(anchors):
        topic = draw.sample(words, 5)
        anchor = f"Answer {' '.join(topic[:4])} {HOSTILE if number % 10 == 0 else ''}".strip()
        for answer in range(2 if number % 3 == 0 else 1):
            body = " ".join([*topic, *draw.choices(words, k=20), HOSTILE if number % 10 == 0 else ""]).strip()
            copies = 3 if number % 2 == 0 else 1
            names = [f"pack{number % 7}.copy{copy}.<b>{number}_{answer}" for copy in range(copies)]
            carriers[f"{anchor}\n\n{body}"] = names
    return build_corpus(carriers, versions={"python": "Test 1.0", "<i>": "2"}, skipped={"a <reason>": 3})


TINY = DemoSettings(
    seeds=2,
    negatives=6,
    static=StaticSettings(dim=16, vocabulary_size=400, epochs=2, batch_size=32, mined_per_anchor=3),
)


@pytest.fixture(scope="session")
def make_corpus():
    return build_small


@pytest.fixture(scope="session")
def tiny():
    return TINY


@pytest.fixture(scope="session")
def corpus():
    return build_small()


@pytest.fixture(scope="session")
def result(corpus):
    return experiment(corpus, TINY, Clock(TINY.steps))
