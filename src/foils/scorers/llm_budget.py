"""A budget of calls and tokens that is never exceeded, whatever fails and however much is under way.

A call is counted before it is sent, and so are the most tokens that it could use; what the server says it used takes
their place afterwards. A call that would not fit waits for those under way, whose counts can only fall.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass(eq=False)
class Budget:
    """What may be spent, and what was.

    Attributes:
        max_calls: None = no limit.
        max_tokens: None = no limit.
        calls: sent, tries again included.
        tokens: used, as the server says; where it does not, the most that a call could use.
        refused: tokens of the smallest call that did not fit; 0 = all did.
    """

    max_calls: int | None
    max_tokens: int | None
    calls: int = 0
    tokens: int = 0
    refused: int = 0
    _reserved: int = 0
    _under_way: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def reserve(self, most_tokens: int) -> bool:
        """Take a call and its tokens out of the budget; False = they do not fit, and nothing under way changes that."""
        with self._changed:
            while self.max_tokens is not None and self.tokens + self._reserved + most_tokens > self.max_tokens:
                if not self._under_way:
                    self.refused = min(self.refused or most_tokens, most_tokens)
                    return False
                self._changed.wait()
            if self.max_calls is not None and self.calls >= self.max_calls:
                return False
            self.calls += 1
            self._under_way += 1
            self._reserved += most_tokens
            return True

    def settle(self, most_tokens: int, used: int) -> None:
        """Say what a call used that was reserved with ``most_tokens``."""
        with self._changed:
            self._under_way -= 1
            self._reserved -= most_tokens
            self.tokens += used
            self._changed.notify_all()
