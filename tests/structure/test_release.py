"""Version, changelog and constraints agree with pyproject.toml."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import foils

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def test_version_is_one():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)
    assert foils.__version__ == PROJECT["version"] == released[0]


def test_the_core_is_light():
    names = {Requirement(text).name for text in PROJECT["dependencies"]}
    assert names.isdisjoint({"torch", "transformers", "sentence-transformers", "matplotlib", "pandas"})


def test_constraints_are_exact_versions_and_nothing_else():
    lines = [line for line in CONSTRAINTS if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", line)] == []
    assert lines == sorted(set(lines), key=lambda line: line.partition("==")[0])


def test_every_requirement_has_a_version_in_constraints_that_serves_it():
    versions = dict(line.split("==") for line in CONSTRAINTS if "==" in line and not line.startswith("#"))
    texts = [
        *PROJECT["dependencies"],
        *(text for extra in PROJECT["optional-dependencies"].values() for text in extra),
    ]
    wanted = [requirement for requirement in map(Requirement, texts) if requirement.name != PROJECT["name"]]
    assert len(wanted) > 20
    missing = [str(one) for one in wanted if not one.specifier.contains(versions.get(canonicalize_name(one.name), "0"))]
    assert missing == []
