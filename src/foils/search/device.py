"""Exact search on a GPU: float32 products of a block of anchors with all items, and the best ``room`` of each anchor.

The device only screens. With the error of a float32 product bounded by ``slack`` (``rounding``), whatever may be among
the best k has a score of at least ``kth − 2·slack``. If the least that was kept lies below, nothing of that kind was
dropped, and the host scores the shortlist canonically, as it does on a CPU. If it does not, too many scores were too
close to tell apart: the anchor is given up here, and searched anew on the CPU. Products are never rounded to TF32.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from foils._threads import one_torch_thread
from foils.errors import InputError
from foils.positives import Int64
from foils.search.best import MOST_SHORT, ByItem, Rows
from foils.search.products import multiplies_float32, shared_tensor
from foils.search.rounding import Float64, single_slack
from foils.search.vectors import Float32, Vectors

Bool = npt.NDArray[np.bool_]

MOST_COLUMNS = 1 << 16
"""Items that are multiplied together; more are no faster."""
LEAST_COLUMNS = 1 << 10
"""With room for fewer beside this many anchors, a device is too small to be worth it."""
LEAST_ANCHORS = 512
COLUMN_BYTES = 16
"""Bytes of one anchor's score with one item: the score, and what sorting it takes."""
COMPONENT_BYTES = 8
"""Bytes of one component of an item's vector while it is brought there."""


@dataclass(frozen=True, eq=False)
class Hidden:
    """What must not be returned.

    Attributes:
        barred: pairs of an anchor's row and an item.
        unmineable: int64[U], items that nobody gets, ascending.
        masked: slice of items → bool[A, I], True = must not be returned; None = all may be.
    """

    barred: ByItem
    unmineable: Int64
    masked: Callable[[slice], Bool | None]


@dataclass(frozen=True, eq=False)
class OnDevice:
    """Screen by float32 products of PyTorch on a device; one scan at a time.

    Attributes:
        items: the items' vectors.
        device: as PyTorch names it, for instance ``cuda:0``.
        model: what the device is, for facts.
        free_bytes: memory of the device that may be used; where the items take half of it or less, they stay there.
        lock: scans share the memory.
    """

    items: Vectors
    device: str
    model: str
    free_bytes: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """The product's name, and the device."""
        return f"torch float32 on {self.device} ({self.model})"

    def one_thread(self) -> AbstractContextManager[None]:
        """One thread of PyTorch, where the device is the CPU."""
        return one_torch_thread()

    def slack(self, anchors: Float32) -> Float64:
        """Bound the difference to the canonical scores: float64[A]; the order of summation does not matter."""
        return single_slack(anchors, self.items)

    def scan(self, anchors: Float32, room: int, hidden: Hidden, step: int) -> tuple[Rows, Float32, Int64]:
        """Find the ``room`` best items of every anchor, roughly.

        Args:
            anchors: float32[A, d].
            room: how many items are kept for each.
            hidden: what must not be returned.
            step: items that the host reads, or masks, at a time.

        Returns:
            int32 or int64[A, room] items, ascending; float32[A, room] scores; int64[A], how many there are of each.

        Raises:
            InputError: float32 products are rounded to TF32 in this process, or the device's memory ran out.
        """
        import torch

        if not multiplies_float32(torch.device(self.device).type):
            raise InputError(
                f"search on {self.device} needs float32 products, and this process rounds them to TF32; call "
                "torch.set_float32_matmul_precision('highest'), or set CUDA_VISIBLE_DEVICES= to search on the CPU"
            )
        kind = torch.device(self.device).type
        try:
            with self.lock, torch.inference_mode(), torch.autocast(kind, enabled=False):
                return self._scan(anchors, room, hidden, step)
        except torch.cuda.OutOfMemoryError as error:
            raise InputError(
                f"the memory of {self.device} ran out: {error}; end what else uses it, or set CUDA_VISIBLE_DEVICES= to "
                "search on the CPU"
            ) from error

    def _scan(self, anchors: Float32, room: int, hidden: Hidden, step: int) -> tuple[Rows, Float32, Int64]:
        import torch

        left, total = shared_tensor(anchors).to(self.device), len(self.items)
        width = self._width(len(anchors))
        # The best so far stand on the left, and the scores of the block at hand beside them.
        both = torch.full((len(anchors), room + min(width, total)), -torch.inf, dtype=torch.float32, device=self.device)
        items = torch.full((len(anchors), room), total, dtype=torch.int64, device=self.device)
        for block in _cut(slice(0, total), width):
            beside = both[:, : room + block.stop - block.start]
            scores = beside[:, room:]
            torch.mm(left, self._read(block, step).T, out=scores)
            _hide(scores, block, hidden, step)
            best, places = torch.topk(beside, room, dim=1, sorted=False)
            fresh = places + (block.start - room)
            items = torch.where(places < room, items.gather(1, places.clamp(max=room - 1)), fresh)
            both[:, :room] = best
        found = both[:, :room]
        items = torch.where(found > -torch.inf, items, total)  # hidden ones go to the right end
        items, order = torch.sort(items, dim=1)
        counts = (items < total).sum(dim=1)
        if total <= MOST_SHORT:
            items = items.to(torch.int32)
        return tuple(tensor.cpu().numpy() for tensor in (items, found.gather(1, order), counts))  # type: ignore[return-value]

    def _width(self, anchors: int) -> int:
        """Say how many items are multiplied together."""
        held = 0 if self._held is None else 4 * len(self.items) * self.items.dim
        return columns_within(self.free_bytes - held, anchors, self.items.dim)

    def _read(self, block: slice, step: int) -> Any:
        """Give float32[I, d] on the device."""
        return self._brought(block, step) if self._held is None else self._held[block]

    @cached_property
    def _held(self) -> Any:
        """All items on the device, where there is room for them."""
        if 4 * len(self.items) * self.items.dim > self.free_bytes // 2:
            return None
        return self._brought(slice(0, len(self.items)), LEAST_COLUMNS)

    def _brought(self, block: slice, step: int) -> Any:
        """Bring items to the device, ``step`` at a time."""
        import torch

        rows = torch.empty(
            (block.stop - block.start, self.items.dim), dtype=torch.float32, device=torch.device(self.device)
        )
        for part in _cut(block, step):
            rows[part.start - block.start : part.stop - block.start] = shared_tensor(self.items.roughly(part))
        return rows


def is_cut_short(scores: Float32, counts: Int64, k: int, reach: Float64) -> Bool:
    """Tell which shortlists may lack one of the best k: full ones whose least entry is within reach of the k-th best.

    Args:
        scores: float32[A, R].
        counts: int64[A], how many entries each has.
        k: how many are wanted.
        reach: float64[A], twice the slack.

    Returns:
        bool[A].
    """
    room = scores.shape[1]
    full = np.flatnonzero(counts == room)
    cut = np.zeros(len(scores), np.bool_)
    if k >= room:
        cut[full] = True
        return cut
    parted = scores[full]
    parted.partition([0, room - k], axis=1)
    cut[full] = parted[:, 0] >= parted[:, room - k].astype(np.float64) - reach[full]
    return cut


def columns_within(free_bytes: int, anchors: int, dim: int) -> int:
    """Say how many items can be multiplied together in so much memory: at least one."""
    return max(1, min(MOST_COLUMNS, free_bytes // (2 * (COLUMN_BYTES * max(anchors, 1) + COMPONENT_BYTES * dim))))


def find_device(items: Vectors) -> tuple[OnDevice | None, str | None]:
    """Look for a GPU to search on; imports PyTorch.

    Returns:
        the screen, or None; and why a GPU that is there is not used.
    """
    import torch

    if not torch.cuda.is_available():
        return None, None
    device = f"cuda:{torch.cuda.current_device()}"
    if not multiplies_float32("cuda"):
        return None, (
            f"{device} is not used for search: this process rounds its float32 products to TF32; "
            "torch.set_float32_matmul_precision('highest') lets it be used"
        )
    free, _ = torch.cuda.mem_get_info()
    if columns_within(free, LEAST_ANCHORS, items.dim) < LEAST_COLUMNS:
        return None, f"{device} is not used for search: only {free / 1e6:,.0f} MB of its memory are free"
    return OnDevice(items, device, torch.cuda.get_device_name(), free), None


def _hide(scores: Any, block: slice, hidden: Hidden, step: int) -> None:
    """Write −inf where an item must not be returned."""
    import torch

    device = scores.device
    cells = hidden.barred.cells(block.start, block.stop)
    scores[tuple(torch.from_numpy(places).to(device) for places in cells)] = -torch.inf
    inside = hidden.unmineable[slice(*np.searchsorted(hidden.unmineable, [block.start, block.stop]))]
    scores[:, torch.from_numpy(inside - block.start).to(device)] = -torch.inf
    for part in _cut(block, step):
        mask = hidden.masked(part)
        if mask is not None:
            columns = scores[:, part.start - block.start : part.stop - block.start]
            columns.masked_fill_(shared_tensor(mask).to(device), -torch.inf)


def _cut(block: slice, step: int) -> Iterator[slice]:
    """Cut a slice into slices."""
    return (slice(start, min(start + step, block.stop)) for start in range(block.start, block.stop, step))
