"""``ties="trec"`` equals ir-measures, computed by pytrec_eval, on random rankings with many equal scores."""

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, R, nDCG

from foils.evaluating.metrics import evaluate_ranking, rank_ids
from foils.evaluating.qrels import Qrels

QUERIES, DEPTH, ITEMS = 60, 40, 120
PAIRS = {
    "ndcg": nDCG,
    "ndcg@1": nDCG @ 1,
    "ndcg@10": nDCG @ 10,
    "ndcg@100": nDCG @ 100,
    "mrr": RR,
    "recall@1": R @ 1,
    "recall@10": R @ 10,
    "recall@100": R @ 100,
    "map": AP,
    "map@5": AP @ 5,
    "map@100": AP @ 100,
}


@pytest.mark.parametrize("seed", range(4))
def test_trec_ties_equal_ir_measures(seed):
    rng = np.random.default_rng(seed)
    ids = [f"{'Dé文'[int(draw)]}{number}" for number, draw in enumerate(rng.integers(0, 3, ITEMS))]
    items = np.argsort(rng.random((QUERIES, ITEMS)), axis=1)[:, :DEPTH]
    scores = rng.integers(-3, 4, items.shape).astype(np.float32) / np.float32(3)
    items = np.where(np.arange(DEPTH) < rng.integers(1, DEPTH + 1, QUERIES)[:, None], items, -1)
    judged = rng.random((QUERIES, ITEMS)) < 0.2
    grades = rng.integers(0, 4, judged.shape)
    judged[:, 0], grades[:, 0] = True, 2  # trec_eval has no value for a query without a relevant judgement
    indptr = np.concatenate([[0], np.cumsum(judged.sum(axis=1))])
    qrels = Qrels(indptr, np.nonzero(judged)[1], grades[judged].astype(float))

    ours = evaluate_ranking(items, scores, qrels, list(PAIRS), ties="trec", id_ranks=rank_ids(ids))

    qrels = {str(q): {ids[i]: int(grades[q, i]) for i in np.flatnonzero(judged[q])} for q in range(QUERIES)}
    run = {
        str(q): {ids[i]: float(s) for i, s in zip(items[q], scores[q], strict=True) if i >= 0} for q in range(QUERIES)
    }
    names = {str(measure): name for name, measure in PAIRS.items()}
    results = list(ir_measures.pytrec_eval.iter_calc(list(PAIRS.values()), qrels, run))
    assert len(results) == QUERIES * len(PAIRS)
    for result in results:
        name = names[str(result.measure)]
        assert ours[name][int(result.query_id)] == pytest.approx(result.value, abs=1e-9), (
            name,
            result.query_id,
        )


def test_the_ties_matter_in_these_problems():
    """Guard the test above: with ties broken the other way round, the values differ."""
    rng = np.random.default_rng(0)
    items = np.argsort(rng.random((QUERIES, ITEMS)), axis=1)[:, :DEPTH]
    scores = rng.integers(-3, 4, items.shape).astype(np.float32)
    qrels = Qrels(np.arange(QUERIES + 1), items[:, DEPTH // 2].copy(), np.ones(QUERIES))
    ranks = rank_ids([str(item) for item in range(ITEMS)])
    there, back = (
        evaluate_ranking(items, scores, qrels, ["mrr"], ties="trec", id_ranks=order)["mrr"]
        for order in (ranks, ITEMS - 1 - ranks)
    )
    assert (there != back).mean() > 0.8
