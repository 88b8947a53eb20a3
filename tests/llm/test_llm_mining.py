"""Mining with LLM judges: the cascade of RLHN, what it finds, what it leaves unscored, and what is said beforehand."""

import io
import json
from contextlib import redirect_stdout

import numpy as np
import pytest
from llm_server import by_words
from llm_world import hidden_positives, world

import foils
from foils.cli import main
from foils.errors import DataError, InputError, RecipeError
from foils.mining import Execution, mine
from foils.planning import plan
from foils.planning.text import describe

NEGATIVES = 3


def settings(server, *further):
    fields = [f"url={server.url}", "timeout=5.0", "retries=1"]
    both = [f"scorers.{name}.{field}" for name in ("cheap", "strong") for field in fields]
    return [*both, "scorers.cheap.model=small", "scorers.strong.model=large", "source.dense.k=12", *further]


def mined_by(server, tmp_path, *further, recipe="rlhn", data=None, folder="out", negatives=NEGATIVES, **options):
    collection, queries, corpus = world()
    return mine(
        data or collection, recipe, negatives=negatives, query_vectors=queries, item_vectors=corpus,
        settings=settings(server, *further) if recipe == "rlhn" else further, out=tmp_path / folder,
        cache=tmp_path / "cache", **options,
    )  # fmt: skip


def pairs_of(table):
    return set(zip(table["anchor_id"].to_pylist(), table["item_id"].to_pylist(), strict=True))


def negatives_of(mined):
    table = mined.negatives
    rows = zip(table["anchor_id"].to_pylist(), table["negative_ids"].to_pylist(), strict=True)
    return {(anchor, item) for anchor, items in rows for item in items}


def noisy(server, large):
    """A small judge that flags everything of the topic, and a large one."""

    def judge(query, passage):
        small = server.bodies[-1]["model"] == "small"
        return (
            (0.8 if query.split()[-1][1:] in passage.replace("t", "").split() else 0.2)
            if small
            else large(query, passage)
        )

    server.judge = judge


# --- the cascade ------------------------------------------------------------------------------------------------------


def test_the_cascade_asks_the_strong_model_about_what_the_cheap_one_flags(server, tmp_path):
    noisy(server, by_words)
    mined = mined_by(
        server, tmp_path, "scorers.cheap.concurrency=1", "scorers.strong.concurrency=1", execution=Execution(threads=1)
    )
    asked = {name: 0 for name in ("small", "large")}
    for body in server.bodies:
        asked[body["model"]] += 1
    assert asked == {"small": 8, "large": 8}
    flagged, found = mined.found_positives("cheap"), mined.found_positives("strong")
    assert pairs_of(found) == hidden_positives()
    assert pairs_of(found) < pairs_of(flagged)  # what a cascade finds, its first stage flagged
    assert not negatives_of(mined) & hidden_positives()
    assert mined.stats["candidates_by_verdict"]["max_score"] == len(hidden_positives())
    assert mined.stats["unscored_pairs"] == {"cheap": 0, "strong": 0}
    assert set(found["provenance"].to_pylist()) == {"llm"}
    assert np.allclose(found["p"].to_numpy(), 0.9)


def test_judges_that_never_flag_change_no_byte_of_the_negatives(server, tmp_path):
    server.judge = lambda query, passage: 0.1
    judged = mined_by(server, tmp_path)
    plain = mined_by(server, tmp_path, "source.dense.k=12", recipe="naive-top-k", folder="plain")
    assert (judged.path / "negatives.parquet").read_bytes() == (plain.path / "negatives.parquet").read_bytes()
    assert all(body["model"] == "small" for body in server.bodies)  # nobody called for the strong one
    found = judged.found_positives("strong")
    assert len(found) == 0
    data = world()[0]
    assert data.with_found(found).digest("train") == data.digest("train")


def test_a_flagged_candidate_that_the_strong_model_left_unscored_is_no_negative(server, tmp_path):
    mined = mined_by(server, tmp_path, "scorers.strong.max_calls=3")
    assert mined.stats["negatives"] == 8 * NEGATIVES
    assert not negatives_of(mined) & hidden_positives()
    assert mined.stats["unscored_pairs"]["strong"] == len(mined.unscored()) > 0
    assert set(mined.unscored()["column"].to_pylist()) == {"strong"}
    assert pairs_of(mined.unscored()) | pairs_of(mined.found_positives("strong")) == hidden_positives()


def test_relabelling_conserves_pairs_and_mining_again_never_draws_what_was_found(server, tmp_path):
    mined = mined_by(server, tmp_path)
    found, data = mined.found_positives("strong"), world()[0]
    laid = data.with_found(found)
    everyone = negatives_of(mined_by(server, tmp_path, recipe="naive-top-k", folder="naive", negatives=12))
    before = len(data.positives().given().items), len(everyone)
    after = len(laid.positives().given().items), len(everyone - pairs_of(found))
    moved = len(everyone & pairs_of(found))
    assert moved == len(found) > 0
    assert sum(before) == sum(after)
    again = mined_by(server, tmp_path, data=laid, folder="again")
    assert not negatives_of(again) & pairs_of(found)
    assert len(again.found_positives("strong")) == 0
    assert again.identity.inputs["collection"] != mined.identity.inputs["collection"]


# --- what is left unscored --------------------------------------------------------------------------------------------


def one_judge(tmp_path, server, **fields):
    recipe = tmp_path / "one.yaml"
    llm = {"url": server.url, "model": "small", "timeout": 5.0, "retries": 1, "pairs_per_call": 3, **fields}
    recipe.write_text(
        json.dumps(
            {
                "source": {"dense": {"k": 9, "max_depth": 9}},
                "scorers": [{"llm": llm}],
                "rules": [{"max_score": {"threshold": 0.5, "unscored": "keep"}}],
                "sampler": {"top_k": {"column": "dense"}},
            }
        )
    )
    return recipe


def test_every_pair_that_is_left_unscored_is_named_though_it_is_kept(server, tmp_path):
    mined = mined_by(server, tmp_path, recipe=one_judge(tmp_path, server, max_calls=10))
    left, data = mined.unscored(), world()[0]
    queries, passages = data.anchors.full_texts(), data.items.full_texts()
    named = {(queries[int(a)], passages[int(i)]) for a, i in pairs_of(left)}
    assert server.calls == 10
    assert named.isdisjoint(server.answered)
    assert len(named) + len(server.answered) == 8 * 9 + 8  # candidates and positives
    assert set(left["role"].to_pylist()) == {"candidate", "positive"}
    assert mined.stats["unscored_pairs"] == {"llm": len(left)}
    assert mined.stats["scorers"]["llm"]["calls"] == 10
    assert "mined.unscored() lists them" in mined.summary()
    assert "the budget is spent" in mined.summary()
    again = mined_by(server, tmp_path, recipe=one_judge(tmp_path, server), folder="again")
    assert len(again.unscored()) == 0
    assert len(server.asked) == len(set(server.asked)) == 8 * 9 + 8


def test_a_refusal_ends_the_run_and_leaves_what_was_answered(server, tmp_path):
    server.faults = lambda number: "404" if number >= 6 else ""
    with pytest.raises(InputError, match="answers 404"):
        mined_by(server, tmp_path, recipe=one_judge(tmp_path, server, concurrency=1))
    answered = len(server.answered)
    server.faults = lambda number: ""
    mined_by(server, tmp_path, recipe=one_judge(tmp_path, server, concurrency=1))
    assert answered == 6 * 3
    assert len(server.answered) == len(set(server.answered))


def test_an_interrupt_stops_the_asking(server, tmp_path):
    server.seconds = 0.01

    def step(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mined_by(
            server, tmp_path, recipe=one_judge(tmp_path, server, pairs_per_call=1, concurrency=1), progress=step,
            execution=Execution(threads=1, block=4),
        )  # fmt: skip
    assert server.calls < 60  # of 80


# --- beforehand -------------------------------------------------------------------------------------------------------


def test_what_is_not_named_is_said_before_anything_is_encoded(tmp_path):
    collection, _, _ = world()

    def encode(texts):
        raise AssertionError

    with pytest.raises(RecipeError, match=r"scorers.cheap: url is missing; .*--set scorers.cheap.url=http"):
        mine(collection, "rlhn", negatives=2, model=encode, out=tmp_path / "out")


def test_two_judges_are_set_by_their_names():
    with pytest.raises(RecipeError, match=r"has scorers.llm twice; name one: cheap, strong"):
        foils.recipes.load("rlhn", ["scorers.llm.model=x"])
    with pytest.raises(RecipeError, match=r"no scorers.week; .*Valid: cheap, strong"):
        foils.recipes.load("rlhn", ["scorers.week.model=x"])


def test_the_column_that_speaks_otherwise_must_exist():
    with pytest.raises(RecipeError, match="otherwise: there is no column 'cheep'; did you mean 'cheap'"):
        foils.recipes.load("rlhn", ["rules.max_score.otherwise=cheep"])


def test_a_plan_counts_calls_and_tokens_and_asks_nothing(server, tmp_path):
    collection, queries, corpus = world()
    planned = plan(
        collection, "rlhn", negatives=NEGATIVES, query_vectors=queries, item_vectors=corpus,
        settings=settings(server, "scorers.cheap.max_calls=100"), cache=tmp_path / "cache",
    )  # fmt: skip
    assert server.calls == 0
    cheap, strong = planned.judgings
    assert (cheap.calls, cheap.at_most, strong.at_most) == (8, False, True)
    assert strong.pairs == cheap.pairs
    mined_by(server, tmp_path, "scorers.cheap.max_calls=100")
    spent = sum(len(json.dumps(body["messages"])) // 4 for body in server.bodies if body["model"] == "small")
    assert 0.5 * spent < cheap.tokens < 2 * spent
    said = describe(planned)
    assert "cheap is asked about 104 pairs; about 8 need no asking: about 8 calls" in said
    assert f"cheap asks small at {server.url}; it stops at 100 calls" in said
    assert "strong asks large" in said
    assert "nothing limits it" in said


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def beir(tmp_path):
    data, queries, corpus = world()
    folder = tmp_path / "data"
    (folder / "qrels").mkdir(parents=True)
    rows = {
        "queries.jsonl": [{"_id": str(i), "text": text} for i, text in enumerate(data.anchors.full_texts())],
        "corpus.jsonl": [{"_id": str(i), "text": text} for i, text in enumerate(data.items.full_texts())],
    }
    for name, lines in rows.items():
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    judged = "".join(f"{a}\t{i}\t1\n" for a, i in zip(data.judgements.anchors, data.judgements.items, strict=True))
    (folder / "qrels" / "train.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
    np.save(tmp_path / "q.npy", queries)
    np.save(tmp_path / "c.npy", corpus)
    return folder


def run(*arguments):
    with redirect_stdout(io.StringIO()) as out:
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue()


def test_found_positives_go_round_by_the_command_line(server, tmp_path, beir, capsys, caplog):
    sets = [word for setting in settings(server) for word in ("--set", setting)]
    vectors = [
        "--query-vectors",
        tmp_path / "q.npy",
        "--corpus-vectors",
        tmp_path / "c.npy",
        "--cache",
        tmp_path / "kept",
    ]
    base = ["mine", beir, "--recipe", "rlhn", "--negatives", 3, *vectors, *sets]
    assert run(*base, "--out", tmp_path / "a")[0] == 0
    said = capsys.readouterr().err
    assert "To come: about 96 pairs in 8 calls" in said
    assert "cheap asks small" in said
    assert not caplog.records  # said once
    found = tmp_path / "found.jsonl"
    exported = ["export", tmp_path / "a", "--format", "found-positives", "--column", "strong", "--out", found]
    assert run(*exported) == (0, f"16 pairs written to {found}\n")
    asked = server.calls
    assert run(*base, "--out", tmp_path / "b", "--found", found)[0] == 0
    assert "16 found pairs are laid over train" in capsys.readouterr().err
    assert server.calls - asked <= 16  # deeper candidates took the places of those that were found
    mined = foils.Mined.open(tmp_path / "b")
    assert {len(ids) for ids in mined.negatives["positive_ids"].to_pylist()} == {3}
    train = ["train", beir, "--kind", "static", "--epochs", 1, "--mined", tmp_path / "b", "--dim", 8]
    assert run(*train, "--out", tmp_path / "m", "--found", found)[0] == 0
    assert run(*train, "--out", tmp_path / "n")[0] == 2  # mined with what was found, and trained without
    written = ["export", tmp_path / "b", "--data", beir, "--format", "triplet", "--out", tmp_path / "rows.jsonl"]
    assert run(*written)[0] == 0
    assert run("audit", tmp_path / "b", "--data", beir, "--out", tmp_path / "report.html")[0] == 0
    assert run("export", tmp_path / "a", "--format", "unscored", "--out", tmp_path / "left.csv")[1].startswith(
        "0 pairs"
    )


def test_a_result_that_was_hardly_judged_is_not_to_be_trained_with(server, tmp_path, beir, capsys):
    sets = [word for setting in settings(server) for word in ("--set", setting)]
    vectors = ["--query-vectors", tmp_path / "q.npy", "--corpus-vectors", tmp_path / "c.npy"]
    base = ["mine", beir, "--recipe", "rlhn", "--negatives", 3, *vectors, *sets, "--out", tmp_path / "a"]
    assert run(*base, "--set", "scorers.cheap.max_tokens=10")[0] == 0
    said = capsys.readouterr().err
    assert "warning: cheap: max_tokens=10 is less than one call needs" in said
    assert "as good as unjudged" in said or "there are no negatives at all" in said
    assert "next:" not in said


def test_the_same_command_with_a_larger_budget_goes_on(server, tmp_path, beir, capsys):
    sets = [word for setting in settings(server) for word in ("--set", setting)]
    vectors = ["--query-vectors", tmp_path / "q.npy", "--corpus-vectors", tmp_path / "c.npy"]
    base = ["mine", beir, "--recipe", "rlhn", "--negatives", 3, *vectors, *sets, "--out", tmp_path / "a"]
    base += ["--cache", tmp_path / "kept"]
    said = run(*base, "--set", "scorers.cheap.max_calls=3")[1]
    assert "give the same command with another max_calls, and it goes on with these" in said
    code, said = run(*base, "--set", "scorers.cheap.max_calls=30")
    assert (code, "have no score" in said) == (0, False)
    assert "next: foils train" in capsys.readouterr().err
    assert "cheap: 5 calls and" in said


def test_labels_are_found_positives_too(tmp_path, beir, server, capsys):
    labels = tmp_path / "labels.csv"
    labels.write_text("anchor_id,item_id,label,note\n0,1,positive,\n0,3,negative,\n0,4,unsure,\n1,8,skip,\n")
    vectors = ["--query-vectors", tmp_path / "q.npy", "--corpus-vectors", tmp_path / "c.npy"]
    command = ["mine", beir, "--recipe", "naive-top-k", "--negatives", 9, *vectors, "--found", labels]
    assert run(*command, "--out", tmp_path / "a")[0] == 0
    mined = foils.Mined.open(tmp_path / "a")
    first = mined.negatives.slice(0, 1).to_pylist()[0]
    assert first["positive_ids"] == ["0", "1"]
    assert dict(zip(first["negative_ids"], first["p_positive"], strict=True))["3"] == 0
    capsys.readouterr()
    labels.write_text("anchor_id,item_id,label,note\nnobody,1,positive,\n")
    assert run(*command, "--out", tmp_path / "b")[0] == 2
    assert "name an anchor that the collection does not have: 'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("more.tsv", "query-id\tcorpus-id\tscore\n0\t1\t2\n0\t3\t0\n"),
        ("more.tsv", "0\t1\t2\n0\t3\t-1\n"),
        ("more.txt", "0 0 1 2\n0 0 3 0\n"),
        ("more.qrels", "0\t0\t1\t2\n0\t0\t3\t0\n"),
        ("more.tsv", "anchor_id\titem_id\tgrade\tprovenance\n0\t1\t1\thuman\n0\t3\t0\thuman\n"),
    ],
)
def test_qrels_are_found_positives_too(tmp_path, beir, capsys, name, lines):
    (tmp_path / name).write_text(lines)
    vectors = ["--query-vectors", tmp_path / "q.npy", "--corpus-vectors", tmp_path / "c.npy"]
    command = ["mine", beir, "--recipe", "naive-top-k", "--negatives", 9, *vectors, "--found", tmp_path / name]
    assert run(*command, "--out", tmp_path / "a")[0] == 0
    assert "2 found pairs are laid over train" in capsys.readouterr().err
    first = foils.Mined.open(tmp_path / "a").negatives.slice(0, 1).to_pylist()[0]
    assert first["positive_ids"] == ["0", "1"]
    assert dict(zip(first["negative_ids"], first["p_positive"], strict=True))["3"] == 0
    (tmp_path / name).write_text(lines.replace("0\t", "nobody\t").replace("0 0", "nobody 0"))
    assert run(*command, "--out", tmp_path / "b")[0] == 2
    assert "nobody" in capsys.readouterr().err


def test_what_found_positives_cannot_be_is_said(server, tmp_path):
    mined = mined_by(server, tmp_path)
    with pytest.raises(InputError, match="no column 'weak'"):
        mined.found_positives("weak")
    with pytest.raises(
        InputError, match="'dense' is a ratio, and positives are found by a probability; name one: cheap"
    ):
        mined.found_positives("dense")
    plain = mined_by(server, tmp_path, recipe="naive-top-k", folder="plain")
    with pytest.raises(InputError, match="by a probability; this result has none: mine by a recipe with a judge"):
        plain.found_positives("dense")
    with pytest.raises(InputError, match="threshold is 0"):
        mined.found_positives("strong", 0)
    with pytest.raises(DataError, match="there is no column item_id"):
        world()[0].with_found(mined.found_positives("strong").drop_columns(["item_id"]))
