"""How many labels are wrong, from probabilities alone: confident learning (Northcutt et al., 2021).

    t_j = mean p_ij over i labelled j                 an example counts as class j where p_ij ≥ t_j − 1e-6
    C[label, class] = examples that count             the likeliest class where several do; none where none does
    θ_CL = C[0, 1] / (C[0, 0] + C[0, 1])              share of the confident negatives that count as positive

Probabilities must be out of fold: of a model that was not trained on these labels. θ_CL is right only if noise depends
on the class alone and probabilities are calibrated, so it is shown beside a rate that was measured on labels, never in
its place.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foils.positives import Int64

Float64 = npt.NDArray[np.float64]

TOLERANCE = 1e-6
"""Below a threshold and still counted: scores in steps, as of an LLM, lie exactly on it."""


def confident_joint(labels: Int64, probabilities: Float64) -> Int64:
    """Count given labels against confident classes.

    Args:
        labels: int64[n], 0 to K − 1.
        probabilities: float64[n, K], out of fold.

    Returns:
        int64[K, K], rows = given labels, columns = classes; the diagonal is at least 1.
    """
    classes = probabilities.shape[1]
    confident = probabilities >= thresholds(labels, probabilities) - TOLERANCE
    counted = confident.any(axis=1)
    likeliest = np.where(confident, probabilities, -np.inf).argmax(axis=1)
    joint = np.zeros((classes, classes), np.int64)
    np.add.at(joint, (labels[counted], likeliest[counted]), 1)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    return joint


def thresholds(labels: Int64, probabilities: Float64) -> Float64:
    """Give t: float64[K], how sure the model is of a class where it is the label; +inf for a class without a label."""
    classes = probabilities.shape[1]
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, probabilities[np.arange(len(labels)), labels], minlength=classes)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)


def calibrated_joint(joint: Int64, labels: Int64) -> Int64:
    """Scale the joint so that its rows add up to the labels given: int64[K, K].

    Counts are rounded by the largest remainders, so that the sums hold exactly.
    """
    given = np.bincount(labels, minlength=len(joint))
    shares = joint / joint.sum(axis=1, keepdims=True) * given[:, None]
    whole = np.floor(shares).astype(np.int64)
    order = np.argsort(-(shares - whole), axis=1, kind="stable")
    ranks = np.argsort(order, axis=1, kind="stable")
    return np.asarray(whole + (ranks < (given - whole.sum(axis=1))[:, None]), dtype=np.int64)


def confident_rate(joint: Int64) -> float:
    """Give θ_CL, the share of class 0 in a binary joint that counts as class 1."""
    return float(joint[0, 1] / (joint[0, 0] + joint[0, 1]))
