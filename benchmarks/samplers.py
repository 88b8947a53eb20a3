"""Negatives drawn while training, in million samples per CPU second, on one thread.

    python benchmarks/samplers.py [--quick]

50,000 users, 40,000 items and 2 million positives, 8 negatives for each positive, in batches of 2,048 positives in a
random order; and a knowledge graph of 500,000 triples. Every call of a contender draws for whole batches, so what it
does for each of them counts: foils also checks that the examples are positives and gives every draw's ``log_q``.
Setting up is not counted. ``limit`` is NumPy's uniform draw without any check, which gives known positives too.
A peer that is not installed has no row, and the results say so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from harness import Aim, Contender, Table, at_least, compare, is_quick, save, single_thread

from foils import Collection, NegativeStream, _compiled
from foils._array import Key
from foils.drawing import Urns
from foils.positives import Examples, Int64, Units
from foils.search import Forbidden
from foils.sources.draws import Drawer

BATCH, NEGATIVES = 2_048, 8
UNIT = "million samples"
WEIGHTS_POWER = 0.75
COMPILED, PLAIN = "foils, compiled", "foils, NumPy"
BLOOM, RECBOLE, PYG = "PyKEEN Basic, Bloom filter", "RecBole", "PyG structured_negative_sampling"
UNCHECKED = "gives known positives as negatives"
PACKAGES = {"PyKEEN": "pykeen", RECBOLE: "recbole", "PyG": "torch_geometric"}
"""Peer → the package that it comes with."""


@dataclass(frozen=True)
class Sizes:
    """How much there is, and how many batches a call draws for."""

    users: int
    items: int
    per_user: int
    triples: int
    fast: int
    slow: int


SIZES = Sizes(5_000, 4_000, 40, 50_000, 20, 2) if is_quick() else Sizes(50_000, 40_000, 40, 500_000, 200, 10)


@dataclass(frozen=True)
class World:
    """Users and their items, and the positives in a random order."""

    data: Collection
    examples: Examples

    def batches(self, count: int) -> Iterator[Examples]:
        """Give this many batches."""
        return (self.examples.take(part) for part in parts(len(self.examples), count))


def parts(total: int, count: int) -> Iterator[Int64]:
    """Give the rows of this many batches, from the front, round and round."""
    return (np.arange(start, start + BATCH) % total for start in range(0, count * BATCH, BATCH))


def main() -> None:
    """Measure and save."""
    world = make_world()
    with single_thread():
        tables = [
            compare("Uniform, 8 per positive", UNIT, uniform(world), reference=COMPILED, notes=notes()),
            compare("Popularity^0.75, 8 per positive", UNIT, popularity(world), reference=COMPILED),
            compare("Without replacement, 8 per positive", UNIT, without_replacement(world), reference=COMPILED),
            compare("Corrupted triples, 8 per triple", UNIT, triples(), reference=COMPILED, notes=notes()),
        ]
    lines = [f"{peer}: {why}." for peer, why in absent()]
    save("samplers", tables, {"aims": aims(tables[0], tables[1]), "lines": lines})


def make_world() -> World:
    """Draw positives, popular items more often."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(SIZES.users), SIZES.per_user)
    items = rng.permutation(SIZES.items)[(rng.random(len(users)) ** 1.5 * SIZES.items).astype(np.int64)]
    data = Collection.from_arrays(np.stack([users, items], axis=1), anchors=SIZES.users, items=SIZES.items)
    examples = data.positives().examples()
    return World(data, examples.take(rng.permutation(len(examples))))


def uniform(world: World) -> list[Contender]:
    """List who draws uniformly."""
    stream, rng = NegativeStream(world.data, "uniform", negatives=NEGATIVES), np.random.default_rng(0)
    limit = contender("limit", SIZES.fast, lambda count: [rng.integers(0, SIZES.items, (BATCH, NEGATIVES), np.int32)
                                                          for _ in range(count)])  # fmt: skip
    peers = [*pykeen_basic(world), *recbole(world, "uniform"), *pyg(world)]
    return [limit, *both_bodies(lambda count: [stream.batch(batch, 0) for batch in world.batches(count)]), *peers]


def popularity(world: World) -> list[Contender]:
    """List who draws by popularity."""
    stream = NegativeStream(world.data, "popularity", negatives=NEGATIVES)
    own = both_bodies(lambda count: [stream.batch(batch, 0) for batch in world.batches(count)])
    return [*own, *recbole(world, "popularity")]


def without_replacement(world: World) -> list[Contender]:
    """List the draws that mining makes: the 8 of a positive differ."""
    positives, key = world.data.positives(), Key(0, "benchmark", 0)
    forbidden = Forbidden.of(positives)
    counts = np.bincount(positives.items, minlength=SIZES.items)
    urns = {"": Urns.whole(SIZES.items), ", by popularity": Urns.weighted(counts**WEIGHTS_POWER)}
    drawers = {name: Drawer.of_one(one, forbidden) for name, one in urns.items()}

    def draw(drawer: Drawer, count: int) -> None:
        for batch in world.batches(count):
            units = Units(batch.anchors, (batch.anchors << 32) | batch.positives, np.arange(BATCH + 1), batch.positives)
            drawer.draw(key, units, NEGATIVES)

    return [one for name, drawer in drawers.items()
            for one in both_bodies(lambda count, drawer=drawer: draw(drawer, count), name)]  # fmt: skip


def triples() -> list[Contender]:
    """List who corrupts triples; the side is drawn too."""
    rng, entities = np.random.default_rng(1), SIZES.triples // 20
    rows = np.unique(np.stack([rng.integers(0, bound, SIZES.triples) for bound in (entities, 40, entities)], 1), axis=0)
    with tempfile.TemporaryDirectory() as place:
        lines = ("\t".join(("e%d", "r%d", "e%d")) % tuple(row) for row in rows.tolist())
        Path(place, "train.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        graph = Collection.from_triples(place)
    order = rng.permutation(len(graph.triples))
    contenders = []
    for recipe in ("bernoulli", "pseudo-typed"):
        stream = NegativeStream(graph, recipe, negatives=NEGATIVES)
        contenders += both_bodies(
            lambda count, stream=stream: [stream.batch(order[part], 0) for part in parts(len(order), count)],
            "" if recipe == "bernoulli" else f", {recipe}",
        )
    return contenders + pykeen_bernoulli(graph, order)


def both_bodies(draw: Callable[[int], object], name: str = "") -> list[Contender]:
    """Let foils draw with compiled kernels, and without."""

    def plain(count: int) -> None:
        found, _compiled.is_available = _compiled.is_available, lambda: False
        try:
            draw(count)
        finally:
            _compiled.is_available = found

    bodies = [(COMPILED, draw)] if _compiled.is_available() else []
    return [contender(body + name, SIZES.fast, run) for body, run in (*bodies, (PLAIN, plain))]


def contender(name: str, count: int, run: Callable[[int], object]) -> Contender:
    """Make a contender that draws for this many batches in a call."""
    return Contender(name, lambda: run(count), count * BATCH * NEGATIVES / 1e6)


def pykeen_basic(world: World) -> list[Contender]:
    """Let PyKEEN corrupt (user, 0, item); users and items share the numbers of its entities."""
    if not is_there("pykeen"):
        return []
    import torch
    from pykeen.sampling import BasicNegativeSampler

    users, items = world.examples.anchors, world.examples.positives
    known = torch.from_numpy(np.stack([users, np.zeros_like(users), items], axis=1))
    options = {"mapped_triples": known, "num_negs_per_pos": NEGATIVES, "corruption_scheme": ("tail",)}
    samplers = {
        "PyKEEN Basic, no filter": (BasicNegativeSampler(**options), SIZES.fast),
        BLOOM: (BasicNegativeSampler(**options, filtered=True, filterer="bloom"), SIZES.fast),
    }
    return [
        contender(name, count, lambda n, one=one: [one.sample(known[part]) for part in parts(len(known), n)])
        for name, (one, count) in samplers.items()
    ]


def pykeen_bernoulli(graph: Collection, order: Int64) -> list[Contender]:
    """Let PyKEEN corrupt the triples of a graph, the side by the rule of Bernoulli."""
    if not is_there("pykeen") or graph.triples is None:
        return []
    import torch
    from pykeen.sampling import BernoulliNegativeSampler

    columns = [graph.triples.heads, graph.triples.relations, graph.triples.tails]
    known = torch.from_numpy(np.stack(columns, axis=1)[order])
    options = {"mapped_triples": known, "num_negs_per_pos": NEGATIVES}
    samplers = {
        "PyKEEN Bernoulli, no filter": BernoulliNegativeSampler(**options),
        "PyKEEN Bernoulli, Bloom filter": BernoulliNegativeSampler(**options, filtered=True, filterer="bloom"),
    }
    return [
        contender(name, SIZES.fast, lambda n, one=one: [one.sample(known[part]) for part in parts(len(known), n)])
        for name, one in samplers.items()
    ]


def recbole(world: World, distribution: str) -> list[Contender]:
    """Let RecBole's Sampler draw; its item 0 is padding, so that everything is moved up by one."""
    if not is_there("recbole"):
        return []
    import torch
    from recbole.sampler import Sampler

    users, items = world.examples.anchors + 1, world.examples.positives + 1
    table = {"user": torch.from_numpy(users), "item": torch.from_numpy(items)}
    dataset = SimpleNamespace(
        uid_field="user", iid_field="item", user_num=SIZES.users + 1, item_num=SIZES.items + 1, inter_feat=table
    )
    sampler = Sampler("train", dataset, distribution, WEIGHTS_POWER).set_phase("train")

    def draw(count: int) -> None:
        for part in parts(len(users), count):
            sampler.sample_by_user_ids(users[part], items[part], NEGATIVES)

    return [contender(RECBOLE, SIZES.slow, draw)]


def pyg(world: World) -> list[Contender]:
    """Let PyTorch Geometric draw one negative for every edge; it takes them all at once."""
    if not is_there("torch_geometric"):
        return []
    import torch
    from torch_geometric.utils import structured_negative_sampling

    edges = torch.from_numpy(np.stack([world.examples.anchors, world.examples.positives]))
    run = lambda: structured_negative_sampling(edges, max(SIZES.users, SIZES.items))  # noqa: E731
    return [Contender(PYG, run, edges.shape[1] / 1e6)]


def is_there(module: str) -> bool:
    """Say whether a peer is installed."""
    return find_spec(module) is not None


def absent() -> list[tuple[str, str]]:
    """List peers that have no rows, with the reason."""
    return [(peer, f"not measured: {package} is not installed") for peer, package in PACKAGES.items()
            if not is_there(package)]  # fmt: skip


def notes() -> dict[str, str]:
    """Say what a reader should know of a contender."""
    dropped = "drops what its filter catches, and some more: fewer negatives"
    unchecked = ("limit", "PyKEEN Basic, no filter", "PyKEEN Bernoulli, no filter")
    return {
        **dict.fromkeys(unchecked, UNCHECKED),
        BLOOM: dropped,
        "PyKEEN Bernoulli, Bloom filter": dropped,
        PYG: "one per positive",
    }


def aims(uniform: Table, popularity: Table) -> list[Aim]:
    """Compare with the bars."""
    names = {row.name for row in uniform.rows}
    bars = [(table, name, bar) for table in (uniform, popularity) for name, bar in ((COMPILED, 20), (PLAIN, 8))]
    reached = [
        Aim(f"{table.title}: {name}, million samples per CPU second", f"≥ {bar}",
            f"{table.row(name).per_cpu_second:.1f}", table.row(name).per_cpu_second >= bar)
        for table, name, bar in bars if name in names
    ]  # fmt: skip
    own, missing = COMPILED if COMPILED in names else PLAIN, dict(absent())
    for peer, bar in ((BLOOM, 5), (RECBOLE, 6), (PYG, 40)):
        what, why = f"{own}, times {peer}", next((why for name, why in missing.items() if peer.startswith(name)), "")
        reached.append(Aim(what, f"≥ {bar}", why, met=False) if why else at_least(what, bar, uniform.ratio(own, peer)))
    return reached


if __name__ == "__main__":
    main()
