"""What the trainers are told between steps: the epoch's negatives, when to stop, which checkpoints are whole.

Whatever a decision needs is read from the trainer's own state, which its checkpoints hold, so that a run that goes on
from one decides as it would have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from foils.integrations.sentence_transformers.outcome import Evaluated
from foils.integrations.sentence_transformers.place import WHOLE

QUALITY = "eval_quality"
"""Under this name the trainer logs what the evaluator gives."""
NEARLY = 1e-6
"""Epochs are counted in fractions; 1.9999999 is 2."""


class EpochRotation(TrainerCallback):
    """Move a feed on to the trainer's epoch, and so to other mined negatives and another order.

    Args:
        feed: anything with an ``epoch``.
    """

    def __init__(self, feed: Any) -> None:
        self.feed = feed

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Set the epoch, also of a run that goes on in the middle of one."""
        self.feed.epoch = int((state.epoch or 0) + NEARLY)


class StopWhenNoBetter(TrainerCallback):
    """Stop after a number of evaluations without a better one.

    Args:
        patience: that number.
        before: quality before training, which counts as an evaluation.
    """

    def __init__(self, patience: int, before: float) -> None:
        self.patience, self.before = patience, before

    def on_evaluate(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Look at all evaluations so far."""
        if is_exhausted([self.before, *(one.quality for one in evaluated(state.log_history))], self.patience):
            control.should_training_stop = True


class Checkpoints(TrainerCallback):
    """Mark a checkpoint when everything in it is written."""

    def on_save(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Leave the mark."""
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()


class Reporting(TrainerCallback):
    """Hand on what happens.

    Args:
        progress: called after each step with steps done, steps in all and the last loss that is known.
        on_evaluation: called after each evaluation.
    """

    def __init__(
        self, progress: Callable[[int, int, float], None] | None, on_evaluation: Callable[[Evaluated], None] | None
    ) -> None:
        self.progress, self.on_evaluation = progress, on_evaluation

    def on_log(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Report a step, which is logged with its loss."""
        last = state.log_history[-1]
        if self.progress is not None and "loss" in last:
            self.progress(state.global_step, state.max_steps, last["loss"])

    def on_evaluate(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        """Report an evaluation."""
        if self.on_evaluation is not None:
            self.on_evaluation(evaluated(state.log_history)[-1])


def evaluated(log: Sequence[dict[str, Any]]) -> list[Evaluated]:
    """Read the evaluations of a trainer's log."""
    return [Evaluated(entry["step"], entry[QUALITY]) for entry in log if QUALITY in entry]


def is_exhausted(qualities: Sequence[float], patience: int) -> bool:
    """Tell whether the last ``patience`` evaluations are no better than the best before them."""
    return len(qualities) - 1 - qualities.index(max(qualities)) >= patience
