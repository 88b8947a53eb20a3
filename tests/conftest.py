"""What holds for all tests: nothing is kept in the user's cache, and generated examples are the same on every run.

``HYPOTHESIS_PROFILE=explore`` draws new examples, and more of them: for the one who changes a kernel.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("repeat", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    """Keep what tests encode out of the user's cache folder, also in processes that they start."""
    before = os.environ.get("FOILS_CACHE")
    os.environ["FOILS_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["FOILS_CACHE"]
    else:
        os.environ["FOILS_CACHE"] = before
