"""What a newcomer gives wrongly is refused by an ``InputError`` that says what to give instead."""

import numpy as np
import pandas as pd
import pytest

import foils
from foils.clustering import spherical_kmeans
from foils.encoders import encode_collection, open_encoder
from foils.errors import DataError, InputError, RecipeError
from foils.evaluating import evaluate_vectors
from foils.mining import run as running
from foils.search.vectors import Vectors, open_matrix
from foils.training import fit_static

PAIRS = [(row, row) for row in range(4)]
RATED = "customer,sku,stars\nc1,s1,5\nc1,s2,1\nc2,s1,4\nc2,s3,2\n"


def data(**options):
    return foils.Collection.from_arrays(
        PAIRS, anchors=list("abcd"), items=[f"item {row}" for row in range(8)], **options
    )


def mine(**options):
    return foils.mine(data(), "uniform", **{"negatives": 1, "cache": False, **options})


@pytest.mark.parametrize("call", [mine, lambda **given: foils.plan(data(), "uniform", **{"negatives": 1, **given})])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"negatives": 4.0}, "negatives is 4.0; expected a whole number from 1"),
        ({"negatives": True}, "negatives is True"),
        ({"split": ["train"]}, "split is ['train']; expected the name of one split"),
        ({"seed": "x"}, "seed is 'x'; expected a whole number from 0"),
        ({"execution": {}}, "expected a foils.Execution, as in foils.Execution(threads=2)"),
        ({"settings": {"source.uniform.k": 5}}, "expected a list of texts, as in ['rules.relative_margin.margin=0.1']"),
        ({"settings": [5]}, "expected a list of texts"),
    ],
)
def test_arguments_of_mine_and_plan(call, given, message):
    with pytest.raises(InputError) as error:
        call(**given)
    assert message in str(error.value)


def test_whole_numbers_of_numpy_are_whole_numbers():
    assert mine(negatives=np.int64(2), seed=np.uint8(3)).identity.negatives == 2


@pytest.mark.parametrize("epoch", ["1", 1.0, -1])
def test_an_epoch_is_a_whole_number(epoch):
    with pytest.raises(InputError, match=r"epoch is .*; expected a whole number from 0"):
        mine().sample(epoch=epoch)


def test_the_folder_of_a_result():
    with pytest.raises(InputError, match="out is 3; expected the path of a folder"):
        mine(out=3)


def test_truth_of_an_audit():
    with pytest.raises(InputError, match="truth is 3; expected a Collection, the path"):
        foils.audit(mine(), truth=3)


@pytest.mark.parametrize(
    "reader", [foils.Collection.from_pairs, foils.Collection.from_interactions, foils.Collection.from_path]
)
def test_tables_in_memory_are_sent_to_their_reader(reader):
    with pytest.raises(InputError, match=r"found a DataFrame; Collection\.from_frame reads pairs"):
        reader(pd.DataFrame({"anchor": ["a"], "positive": ["b"]}))


def test_texts_and_collections_in_each_others_place(tmp_path):
    with pytest.raises(InputError, match=r"read it first: foils\.Collection\.from_path\('qa'\)"):
        fit_static("qa")
    with pytest.raises(InputError, match=r"expected encode_collection\(encoder, collection\)"):
        encode_collection(data(), lambda texts: texts)


@pytest.mark.parametrize(
    ("vectors", "clusters", "message"),
    [
        ([[1.0, 0.0]], 1, "vectors is a list; expected an array"),
        ("vectors.npy", 1, "numpy.load(path, mmap_mode='r')"),
        (np.eye(4), 4.0, "clusters is 4.0; expected a whole number from 1"),
        (np.eye(4), 0, "clusters is 0; expected a whole number from 1"),
    ],
)
def test_arguments_of_kmeans(vectors, clusters, message):
    with pytest.raises(InputError) as error:
        spherical_kmeans(vectors, clusters)
    assert message in str(error.value)


def test_a_similarity_is_cosine_or_dot():
    eye = np.eye(8, dtype=np.float32)
    for call in (
        lambda: evaluate_vectors(data(), eye[:4], eye, split="train", similarity="euclid"),
        lambda: Vectors(eye, "euclid"),
    ):
        with pytest.raises(InputError, match="similarity is 'euclid'; expected cosine or dot"):
            call()
    with pytest.raises(InputError, match=r"give a list: \['ndcg@10'\]"):
        evaluate_vectors(data(), eye[:4], eye, split="train", metrics="ndcg@10")


def test_the_order_of_rows_is_that_of_the_collection():
    with pytest.raises(DataError, match=r"data\.items\.texts\[i\] of data = foils\.Collection\.from_path\(DATA\)"):
        foils.mine(data(), "naive-top-k", negatives=1, query_vectors=np.eye(4), item_vectors=np.eye(4))


def test_an_archive_is_told_with_what_it_holds(tmp_path):
    np.savez(tmp_path / "both.npz", queries=np.eye(2), corpus=np.eye(2))
    with pytest.raises(DataError, match="it holds: 'queries', 'corpus'"):
        open_matrix(tmp_path / "both.npz", what="corpus vectors", rows=2, of="the corpus")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"\['NAME'\]\)$"):
        open_matrix(tmp_path / "broken.npz", what="corpus vectors", rows=2, of="the corpus")


def test_a_result_is_no_model(tmp_path):
    mine(out=tmp_path / "run")
    with pytest.raises(InputError, match="is a result of foils mine, which holds negatives and no model"):
        open_encoder(tmp_path / "run")


def test_a_path_that_is_not_there_is_no_data_set_of_another_kind(tmp_path):
    for name in ("missing", "missing.csv", "missing.zip"):
        with pytest.raises(DataError, match=rf"{name}: there is no such folder or file; check the path$"):
            foils.Collection.from_path(tmp_path / name)


def test_a_setting_that_names_no_part_is_named_first():
    with pytest.raises(RecipeError) as error:
        foils.recipes.load("nv-retriever", ["relative_margin.margin=0.1"])
    assert str(error.value).startswith("--set relative_margin.margin=0.1: ")


def test_fields_that_pairs_lack_are_explained():
    with pytest.raises(InputError, match=r"they have none at all\. Fields are further keys .* anchor_fields"):
        mine(constraints=[foils.constraints.Same("language")])


def test_an_interrupt_tells_how_many_units_are_kept(monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(running.Settling, "finish", stop)
    with pytest.raises(KeyboardInterrupt) as error:
        mine()
    assert error.value.__notes__ == ["kept: 0 of 4 units"]


@pytest.fixture
def rated(tmp_path):
    (tmp_path / "rated.csv").write_text(RATED)
    return tmp_path / "rated.csv"


def test_columns_of_users_and_items_are_named_as_those_of_pairs(rated):
    read = foils.Collection.from_path(rated, anchor="customer", positive="sku", min_value=4, value="stars")
    assert read.anchors.texts is None
    assert (len(read.anchors), len(read.items), len(read.judgements)) == (2, 3, 2)
    folder = rated.parent / "folder"
    folder.mkdir()
    (folder / "train.csv").write_text(RATED)
    split = foils.Collection.from_path(folder, anchor="customer", positive="sku")
    assert split.anchors.texts is None
    assert len(split.judgements) == 4


def test_columns_of_pairs_are_named_for_any_path(tmp_path):
    (tmp_path / "qa.csv").write_text("question,answer\nwhy,so\nhow,thus\n")
    read = foils.Collection.from_path(tmp_path / "qa.csv", anchor="question", positive="answer")
    assert read.anchors.texts.to_pylist() == ["why", "how"]
    with pytest.raises(DataError, match=r"another by anchor= \(--anchor COLUMN --positive COLUMN\): found: "):
        foils.Collection.from_path(tmp_path / "qa.csv", positive="answer")
    with pytest.raises(InputError, match=r"--min-value is for interactions.*--anchor COLUMN"):
        foils.Collection.from_path(tmp_path / "qa.csv", min_value=4)


def test_a_least_value_is_a_number(rated):
    with pytest.raises(InputError, match="min_value is '4'; expected a number"):
        foils.Collection.from_interactions(rated, user="customer", item="sku", value="stars", min_value="4")
