"""The sampler for PyKEEN: visits are epochs, negatives are the stream's, and what cannot work is refused.

PyKEEN itself is no dependency of the tests; what foils uses of it is replaced by stand-ins of the same shape.
"""

import types

import numpy as np
import pytest
import torch

import foils
from foils.errors import DataError, InputError, MissingExtraError
from foils.integrations import pykeen

LINES = ["a\tlikes\tb", "a\tlikes\tc", "b\tlikes\tc", "d\tknows\ta", "c\tknows\td", "e\tknows\te", "f\tlikes\ta"]


@pytest.fixture
def graph(tmp_path):
    folder = tmp_path / "graph"
    folder.mkdir()
    (folder / "train.tsv").write_text("\n".join(LINES[:5]) + "\n")
    (folder / "test.tsv").write_text("\n".join(LINES[5:]) + "\n")
    return foils.Collection.from_triples(folder)


def triples_of(data, split="train"):
    triples = data.triples
    kept = triples.splits == data.splits.index(split)
    return np.stack([triples.heads, triples.relations, triples.tails], axis=1)[kept]


class Base(torch.nn.Module):
    """Stands in for pykeen.sampling.NegativeSampler."""

    def __init__(self, *, mapped_triples, num_entities, num_relations, num_negs_per_pos):
        super().__init__()
        self.num_entities, self.num_negs_per_pos = num_entities, num_negs_per_pos
        self.num_relations = num_relations or int(mapped_triples[:, 1].max()) + 1


class Factory:
    """Stands in for pykeen.triples.TriplesFactory."""

    def __init__(self, *, mapped_triples, entity_to_id, relation_to_id):
        self.mapped_triples, self.entity_to_id, self.relation_to_id = mapped_triples, entity_to_id, relation_to_id

    def label_triples(self, triples):
        sides = [{row: name for name, row in ids.items()} for ids in (self.entity_to_id, self.relation_to_id)]
        return np.array([[sides[0][h], sides[1][r], sides[0][t]] for h, r, t in triples.tolist()])


@pytest.fixture
def stand_ins(monkeypatch):
    modules = {
        "pykeen.sampling": types.SimpleNamespace(NegativeSampler=Base),
        "pykeen.triples": types.SimpleNamespace(TriplesFactory=Factory),
    }
    for user in ("sampler", "factories"):
        monkeypatch.setattr(f"foils.integrations.pykeen.{user}.module", modules.__getitem__)


def test_the_visits_of_each_triple_are_counted():
    triples = np.array([[0, 0, 1], [2, 1, 0], [1, 0, 2]])
    visits = pykeen.Visits(triples, first_epoch=5)
    assert visits.count(triples[[1, 0]]).tolist() == [5, 5]
    assert visits.count(triples[[2, 1]]).tolist() == [5, 6]  # where the last batch of an epoch was dropped
    assert visits.count(triples).tolist() == [6, 7, 6]


@pytest.mark.parametrize("unknown", [[0, 1, 1], [0, 0, 3], [0, 2, 1], [9, 9, 9], [0, 0, 0]])
def test_visits_refuse_a_triple_that_they_do_not_know(unknown):
    visits = pykeen.Visits(np.array([[0, 0, 1], [2, 1, 0], [1, 0, 2]]))
    with pytest.raises(DataError, match="none of the 3 triples"):
        visits.count(np.array([[0, 0, 1], unknown]))


def test_negatives_are_those_of_the_stream_each_in_its_own_epoch(graph):
    triples, epochs = triples_of(graph), np.array([0, 2, 0, 1, 2])
    stream = foils.NegativeStream(graph, "bernoulli", seed=3, negatives=4)
    negatives, valid = pykeen.StreamDraws(stream)(triples, epochs)
    for row, epoch in enumerate(epochs):
        found = stream.batch(triples[row : row + 1], int(epoch)).triples
        assert np.array_equal(negatives[row], np.stack([found.heads[0], found.relations[0], found.tails[0]], axis=1))
    assert valid.all()
    known = {tuple(triple) for triple in triples.tolist()}
    assert not known & {tuple(triple) for triple in negatives.reshape(-1, 3).tolist()}


def test_what_does_not_exist_is_masked_and_holds_the_triple(tmp_path, stand_ins):
    (tmp_path / "full.tsv").write_text("a\tr\ta\na\tr\tb\nb\tr\ta\nb\tr\tb\n")  # nothing is left on either side
    full = foils.Collection.from_triples(tmp_path / "full.tsv")
    triples = triples_of(full)
    stream = foils.NegativeStream(full, "uniform", negatives=3)
    negatives, valid = pykeen.StreamDraws(stream)(triples, np.zeros(4, np.int64))
    assert not valid.any()
    assert np.array_equal(negatives, np.repeat(triples[:, None], 3, axis=1))
    sampler = pykeen.stream_sampler(stream)(mapped_triples=torch.from_numpy(triples))
    assert not sampler.sample(torch.from_numpy(triples))[1].any()
    with pytest.raises(DataError, match="12 negatives do not exist"):
        sampler.corrupt_batch(torch.from_numpy(triples))


def test_the_sampler_gives_new_negatives_at_every_visit_and_starts_anew(graph, stand_ins):
    stream = foils.NegativeStream(graph, "uniform", negatives=4)
    triples = torch.from_numpy(triples_of(graph))
    made = pykeen.stream_sampler(stream)
    first, again = (made(mapped_triples=triples, num_entities=6, num_relations=2) for _ in range(2))
    assert first.num_negs_per_pos == 4
    epochs = [first.sample(triples) for _ in range(3)]
    assert all(mask is None and negatives.shape == (5, 4, 3) for negatives, mask in epochs)
    assert not torch.equal(epochs[0][0], epochs[1][0])
    assert torch.equal(again.corrupt_batch(triples), epochs[0][0])
    later = pykeen.stream_sampler(stream, first_epoch=2)(mapped_triples=triples)
    assert torch.equal(later.sample(triples)[0], epochs[2][0])


def test_other_ids_and_inverse_triples_are_refused(graph, stand_ins):
    made = pykeen.stream_sampler(foils.NegativeStream(graph, "uniform", negatives=2))
    triples = torch.from_numpy(triples_of(graph))
    shifted = (triples + torch.tensor([1, 0, 1])) % 6
    with pytest.raises(DataError, match=r"no positive of the split 'train'.*triples_factories"):
        made(mapped_triples=shifted).sample(shifted)
    with pytest.raises(DataError, match="4 relations and the collection 2; with inverse triples"):
        made(mapped_triples=triples, num_relations=4)


def test_workers_are_refused(graph, stand_ins, monkeypatch):
    triples = torch.from_numpy(triples_of(graph))
    sampler = pykeen.stream_sampler(foils.NegativeStream(graph, "uniform", negatives=2))(mapped_triples=triples)
    monkeypatch.setattr(torch.utils.data, "get_worker_info", lambda: types.SimpleNamespace(id=0))
    with pytest.raises(InputError, match="num_workers=0"):
        sampler.sample(triples)


def test_a_stream_of_pairs_is_refused(stand_ins):
    data = foils.Collection.from_arrays([(0, 1)], anchors=1, items=3)
    with pytest.raises(InputError, match="is not of triples"):
        pykeen.stream_sampler(foils.NegativeStream(data, "uniform", negatives=2))
    with pytest.raises(InputError, match="has no triples"):
        pykeen.triples_factories(data)


def test_mined_negatives_are_those_of_both_sides_and_rotate(graph, stand_ins):
    mined, triples = foils.mine(graph, "uniform", negatives=3), triples_of(graph)
    anchors, items = mined.rows(graph)
    pools = {
        graph.anchors.ids[int(anchor)].as_py(): set(row[row >= 0].tolist())
        for anchor, row in zip(anchors, items, strict=True)
    }
    name = [graph.items.ids[row].as_py() for row in range(len(graph.items))]
    draws = pykeen.MinedDraws(mined, 2)
    for row, (h, r, t) in enumerate(triples.tolist()):
        relation = graph.triples.relation_ids[r].as_py()
        wrong_heads, wrong_tails = pools[f'["?","{relation}","{name[t]}"]'], pools[f'["{name[h]}","{relation}","?"]']
        expected = {(e, r, t) for e in wrong_heads} | {(h, r, e) for e in wrong_tails}
        seen = []
        for epoch in range(len(expected)):
            negatives, valid = draws(triples[[row]], np.array([epoch]))
            assert valid.all()
            seen += map(tuple, negatives[0].tolist())
        assert {seen.count(one) for one in expected} == {2}  # each as often as every other
        assert set(seen) == expected
    sampler = pykeen.mined_sampler(mined, negatives=2)(mapped_triples=torch.from_numpy(triples))
    epochs = [sampler.sample(torch.from_numpy(triples))[0].numpy() for _ in range(2)]
    assert np.array_equal(epochs[1], draws(triples, np.ones(5, np.int64))[0])
    known = set(map(tuple, triples.tolist()))
    assert not known & set(map(tuple, np.concatenate(epochs).reshape(-1, 3).tolist()))


def test_mined_negatives_that_do_not_exist_are_masked(tmp_path):
    (tmp_path / "small.tsv").write_text("a\tr\ta\na\tr\tb\nb\tr\ta\nb\tr\tc\n")
    small = foils.Collection.from_triples(tmp_path / "small.tsv")
    mined, triples = foils.mine(small, "uniform", negatives=3), triples_of(small)
    anchors, items = mined.rows(small)
    there = {int(anchor): int((row >= 0).sum()) for anchor, row in zip(anchors, items, strict=True)}
    given = np.array(
        [there[int(small.triples.head_anchors[n])] + there[int(small.triples.tail_anchors[n])] for n in range(4)]
    )
    assert given.min() < 4
    negatives, valid = pykeen.MinedDraws(mined, 4)(triples, np.zeros(4, np.int64))
    assert valid.sum(axis=1).tolist() == np.minimum(given, 4).tolist()
    assert (negatives[~valid] == np.repeat(triples[:, None], 4, axis=1)[~valid]).all()


def test_a_result_of_pairs_too_many_negatives_and_unknown_triples_are_refused(graph):
    pairs = foils.Collection.from_arrays([(0, 1)], anchors=1, items=3)
    with pytest.raises(InputError, match="is not of triples"):
        pykeen.MinedDraws(foils.mine(pairs, "uniform", negatives=1), 1)
    mined = foils.mine(graph, "uniform", negatives=3)
    with pytest.raises(InputError, match="holds 3 for each side of a triple: ask for 1 to 6"):
        pykeen.MinedDraws(mined, 7)
    with pytest.raises(DataError, match=r"does not have all of these triples.*triples_factories"):
        pykeen.MinedDraws(mined, 1)(np.array([[0, 1, 0]]), np.array([0]))
    with pytest.raises(InputError, match="per pair"):
        pykeen.MinedDraws(foils.mine(graph, "uniform", negatives=1, settings=["per=pair"]), 1)


def test_there_and_back_keeps_the_triples_and_their_rows(graph, stand_ins):
    factories = pykeen.triples_factories(graph)
    assert factories["test"].mapped_triples.tolist() == triples_of(graph, "test").tolist()
    back = pykeen.collection_of(factories)
    assert back.items.ids == graph.items.ids
    assert back.triples.relation_ids == graph.triples.relation_ids
    for split in ("train", "test"):
        assert sorted(triples_of(back, split).tolist()) == sorted(triples_of(graph, split).tolist())


def test_factories_of_different_data_sets_and_labels_with_tabs_are_refused(graph, stand_ins):
    factories = pykeen.triples_factories(graph)
    ids = dict(factories["train"].entity_to_id)
    ids["a"], ids["b"] = ids["b"], ids["a"]
    other = Factory(mapped_triples=factories["test"].mapped_triples, entity_to_id=ids, relation_to_id={})
    with pytest.raises(DataError, match="'test' has other ids"):
        pykeen.collection_of({"train": factories["train"], "test": other})
    spoilt = {("x\ty" if name == "a" else name): row for name, row in factories["train"].entity_to_id.items()}
    with pytest.raises(DataError, match=r"entities.tsv: the label 'x\\ty'"):
        pykeen.collection_of(
            {
                "train": Factory(
                    mapped_triples=None, entity_to_id=spoilt, relation_to_id=factories["train"].relation_to_id
                )
            }
        )


def test_without_pykeen_its_extra_is_named(graph, monkeypatch):
    monkeypatch.setattr("foils._extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"foils\[kg\]"):
        pykeen.triples_factories(graph)
