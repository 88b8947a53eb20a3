"""The page to label from: served to this machine alone, one pair at a time, in the order of the design.

``guard`` lets in whoever has the token and nobody else, ``app`` answers, ``pages`` tells what stands on a page,
``forms`` reads what comes back, ``server`` runs. Of a pair its anchor is shown, the anchor's known positives and the
candidate: neither who proposed it nor how it ranked.
"""

EXTRA = "review"
PACKAGES = ("jinja2", "starlette", "uvicorn")
"""What the extra brings; ``app`` and ``server.serve`` need it."""

__all__ = ["EXTRA", "PACKAGES"]
