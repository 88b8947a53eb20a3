"""What ``foils train`` may be told of how to train; each kind has some of these settings, and its own defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from foils.cli.options import Whole


@Parameter(name="*")
@dataclass(frozen=True)
class TrainingSettings:
    """Settings of all kinds; None = as the kind has it."""

    negatives: Annotated[
        Literal["in_batch", "mined", "both"] | None,
        Parameter(help="What a query is pushed away from. [default: both with --mined, in_batch without]"),
    ] = None
    mined_per_anchor: Annotated[
        Whole | None, Parameter(help="Mined negatives per pair, others in each epoch. [default: 4]")
    ] = None
    epochs: Annotated[Whole | None, Parameter(help="How often each pair is seen. [default: 5 static, 50 adapter]")] = (
        None
    )
    steps: Annotated[Whole | None, Parameter(help="Batches to train on. [default: 200 full, reranker]")] = None
    batch_size: Annotated[
        Whole | None, Parameter(help="Pairs in a batch. [default: 512 static, 128 adapter, 16 full, 8 reranker]")
    ] = None
    learning_rate: Annotated[
        float | None, Parameter(help="Of the optimiser. [default: 0.1 static, 1e-4 adapter, 2e-5 full, reranker]")
    ] = None
    temperature: Annotated[
        float | None, Parameter(help="What cosines are divided by. [default: 0.05; not for reranker]")
    ] = None
    patience: Annotated[
        Whole | None,
        Parameter(help="Evaluations without a better one, then stop; 0 = never. [default: 3; not for static]"),
    ] = None
    dim: Annotated[Whole | None, Parameter(help="Dimensions of the vectors. [default: 512; static]")] = None
    sides: Annotated[
        Literal["query", "both"] | None, Parameter(help="Whose vectors an adapter changes. [default: query]")
    ] = None


AS_THE_KIND_SAYS = TrainingSettings()
