"""Recipes: those that come with foils, what is refused and where the message points, overrides, and the way back."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import recipes, rules, samplers, sources
from foils.candidates import Kind
from foils.errors import RecipeError
from foils.recipes.document import parse
from foils.recipes.loader import build
from foils.rules import AbsoluteMargin, MaxScore, MeanStd, RelativeMargin
from foils.samplers import Resample, SimANS, Softmax, Strided, TopK, UniformWindow
from foils.samplers.resample import Base
from foils.scorers import (
    AdapterScorer,
    Band,
    Confident,
    CrossEncoderScorer,
    GraphCleaner,
    LlmScorer,
    MissedPositives,
    Neighbours,
    OwnerQuery,
    VectorScorer,
)
from foils.scorers.confident import Wrapped
from foils.sources import BM25, Bernoulli, Dense, InBatch, Mixture, Popularity, PseudoTyped, Uniform
from foils.sources.fusing import RRF, Fuse
from foils.sources.mixture import One

BASE = "source: {dense: {}}\nsampler: {top_k: {}}\n"


def made(text, settings=()):
    """Build a recipe from YAML as the loader does, under the name of a file."""
    return build(recipes.loader.override(parse(text, "mine.yaml"), settings), "mine.yaml")


def outcome(text, settings=()):
    """Give the message of the error, or None where the recipe is valid."""
    try:
        made(text, settings)
    except RecipeError as error:
        return str(error)
    return None


def complaint(text, settings=()):
    said = outcome(text, settings)
    assert said is not None
    return said


# --- what comes with foils --------------------------------------------------------------------------------------------

SHIPPED = {
    "uniform": (Uniform(), (), UniformWindow()),
    "popularity": (Popularity(alpha=0.75), (), UniformWindow()),
    "naive-top-k": (Dense(k=100), (), TopK()),
    "top-k-shifted": (Dense(k=100), (), TopK(skip_ranks=10)),
    "max-score": (Dense(k=100), (MaxScore(threshold=0.7),), TopK()),
    "nv-retriever": (Dense(k=100), (RelativeMargin(margin=0.05, reference="min"),), TopK()),
    "nv-retriever-margin": (Dense(k=100), (AbsoluteMargin(margin=0.05, reference="min"),), TopK()),
    "simans": (Dense(k=100), (), SimANS(a=100.0, b=0.0, kernel="gaussian", reference="min")),
    "bm25": (BM25(k=100), (), TopK()),
    "hybrid": (
        Mixture(of=(One(dense=Dense(k=50)), One(bm25=BM25(k=50))), fuse=Fuse(rrf=RRF(c=60.0))),
        (RelativeMargin(margin=0.05, reference="min", column="vectors"),),
        TopK(column="rank"),
    ),
    "guide": (Dense(k=100), (RelativeMargin(margin=0.0, reference="min", column="guide"),), TopK(column="dense")),
    "tripclick": (BM25(k=200, max_depth=200), (), UniformWindow()),
    "runner-up": (Dense(k="4%", max_depth="4%"), (), UniformWindow(skip_ranks="3%", max_rank="4%")),
    "star-static": (Dense(k=200, max_depth=200, similarity="dot"), (), UniformWindow()),
    "in-batch": (InBatch(batch_size=32), (), UniformWindow()),
    "bernoulli": (Bernoulli(), (), UniformWindow()),
    "pseudo-typed": (PseudoTyped(), (), UniformWindow()),
    "reranker": (
        Dense(k=100, max_depth=200),
        (MaxScore(threshold=0.1, column="cross_encoder"),),
        TopK(column="dense"),
    ),
    "r2anker": (
        Mixture(
            of=(
                One(bm25=BM25(k=100, max_depth=100)),
                One(dense=Dense(k=100, max_depth=100)),
                One(dense=Dense(k=100, max_depth=100, vectors="second", name="second")),
            ),
            fuse=Fuse(quotas={"bm25": 1, "dense": 1, "second": 1}),
        ),
        (),
        UniformWindow(),
    ),
    "saha": (
        Dense(k=100),
        (MaxScore(threshold=0.8, column="owner_query", unscored="keep"),),
        TopK(column="dense"),
    ),
    "rrra": (
        Dense(k=100),
        (),
        Resample(base=Base(softmax=Softmax(temperature=0.05, column="dense")), gamma=1.0, column="adapter"),
    ),
    "neighbours": (Dense(k=100), (MaxScore(threshold=0.1, column="neighbours"),), TopK(column="dense")),
    "missed-positives": (
        Dense(k=100),
        (MeanStd(deviations=1.5, column="missed_positives", unscored="keep"),),
        TopK(column="dense"),
    ),
    "graph-cleaner": (Dense(k=100), (MaxScore(threshold=0.5, column="graph_cleaner"),), TopK(column="dense")),
    "confident-learning": (Dense(k=100), (MaxScore(threshold=0.0, column="confident"),), TopK(column="dense")),
    "rlhn": (
        Dense(k=25, max_depth=50),
        (MaxScore(threshold=0.5, column="strong", otherwise="cheap"),),
        TopK(column="dense"),
    ),
    "unime-v2": (
        Dense(k=50, max_depth=50),
        (AbsoluteMargin(margin=0.01, reference="min", column="llm"),),
        Strided(stride=5, column="llm"),
    ),
}
CHEAP = LlmScorer(pairs_per_call=25, positives="skip", name="cheap")
STRONG = LlmScorer(pairs_per_call=25, positives="skip", name="strong", band=Band(column="cheap", low=0.5))
SCORED = {
    "rlhn": (CHEAP, STRONG),
    "unime-v2": LlmScorer(answer="yes_no"),
    "hybrid": VectorScorer(),
    "guide": VectorScorer(vectors="guide", name="guide"),
    "reranker": CrossEncoderScorer(model="cross-encoder/ms-marco-MiniLM-L6-v2"),
    "saha": OwnerQuery(),
    "rrra": AdapterScorer(ambiguous=100, depth=500),
    "neighbours": Neighbours(k=10, anchors=5),
    "missed-positives": MissedPositives(),
    "graph-cleaner": GraphCleaner(),
    "confident-learning": Confident(of=Wrapped(vectors=VectorScorer()), own=0.5),
}


def test_the_list_of_recipes_is_complete():
    assert recipes.names() == sorted(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_is_what_it_says(name):
    recipe = recipes.load(name)
    assert recipe.name == name
    assert (recipe.source.fields, tuple(rule.fields for rule in recipe.rules), recipe.sampler.fields) == SHIPPED[name]
    assert recipe.summary.endswith(".")
    assert recipe.per == "anchor"
    assert recipe.shortfall.policy == "short"
    scored = SCORED.get(name, ())
    assert tuple(scorer.fields for scorer in recipe.scorers) == (scored if isinstance(scored, tuple) else (scored,))
    assert recipe.relaxations == ()
    if recipe.paper is not None:
        assert 2000 <= recipe.paper.year <= 2030


@pytest.mark.parametrize("alias", ["perc_pos", "perc-pos"])
def test_a_recipe_is_found_by_its_alias(alias):
    assert recipes.load(alias) == recipes.load("nv-retriever")


@pytest.mark.parametrize("name", ["nv_retriever", "naive-topk", "", "..", "recipes/uniform"])
def test_an_unknown_recipe_is_refused_with_the_nearest(name):
    with pytest.raises(RecipeError, match=r"there is no recipe .*Valid: bernoulli, bm25") as caught:
        recipes.load(name)
    if name == "nv_retriever":
        assert "did you mean 'nv-retriever'?" in str(caught.value)


def test_a_file_is_loaded_by_its_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    recipe = recipes.load(path)
    assert recipe.name == str(path)
    assert recipe == recipes.load(str(path))
    assert recipe.sampler.fields == TopK()


def test_files_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"summary: caf\xe9\n")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("latin.yaml", "folder.yaml", "missing.yml", "nul\0.yaml"):
        with pytest.raises(RecipeError, match=r"recipe file .*: cannot be read"):
            recipes.load(tmp_path / name)


# --- what is refused --------------------------------------------------------------------------------------------------

REFUSED = {
    "empty": ("", "mine.yaml: expected a mapping with source and sampler, found NoneType"),
    "not a mapping": ("- dense", "mine.yaml: expected a mapping with source and sampler, found list"),
    "not YAML": (BASE + "rules: [", "mine.yaml:3: not valid YAML: "),
    "unknown field": (BASE + "sampeler: {}", "mine.yaml:3: sampeler: no such field; did you mean 'sampler'? Valid: "),
    "no source": ("sampler: {top_k: {}}", "mine.yaml: source is missing; a recipe needs a source and a sampler"),
    "no sampler": ("source: {dense: {}}", "mine.yaml: sampler is missing"),
    "unknown source": (
        "sampler: {top_k: {}}\nsource:\n  dens: {}",
        "mine.yaml:3: source.dens: no such part; did you mean 'dense'? Valid: bernoulli, bm25",
    ),
    "unknown sampler": (
        "source: {dense: {}}\nsampler: {top-k: {}}",
        "mine.yaml:2: sampler.top-k: no such part; did you mean 'top_k'? Valid: resample, simans, softmax, ",
    ),
    "unknown rule": (
        BASE + "rules:\n- max_score: {}\n- relativ_margin: {}",
        "mine.yaml:5: rules[1].relativ_margin: no such part; did you mean 'relative_margin'? Valid: absolute_margin, ",
    ),
    "unknown scorer": (BASE + "scorers: [{vector: {}}]", "mine.yaml:3: scorers[0].vector: no such part; did you mean"),
    "unknown loss": (BASE + "loss: {infonce: {}}", "mine.yaml:3: loss.infonce: no such part; did you mean 'info_nce'?"),
    "unknown part field": (
        BASE + "rules:\n- relative_margin:\n    margn: 0.1",
        "mine.yaml:5: rules[0].relative_margin.margn: no such field; did you mean 'margin'? Valid: column, margin, ",
    ),
    "out of range": (
        BASE + "rules:\n- relative_margin:\n    margin: 5",
        "mine.yaml:5: rules[0].relative_margin.margin: expected `float` <= 1.0, found 5",
    ),
    "below range": (
        "source: {dense: {k: 0}}\nsampler: {top_k: {}}",
        "mine.yaml:1: source.dense.k: expected `int` >= 1",
    ),
    "wrong type": (
        "source: {dense: {k: ten}}\nsampler: {top_k: {}}",
        "source.dense.k: expected a whole number, or a share of the items between 0% and 100%, as in 4%, found 'ten'",
    ),
    "a truth for a number": (
        BASE + "rules: [{max_score: {threshold: yes}}]",
        "expected `float`, got `bool`, found True",
    ),
    "a huge number": ("source: {dense: {k: 99999999999999999999}}\nsampler: {top_k: {}}", "expected `int` <= 1000000"),
    "infinity": (
        BASE + "rules: [{max_score: {threshold: .inf}}]",
        "mine.yaml:3: rules[0].max_score.threshold: expected a finite",
    ),
    "not a number": (
        BASE + "rules: [{max_score: {threshold: .nan}}]",
        "threshold: expected a finite number, found nan",
    ),
    "unknown choice": (
        "source: {dense: {}}\nsampler: {simans: {kernel: gausian}}",
        "mine.yaml:2: sampler.simans.kernel: 'gausian' is not valid; did you mean 'gaussian'? Valid: gaussian, laplace",
    ),
    "fields that do not fit": (
        "source: {dense: {k: 9, max_depth: 3}}\nsampler: {top_k: {}}",
        "mine.yaml:1: source.dense: max_depth 3 is below k 9; use at least k",
    ),
    "an empty window": (
        "source: {dense: {}}\nsampler: {uniform: {skip_ranks: 9, max_rank: 9}}",
        "mine.yaml:2: sampler.uniform: max_rank 9 must be above skip_ranks 9",
    ),
    "two parts in one": (
        BASE + "rules: [{max_score: {}, mean_std: {}}]",
        "mine.yaml:3: rules[0]: expected one part by name, as in",
    ),
    "a part without name": (
        BASE + "rules: [max_score]",
        "mine.yaml:3: rules[0]: expected one part by name, as in {max_score: {}}",
    ),
    "rules not in a list": (
        BASE + "rules: {max_score: {}}",
        "mine.yaml:3: rules: expected a list of parts, as in [{max_score: {}}]",
    ),
    "rules that are nothing": (BASE + "rules:", "mine.yaml:3: rules: expected a list of parts"),
    "fields that are no fields": (
        BASE + "rules: [{max_score: 0}]",
        "rules[0].max_score: expected fields, as in {threshold: …}, found 0",
    ),
    "share out of range": (
        BASE + "rules: [{perc_pos: 95}]",
        "mine.yaml:3: rules[0].perc_pos: expected a share between 0 and 1",
    ),
    "share that is a truth": (
        BASE + "rules: [{perc_pos: true}]",
        "expected a share between 0 and 1, as in {perc_pos: 0.95}, found True",
    ),
    "unknown unit": (BASE + "per: triple", "mine.yaml:3: per: 'triple' is not valid; use anchor or pair"),
    "summary that is no text": (BASE + "summary: 3", "mine.yaml:3: summary: expected text, found 3; put it in quotes"),
    "aliases that are no names": (BASE + "aliases: [1]", "mine.yaml:3: aliases: expected a list of names"),
    "incomplete paper": (BASE + "paper: {title: x}", "mine.yaml:3: paper: Object missing required field `year`"),
    "no scores for a rule": (
        "source: {uniform: {}}\nsampler: {uniform: {}}\nrules: [{relative_margin: {}}]",
        "mine.yaml:3: rules[0].relative_margin: needs a column of kind ratio, and 'rank' gives rank only; add a scorer",
    ),
    "ranks for a rule": (
        BASE + "rules: [{mean_std: {column: rank}}]",
        "mine.yaml:3: rules[0].mean_std: needs a column of kind score, and 'rank' gives rank only",
    ),
    "no scores for a sampler": (
        "source: {popularity: {}}\nsampler: {simans: {}}",
        "mine.yaml:2: sampler.simans: needs a column of kind score, and 'rank' gives rank only",
    ),
    "unknown column": (
        BASE + "rules: [{max_score: {column: dnse}}]",
        "mine.yaml:3: rules[0].max_score: there is no column 'dnse'; did you mean 'dense'? Valid: dense, rank",
    ),
    "an empty column": (BASE + "rules: [{max_score: {column: ''}}]", "there is no column ''"),
    "a column twice": (
        BASE + "scorers: [{vectors: {}}, {vectors: {}}]",
        "mine.yaml:3: scorers: columns need names of their own",
    ),
    "pairs without pairs": (
        BASE + "rules: [{relative_margin: {reference: pair}}]",
        "mine.yaml:3: rules[0].relative_margin: reference pair needs 'per: pair' at the top of the recipe",
    ),
    "pairs without pairs, sampler": (
        "source: {dense: {}}\nsampler: {simans: {reference: pair}}",
        "mine.yaml:2: sampler.simans: reference pair needs 'per: pair'",
    ),
    "unknown policy": (
        BASE + "shortfall: {policy: relaxed}",
        "mine.yaml:3: shortfall.policy: 'relaxed' is not valid; did you mean 'relax'?",
    ),
    "relaxing in no steps": (
        BASE + "shortfall: {policy: relax}",
        "mine.yaml:3: shortfall: policy relax needs steps, as in",
    ),
    "steps and no relaxing": (
        BASE + "rules: [{max_score: {}}]\nshortfall: {steps: [{max_score: {threshold: 1}}]}",
        "mine.yaml:4: shortfall.steps: steps need policy: relax",
    ),
    "a step for no rule": (
        BASE + "shortfall: {policy: relax, steps: [{max_score: {}}]}",
        "mine.yaml:3: shortfall.steps[0].max_score: the recipe has no such rule; it has no rules",
    ),
    "a step for another rule": (
        BASE + "rules: [{max_score: {}}]\nshortfall: {policy: relax, steps: [{}, {mean_std: {}}]}",
        "mine.yaml:4: shortfall.steps[1].mean_std: the recipe has no such rule; did you mean",
    ),
    "a step out of range": (
        BASE
        + "rules: [{relative_margin: {}}]\nshortfall:\n  policy: relax\n  steps:\n  - relative_margin: {margin: 2}",
        "mine.yaml:7: shortfall.steps[0].relative_margin.margin: expected `float` <= 1.0, found 2",
    ),
    "a step without fields": (
        BASE + "rules: [{max_score: {}}]\nshortfall:\n  policy: relax\n  steps:\n  - max_score: 2",
        "mine.yaml:7: shortfall.steps[0]: expected `object`, got `int`",
    ),
    "a step with too much for its column": (
        BASE + "rules: [{max_score: {}}]\nshortfall: {policy: relax, steps: [{max_score: {column: rank}}]}",
        "mine.yaml:4: shortfall.steps[0].max_score: needs a column of kind ratio",
    ),
    "a step for a rule given twice": (
        BASE + "rules: [{max_score: {}}, {max_score: {}}]\nshortfall: {policy: relax, steps: [{max_score: {}}]}",
        "mine.yaml:4: shortfall.steps[0].max_score: the recipe has this rule twice",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_with_its_line_and_the_nearest_choice(case):
    text, message = REFUSED[case]
    assert message in complaint(text)


# --- hostile documents ------------------------------------------------------------------------------------------------

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
HOSTILE = {
    "a Python object": (
        "summary: !!python/object/apply:os.system ['true']\n",
        "mine.yaml:1: summary is of the type python/object",
    ),
    "a Python name": (
        "summary: !!python/name:os.system\n",
        "mine.yaml:1: summary is of the type python/name:os.system",
    ),
    "a tag of its own": (
        "source: !secret {dense: {}}\n",
        "mine.yaml:1: source is of the type !secret; use text, numbers",
    ),
    "a date": (BASE + "summary: 2024-01-01\n", "mine.yaml:3: summary is of the type timestamp"),
    "no date": (BASE + "summary: 2024-99-99\n", "mine.yaml:3: summary is of the type timestamp"),
    "bytes": (BASE + "summary: !!binary aGk=\n", "mine.yaml:3: summary is of the type binary"),
    "a set": (BASE + "rules: !!set {max_score}\n", "mine.yaml:3: rules is of the type set"),
    "a merge": (BASE + "rules: [{<<: {max_score: {}}}]\n", "mine.yaml:3: the key '<<' is not text"),
    "an alias": ("source: &s {dense: {}}\nsampler: *s\n", "mine.yaml:2: not valid YAML: aliases (*) are not allowed"),
    "an endless alias": ("rules: &r [*r]\n", "mine.yaml:1: not valid YAML: aliases (*) are not allowed"),
    "a billion laughs": (LAUGHS, "mine.yaml:2: not valid YAML: aliases (*) are not allowed"),
    "a deep nest": (BASE + "rules: " + "[" * 5_000, "mine.yaml"),
    "a key twice": (
        BASE + "rules: []\n'rules': [{max_score: {}}]\n",
        "mine.yaml:4: rules is given twice; leave one out",
    ),
    "a field twice": (
        "source: {dense: {k: 5, k: 6}}\nsampler: {top_k: {}}\n",
        "mine.yaml:1: source.dense.k is given twice",
    ),
    "a number for a key": (BASE + "1: x\n", "mine.yaml:3: the key '1' is not text; use a name, or put it in quotes"),
    "a truth for a key": (BASE + "on: x\n", "mine.yaml:3: the key 'on' is not text"),
    "a list for a key": (BASE + "? [a]\n: x\n", "mine.yaml:3: the key "),
    "two documents": (BASE + "---\n" + BASE, "mine.yaml:3: not valid YAML: "),
    "a control character": (BASE + "summary: \x00\n", "mine.yaml: not valid YAML: unacceptable character"),
    "a number that is none": ("source: {dense: {k: !!int ''}}\n", "mine.yaml: not valid YAML"),
    "a truth that is none": ("source: {dense: {k: !!bool maybe}}\n", "mine.yaml: not valid YAML"),
    "a number too long": (f"source: {{dense: {{k: {'9' * 5000}}}}}\n", "mine.yaml: not valid YAML"),
    "escapes": (BASE + '"\\e[31mred": 1\n', r"mine.yaml:3: '\x1b[31mred': no such field"),
    "escapes in a value": (BASE + 'per: "\\e[31mred"\n', r"mine.yaml:3: per: '\x1b[31mred' is not valid"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_documents_are_refused(case):
    text, message = HOSTILE[case]
    said = complaint(text)
    assert message in said
    assert "\x1b" not in said
    assert len(said) < 1000


YAML = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["dense", "top_k"]),
    lambda child: (
        st.lists(child, max_size=3)
        | st.dictionaries(st.sampled_from(["k", "dense", "top_k", "margin", "max_score"]), child, max_size=2)
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*recipes.loader.FIELDS, "other"]), YAML, max_size=5))
def test_any_document_gives_a_recipe_or_says_what_is_wrong(data):
    base = {"source": {"dense": {}}, "sampler": {"top_k": {}}}
    for document in (data, {**base, **data}):
        assert (outcome(json.dumps(document)) or "mine.yaml").startswith("mine.yaml")


# --- overrides --------------------------------------------------------------------------------------------------------


def test_settings_change_fields_in_order():
    recipe = recipes.load(
        "nv-retriever",
        [
            "rules.relative_margin.margin=0.1",
            "rules.relative_margin.reference=mean",
            "source.dense.k=50",
            "source.dense.similarity=dot",
            "sampler.top_k.skip_ranks=1",
            "sampler.top_k.skip_ranks=2",
            "loss.info_nce.temperature=0.05",
        ],
    )
    assert recipe.rules[0].fields == RelativeMargin(margin=0.1, reference="mean")
    assert recipe.source.fields == Dense(k=50, similarity="dot")
    assert recipe.sampler.fields == TopK(skip_ranks=2)
    assert recipe.loss.fields.temperature == 0.05
    assert recipe.name == "nv-retriever"
    assert recipes.load("nv-retriever").rules[0].fields == RelativeMargin()  # nothing is remembered


@pytest.mark.parametrize(
    ("setting", "part", "fields"),
    [
        ('sampler={"uniform": {"skip_ranks": 3}}', "sampler", UniformWindow(skip_ranks=3)),
        ("sampler={uniform: {skip_ranks: 3}}", "sampler", UniformWindow(skip_ranks=3)),
        ("source.dense.max_depth=null", "source", Dense()),
        ("source.dense.max_depth=", "source", Dense()),
        ("source.dense={}", "source", Dense()),
        ("sampler.top_k.column=dense", "sampler", TopK(column="dense")),
        ('sampler.top_k.column="dense"', "sampler", TopK(column="dense")),
    ],
)
def test_values_are_json_or_yaml(setting, part, fields):
    assert getattr(made(BASE, [setting]), part).fields == fields


def test_lists_and_parts_without_fields_can_be_set():
    bare = "source: {dense: }\nsampler: {top_k: }\nrules: [max_score: ]\n"
    recipe = made(bare, ["sampler.top_k.skip_ranks=4", "source.dense.k=9", "rules.max_score.threshold=0.5"])
    assert (recipe.sampler.fields, recipe.source.fields) == (TopK(skip_ranks=4), Dense(k=9))
    assert recipe.rules[0].fields == MaxScore(threshold=0.5)
    recipe = made(BASE, ["rules=[{mean_std: {}}, {max_score: {}}]", "rules.max_score.threshold=0.25", "per=pair"])
    assert [rule.name for rule in recipe.rules] == ["mean_std", "max_score"]
    assert recipe.rules[1].fields == MaxScore(threshold=0.25)
    assert recipe.per == "pair"


TWO = BASE + "rules: [{max_score: {}}, {max_score: {threshold: 0.1}}]\n"
BAD_SETTINGS = {
    "no sign": (BASE, "rules", "--set rules: expected part.name.field=value, as in rules.relative_margin.margin=0.1"),
    "no name": (BASE, "=3", "--set =3: expected part.name.field=value"),
    "a gap": (BASE, "source..k=3", "--set source..k=3: expected part.name.field=value"),
    "no such rule": (
        BASE + "rules: [{relative_margin: {}}]",
        "rules.relativemargin.margin=0.1",
        "this recipe has no rules.relativemargin; did you mean 'relative_margin'?",
    ),
    "no rules": (BASE, "rules.max_score.threshold=0.1", "this recipe has no rules; choose a recipe that has"),
    "empty rules": (BASE + "rules: []", "rules.max_score.threshold=0.1", "this recipe has no rules; choose"),
    "another source": (BASE, "source.uniform.k=3", "this recipe has no source.uniform; Valid: dense"),
    "a rule twice": (
        TWO,
        "rules.max_score.threshold=0.2",
        "this recipe has rules.max_score twice; set rules as a whole",
    ),
    "a field of a number": (
        "source: {dense: {k: 3}}\nsampler: {top_k: {}}",
        "source.dense.k.x=1",
        "source.dense.k has no fields; set it as a whole",
    ),
    "a field of a list": (
        BASE + "shortfall: {steps: [{}]}",
        "shortfall.steps.max_score=1",
        "shortfall.steps has no fields; set it as a whole, as in shortfall.steps=JSON",
    ),
    "not a value": (BASE, "source.dense.k={a: [", "the value '{a: [' is neither JSON nor YAML"),
    "a hostile value": (BASE, "source.dense.k=!!python/name:os.system", "is neither JSON nor YAML"),
    "no date": (BASE, "source.dense.k=2024-99-99", "is neither JSON nor YAML"),
    "out of range": (BASE, "source.dense.k=0", "--set source.dense.k=0: source.dense.k: expected `int` >= 1, found 0"),
    "no such field": (
        BASE,
        "source.dense.kk=0",
        "--set source.dense.kk=0: source.dense.kk: no such field; did you mean",
    ),
    "no such entry": (BASE, "sauce.dense.k=1", "no such field; did you mean 'source'?"),
    "a date": (
        BASE,
        "source.dense.k=2024-01-01",
        "--set source.dense.k=2024-01-01: source.dense.k: expected `int`, got",
    ),
    "nan": (BASE + "rules: [{max_score: {}}]", "rules.max_score.threshold=NaN", "expected a finite number, found nan"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_settings_that_do_not_fit_are_refused(case):
    text, setting, message = BAD_SETTINGS[case]
    said = complaint(text, [setting])
    assert message in said
    assert said.startswith("--set")


def test_a_setting_hides_the_lines_that_it_replaces():
    text = BASE + "rules:\n- relative_margin:\n    margin: 0.1\n"
    setting = "rules=[{relative_margin: {margin: 7}}]"
    assert complaint(text, [setting]).startswith(f"--set {setting}: rules[0].relative_margin.margin: expected")
    assert complaint(text, ["per=pair", "rules.relative_margin.margin=7"]).startswith(
        "--set rules.relative_margin.margin=7: "
    )
    assert complaint(text + "summary: 3", ["rules.relative_margin.margin=0.2"]).startswith("mine.yaml:6: summary")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text("rulesampk_0.=[]{}: '\"!&*", max_size=12) | st.just("rules.max_score.threshold=0.5"), max_size=3)
)
def test_any_setting_works_or_says_what_is_wrong(given_settings):
    said = outcome(BASE + "rules: [{max_score: {}}]\n", given_settings)
    assert said is None or re.match(r"--set|mine\.yaml", said)


# --- the recipe as a whole --------------------------------------------------------------------------------------------


def test_the_other_name_of_a_rule():
    recipe = made(BASE + "rules: [{perc_pos: 0.9}]")
    assert recipe.rules == made(BASE + "rules: [{relative_margin: {margin: 0.1}}]").rules
    assert recipe.rules[0].name == "relative_margin"
    assert made(BASE + "rules: [{perc_pos: 1}]").rules[0].fields == RelativeMargin(margin=0.0)
    assert made(BASE + "rules: [{perc_pos: 0.9}]", ["rules.perc_pos=0.8"]).rules[0].fields.margin == 0.2


def test_pairs_may_refer_to_their_positive():
    recipe = made(BASE + "per: pair\nrules: [{relative_margin: {reference: pair}}]")
    assert recipe.per == "pair"
    assert recipe.rules[0].fields.reference == "pair"


def test_columns_and_what_the_sampler_orders_by():
    assert made(BASE).columns() == {"dense": Kind.RATIO}
    assert made(BASE).ordered_by() == "dense"
    scored = made(BASE + "scorers: [{vectors: {}}]")
    assert list(scored.columns()) == ["dense", "vectors"]
    assert scored.ordered_by() == "vectors"
    assert made(BASE + "scorers: [{vectors: {}}]", ["sampler.top_k.column=dense"]).ordered_by() == "dense"
    assert made(BASE, ["sampler.top_k.column=rank"]).ordered_by() == "rank"
    unscored = made("source: {uniform: {}}\nsampler: {top_k: {}}")
    assert (unscored.columns(), unscored.ordered_by()) == ({}, "rank")
    helped = made(
        "source: {uniform: {}}\nscorers: [{vectors: {}}]\nsampler: {top_k: {}}\nrules: [{relative_margin: {}}]"
    )
    assert helped.columns() == {"vectors": Kind.RATIO}


RELAXED = (
    BASE
    + """\
rules: [{max_score: {threshold: 0.9}}, {relative_margin: {margin: 0.1, reference: max}}]
shortfall:
  policy: relax
  steps:
  - relative_margin: {margin: 0.05}
  - {relative_margin: {margin: 0}, max_score: {threshold: 1}}
"""
)


def test_steps_of_relaxing_build_on_one_another():
    steps = [tuple(rule.fields for rule in step) for step in made(RELAXED).relaxations]
    assert steps == [
        (MaxScore(threshold=0.9), RelativeMargin(margin=0.05, reference="max")),
        (MaxScore(threshold=1.0), RelativeMargin(margin=0.0, reference="max")),
    ]
    changed = made(RELAXED, ["rules.max_score.threshold=0.8"])
    assert changed.relaxations[0][0].fields == MaxScore(threshold=0.8)


FULL = (
    RELAXED
    + """\
per: pair
scorers: [{vectors: {vectors: teacher}}]
loss: {info_nce: {}}
paper: {title: "A title: with a colon", year: 2022}
summary: Everything at once.
fidelity: none
"""
)


@pytest.mark.parametrize("text", [BASE, RELAXED, FULL])
def test_what_is_resolved_can_be_loaded_again(text):
    recipe = made(text)
    resolved = recipe.resolved()
    stored = json.loads(json.dumps(resolved, allow_nan=False))
    assert stored == resolved  # plain data: what is read back from a file compares equal
    again = recipes.from_resolved(stored, "identity.json")
    assert again.resolved() == resolved
    for part in ("per", "source", "scorers", "rules", "sampler", "relaxations", "shortfall"):
        assert getattr(again, part) == getattr(recipe, part)
    assert again.name == "identity.json"


@pytest.mark.parametrize("name", SHIPPED)
def test_every_default_is_resolved(name):
    recipe = recipes.load(name)
    resolved = recipe.resolved()
    assert recipes.from_resolved(resolved, "x").resolved() == resolved
    for part, registry in (("source", sources.REGISTRY), ("sampler", samplers.REGISTRY)):
        ((kind, fields),) = resolved[part].items()
        assert list(fields) == list(registry[kind].__struct_fields__)
    for rule in resolved["rules"]:
        ((kind, fields),) = rule.items()
        assert list(fields) == list(rules.REGISTRY[kind].__struct_fields__)


def test_a_loaded_recipe_can_be_overridden():
    recipe = recipes.load("nv-retriever")
    other = recipes.override_resolved(recipe, ["rules.relative_margin.margin=0.2", "source.dense.k=7"])
    assert other.rules[0].fields == RelativeMargin(margin=0.2)
    assert other.source.fields == Dense(k=7)
    assert other.name == "nv-retriever"
    with pytest.raises(RecipeError, match=r"--set rules.relative_margin.margin=2: rules.*found 2"):
        recipes.override_resolved(recipe, ["rules.relative_margin.margin=2"])
    with pytest.raises(RecipeError, match="this recipe has no rules"):
        recipes.override_resolved(recipes.load("uniform"), ["rules.relative_margin.margin=0.2"])


def test_an_entry_that_is_not_known_is_found_in_a_stored_recipe_too():
    with pytest.raises(RecipeError, match=r"identity.json: source.dense.kk: no such field"):
        recipes.from_resolved({"source": {"dense": {"kk": 1}}, "sampler": {"top_k": {}}}, "identity.json")


def test_two_encoders_score_under_two_names(tmp_path):
    path = tmp_path / "two.yaml"
    scorers = "[{vectors: {}}, {vectors: {vectors: teacher, name: teacher}}]"
    path.write_text(f"source: {{dense: {{}}}}\nscorers: {scorers}\nsampler: {{top_k: {{column: teacher}}}}\n")
    assert list(recipes.load(path).columns()) == ["dense", "vectors", "teacher"]


@pytest.mark.parametrize("name", ["rank", "log_q", "No", "''"])
def test_a_column_cannot_take_a_reserved_or_odd_name(tmp_path, name):
    path = tmp_path / "odd.yaml"
    path.write_text(f"source: {{dense: {{}}}}\nscorers: [{{vectors: {{name: {name}}}}}]\nsampler: {{top_k: {{}}}}\n")
    with pytest.raises(RecipeError):
        recipes.load(path)


def test_every_rule_has_its_reason():
    assert set(rules.REGISTRY) <= set(rules.REASONS)


@pytest.mark.parametrize("window", ["top_k: {skip_ranks: 1}", "uniform: {max_rank: 9}", "softmax: {skip_ranks: 2}"])
@pytest.mark.parametrize("source", ["uniform", "popularity"])
def test_a_window_of_ranks_needs_a_source_that_ranks(source, window):
    text = f"source: {{{source}: {{k: 9}}}}\nscorers: [{{vectors: {{}}}}]\nsampler: {{{window}}}\n"
    with pytest.raises(RecipeError, match=f"mine.yaml:3: .*{source} draws in random order"):
        made(text)
    assert made(text.replace(window, "uniform: {}"))
