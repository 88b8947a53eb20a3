"""What ``foils.__all__`` names is there, and what is there is named."""

import importlib
import pkgutil
from types import ModuleType

import pytest

import foils

PACKAGES = [module.name for module in pkgutil.iter_modules(foils.__path__, "foils.") if module.ispkg]


def test_every_public_name_of_foils_is_in_all():
    public = {name for name in dir(foils) if not name.startswith("_")}
    values = {name for name in public if not isinstance(getattr(foils, name), ModuleType)}
    assert values <= {*foils.__all__, "annotations"}
    assert "__version__" in foils.__all__


@pytest.mark.parametrize("name", ["foils", *PACKAGES])
def test_every_name_of_all_is_there_once(name):
    module = importlib.import_module(name)
    named = getattr(module, "__all__", [])
    assert len(named) == len(set(named))
    assert [one for one in named if not hasattr(module, one)] == []
