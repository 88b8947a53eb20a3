"""Plans: what a run will take, before it runs. Time, memory, disk, texts to encode, pairs to judge.

Nothing is looked up in a table of machines: a *probe* carries out a little of each stage, here and with this data.

    texts ──not in the cache──> a second of them is encoded, lengths as in the whole ──x missing──> encoding
    units ──────> blocks as large as the run's, on as many threads ──x units──> mining, disk, pairs to judge
    tables ─────> written to memory ──x units──> writing and joining

What takes long to build (the index of BM25, a graph) is built for two parts of the items where there are many, and the
times are carried on by their power law. Before vectors or judgements exist, nobody can know which units come out short,
so then every unit is looked at once, no rule rejects anything, and the plan says so.
"""

from foils.planning.plan import plan
from foils.planning.result import Encoding, Judging, Plan, Stage

__all__ = ["Encoding", "Judging", "Plan", "Stage", "plan"]
