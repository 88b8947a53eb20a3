"""Recipes: every method is a few parts with their fields, in one YAML file.

``load("nv-retriever", ["rules.relative_margin.margin=0.1"])`` gives a validated ``Recipe``; ``names()`` lists them.
"""

from foils.recipes.loader import from_resolved, load, names, override_resolved
from foils.recipes.recipe import Part, Recipe

__all__ = ["Part", "Recipe", "from_resolved", "load", "names", "override_resolved"]
