"""What ``foils mine`` and ``foils plan`` are asked alike, and how they begin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from foils import recipes
from foils.cli.calibrate import Calibrated, with_calibration
from foils.cli.data import AS_THEY_ARE, Columns, Data, Split, read, require_positives
from foils.cli.found import FoundFile, overlaid
from foils.cli.limits import UNLIMITED, Limits
from foils.cli.options import Memory, Search, Seed, Threads, Whole, memory_bytes
from foils.cli.recipe_vectors import Encoders, choose_vectors
from foils.cli.vectors import NOWHERE, Cache, Files, NoCache, VectorsOf, choose_cache
from foils.collection import Collection
from foils.encoders import Encoder
from foils.mining import Execution
from foils.recipes import Recipe

Recipes = Annotated[str, Parameter(help="Name of a recipe (see: foils recipes), or a .yaml file.")]
Negatives = Annotated[Whole, Parameter(help="Negatives per query.", validator=Number(gte=1, lte=1_000_000))]
Settings = Annotated[
    list[str],
    Parameter(name="--set", negative=(), help="Change a field of the recipe: part.name.field=value. May be repeated."),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Asked:
    """From what is mined and how, beside the recipe, and with how much of the machine."""

    vectors: VectorsOf = NOWHERE
    encoder: Encoders | None = None
    limits: Limits = UNLIMITED
    found: FoundFile | None = None
    split: Split = "train"
    named: Columns = AS_THEY_ARE
    seed: Seed = 0
    settings: Settings | None = None
    calibration: Calibrated | None = None
    memory: Memory = "2GB"
    threads: Threads = 2
    search: Search = "auto"
    cache: Cache | None = None
    no_cache: NoCache = False

    def execution(self) -> Execution:
        """Say how it is carried out."""
        return Execution(memory_bytes=memory_bytes(self.memory), threads=self.threads, search=self.search)

    def load(self, recipe: str) -> Recipe:
        """Load a recipe, with the calibration and the settings that change it."""
        return recipes.load(recipe, with_calibration(self.settings or (), self.calibration))

    def kept(self) -> Path | None:
        """Choose the folder of the cache; None = none."""
        return choose_cache(self.cache, no_cache=self.no_cache)

    def open(self, recipe: Recipe, kept: Path | None) -> tuple[Files, dict[str, Encoder]]:
        """Choose the files of vectors that the recipe compares, and open its encoders."""
        return choose_vectors(recipe, self.vectors, self.encoder or (), kept)

    def read(self, data: Data) -> Collection:
        """Read the data, with what was found later, and check that the split has positives."""
        collection = overlaid(read(data, self.named, split=self.split), self.found, self.split)
        require_positives(collection, self.split)
        return collection


AS_BY_DEFAULT = Asked()
