"""Audit: negatives looked at from every side, as figures, a page and a few lines.

A *subject* is a result folder or anybody's file, as flat arrays of rows. Each figure is a pure function of it in a file
of its own: ``hardness``, ``groups`` (bands of ranks, sources), ``coverage``, ``duplicates``, ``near``, ``shortfall``,
``leakage``, ``hidden``, ``comparison``, ``examples``. ``findings`` says what they allow to say.
"""

from foils.auditing.report import REPORT, Report
from foils.auditing.run import Audit, audit, missing_extra

__all__ = ["REPORT", "Audit", "Report", "audit", "missing_extra"]
