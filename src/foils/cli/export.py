"""``foils export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pyarrow as pa
from cyclopts import Parameter
from cyclopts.validators import Number

from foils.cli.console import note, say, say_json
from foils.cli.data import AS_THEY_ARE, Columns, read
from foils.cli.options import Json, Whole
from foils.cli.out import Overwrite, check_new_file, check_place
from foils.errors import InputError
from foils.mining import Mined
from foils.mining.card import check_card, check_no_stale_card
from foils.mining.export import check_target, neutralised, write_rows
from foils.mining.layouts import layout

Folder = Annotated[Path, Parameter(help="A result folder, as --out of foils mine named it.")]
Format = Annotated[
    str,
    Parameter(
        help="triplet, n-tuple, labeled-pair, labeled-list, tevatron or flagembedding; or found-positives, unscored."
    ),
]
File = Annotated[Path, Parameter(help="File to write: .jsonl, .csv (also .gz) or .parquet.")]
From = Annotated[Path, Parameter(help="What it was mined from; needed for texts.")]
Scores = Annotated[
    str, Parameter(help="Column of scores to write beside, such as dense; sampler = the one negatives were ordered by.")
]
Texts = Annotated[Literal["text", "id"], Parameter(help="text, or id.")]
Policy = Annotated[
    Literal["short", "drop"],
    Parameter(help="Units with too few negatives: short keeps them, drop leaves them out."),
]
Epoch = Annotated[Whole, Parameter(help="Whose draw to write; 0 is what was mined.", validator=Number(gte=0))]
Licence = Annotated[
    str, Parameter(help="Write a data-set card, README.md, beside; its value is the licence of the texts: cc-by-4.0.")
]
Judge = Annotated[str, Parameter(help="Column of probabilities by which found-positives are found.")]
Threshold = Annotated[float, Parameter(help="Least probability of a found positive.")]
SAMPLER = "sampler"
LISTS = ("found-positives", "unscored")


def export(
    folder: Folder,
    /,
    *,
    format: Format,
    out: File,
    data: From | None = None,
    named: Columns = AS_THEY_ARE,
    columns: Texts = "text",
    shortfall: Policy = "short",
    scores: Scores | None = None,
    column: Judge | None = None,
    threshold: Threshold = 0.5,
    epoch: Epoch = 0,
    card: Licence | None = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    r"""Write training rows for a trainer.

    The formats triplet, n-tuple, labeled-pair and labeled-list are those of
    sentence-transformers; tevatron and flagembedding are for .jsonl. The list
    found-positives holds the candidates that a judge takes for positives, for
    --found of foils mine and foils train; unscored, what an LLM left unjudged.

    Examples:
        foils export runs/a --data scifact --format triplet --out train.jsonl

        foils export runs/a --data scifact --format n-tuple --shortfall drop \
          --scores sampler --out train.parquet --card cc-by-4.0

        foils export runs/a --format found-positives --column strong \
          --threshold 0.5 --out found.jsonl
    """
    check_target(out)
    check_place(out.parent)
    check_new_file(out, "--out", overwrite=overwrite)
    if format in LISTS:
        _export_list(folder, format, out, column, threshold, as_json=json)
        return
    layout(format)
    if card is not None:
        check_card(out.parent, card)
    else:
        check_no_stale_card(out)
    if column is not None:
        raise InputError("--column is for --format found-positives; scores beside the texts are asked for by --scores")
    if columns == "text" and data is None:
        raise InputError("texts are in the data that the result was mined from: give --data, or --columns id")
    mined = Mined.open(folder, None if data is None else read(data, named))
    if epoch and not mined.recipe.sampler.fields.random:
        note(
            f"warning: --epoch {epoch}: the sampler {mined.recipe.sampler.name} draws nothing, so every epoch gives "
            "the same rows; for others, mine by a recipe that draws, such as simans or star-static"
        )
    options: dict[str, Any] = {"columns": columns, "shortfall": shortfall, "epoch": epoch}
    if scores is not None:
        options["scores"] = True if scores == SAMPLER else scores
    rows = mined.write(out, format, **options)  # type: ignore[arg-type]
    written = [str(out)]
    if card is not None:
        written.append(str(mined.write_card(out, format, card, rows, **options)))  # type: ignore[arg-type]
    if json:
        say_json({"rows": rows, "written": written, "format": format, **options})
        return
    say(f"{rows:,} rows written to {' and '.join(written)}")


def _export_list(folder: Path, format: str, out: Path, column: str | None, threshold: float, *, as_json: bool) -> None:
    """Write a list of pairs."""
    mined = Mined.open(folder)
    if format == "unscored":
        table = mined.unscored()
    elif column is None:
        raise InputError("found-positives need the judge's column: --column NAME, such as llm, or strong of rlhn")
    else:
        table = mined.found_positives(column, threshold)
    if out.name.casefold().endswith((".csv", ".csv.gz")) and _is_changed_by_csv(table):
        raise InputError(f"{out}: CSV would change ids that begin as formulas do; write .jsonl or .parquet")
    rows = write_rows(iter([table]), out)
    if as_json:
        say_json({"rows": rows, "written": [str(out)], "format": format})
        return
    say(f"{rows:,} pairs written to {out}")


def _is_changed_by_csv(table: pa.Table) -> bool:
    names = [*table["anchor_id"].unique().to_pylist(), *table["item_id"].unique().to_pylist()]
    return any(neutralised(name) != name for name in names)
