"""How tests of recipes load them, and what they are told. Loaded by ``runpy.run_path``."""

from foils import recipes
from foils.errors import RecipeError
from foils.recipes.document import parse
from foils.recipes.loader import build

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
