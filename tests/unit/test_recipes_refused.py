"""Recipes that are refused: the message names the line and the nearest choice, whatever the document holds."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import recipes

making = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("recipe_making.py"))))
BASE, outcome, complaint = making.BASE, making.outcome, making.complaint

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
