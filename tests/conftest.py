"""What holds for all tests: generated examples are the same on every run, unless a run asks for new ones.

``HYPOTHESIS_PROFILE=explore`` draws new examples, and more of them: for the one who changes a kernel.
"""

import os

from hypothesis import settings

settings.register_profile("repeat", derandomize=True, deadline=None)
settings.register_profile("explore", derandomize=False, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))
