"""Small worlds in which it is known whether mining pays."""

import numpy as np

from foils.collection import Collection

LETTERS = list("abcdefghijklmnopqrstuvwxyz")


def words(rng, count):
    """Words of random letters."""
    return ["".join(rng.choice(LETTERS, 7)) for _ in range(count)]


def world(topics=90, *, rivals, seed=0):
    """Each query names a topic, and asks for it in small talk that its positive does not repeat.

    Args:
        topics: one query each.
        rivals: items of the same topic that do repeat the small talk, and so look nearer. In-batch negatives are
            positives of others: small talk never occurs in them, and only mined ones teach that it means nothing.
            Without rivals the topic is all that is needed.
        seed: of the words.
    """
    rng = np.random.default_rng(seed)
    names = [" ".join(words(rng, 2)) for _ in range(topics)]
    talk, answers = words(rng, 3), words(rng, 20)
    queries, items, pairs = [], [], []
    for topic, name in enumerate(names):
        said = str(rng.choice(talk))
        queries.append(f"{name} {said}")
        pairs.append((topic, len(items)))
        items.append(f"{name} {rng.choice(answers)}")
        items += [f"{name} {said} {answer}" for answer in rng.choice(answers, rivals, replace=False)]
    return Collection.from_arrays(pairs, anchors=queries, items=items)
