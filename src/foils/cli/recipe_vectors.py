"""The vectors that a recipe compares: of a model or of two files, and of further models by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foils.cli.console import note
from foils.cli.vectors import Files, VectorsOf, check_files
from foils.encoders import Encoder, open_encoder
from foils.errors import InputError
from foils.mining.encoded import memo_of
from foils.recipes import Recipe
from foils.search import MODEL

Encoders = Annotated[
    list[str],
    Parameter(
        name="--encoder",
        negative=(),
        help="A further model that the recipe reads, by name: guide=minilm. May be repeated.",
    ),
]


def choose_vectors(
    recipe: Recipe, given: VectorsOf, encoders: Sequence[str], cache: Path | None
) -> tuple[Files, dict[str, Encoder]]:
    """Choose the files of vectors, and open the encoders; neither where the recipe compares no vectors.

    Raises:
        InputError: none are given where the recipe needs some, one of two is missing, or both ways are used.
    """
    named = _named(encoders, recipe)
    given.check()
    _check_named(recipe, given, named)
    main = VectorsOf() if _is_unused(recipe, given) else given
    check_files(*main.files)
    memo = memo_of(cache)
    opened = {name: open_encoder(other, precision=given.precision, memo=memo) for name, other in named.items()}
    encoder = main.open(cache)
    return main.files, opened if encoder is None else {MODEL: encoder, **opened}


def _check_named(recipe: Recipe, given: VectorsOf, named: Mapping[str, str]) -> None:
    """Check that no further model of the recipe is missing."""
    if given.model is None and not named and given.precision != "auto":
        raise InputError("--precision is for --model; give it, or leave this out")
    if missing := [name for name in recipe.reads() if name != MODEL and name not in named]:
        listed = " ".join(f"--encoder {name}=MODEL" for name in missing)
        raise InputError(
            f"the recipe {recipe.name} reads the vectors {', '.join(map(repr, missing))} too; give {listed}"
        )


def _is_unused(recipe: Recipe, given: VectorsOf) -> bool:
    """Tell whether the recipe does not compare these vectors, and say so where some are given.

    Raises:
        InputError: it does, and none are given.
    """
    is_given, reads = given.model is not None or given.query_vectors is not None, recipe.reads()
    if MODEL in reads and not is_given:
        raise InputError(
            f"the recipe {recipe.name} compares vectors; give --model, or --query-vectors and --corpus-vectors"
        )
    if MODEL not in reads and is_given:
        what = f"reads the vectors {', '.join(reads)} alone" if reads else "compares no vectors"
        note(f"the recipe {recipe.name} {what}; those given are not used")
    return MODEL not in reads


def _named(encoders: Sequence[str], recipe: Recipe) -> dict[str, str]:
    """Read NAME=MODEL."""
    named: dict[str, str] = {}
    for text in encoders:
        name, equals, model = text.partition("=")
        if not (name and equals and model):
            raise InputError(f"--encoder {text}: expected NAME=MODEL, as in guide=minilm")
        if name in named or name == MODEL:
            raise InputError(
                f"--encoder {text}: {name!r} is given twice" if name in named else f"--encoder {text}: that is --model"
            )
        if name not in recipe.reads():
            known = ", ".join(recipe.reads()) or "none"
            raise InputError(f"--encoder {text}: the recipe {recipe.name} does not read {name!r}; it reads: {known}")
        named[name] = model
    return named
