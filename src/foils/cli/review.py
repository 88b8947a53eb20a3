"""``foils review``."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from foils import _extras as extras
from foils.cli.console import note, say, say_json
from foils.cli.data import AS_THEY_ARE, Columns, read
from foils.cli.options import Json, Whole
from foils.cli.out import Overwrite, check_new_file
from foils.cli.stopping import until_interrupted
from foils.collection import Collection
from foils.errors import InputError
from foils.labelling import DEFAULT_LABELS, FILE, LabelStore, export_labels, import_labels, measure, stored_or_drawn
from foils.labelling.drawn import check_design, stored
from foils.labelling.wording import measured_words
from foils.mining import Mined
from foils.mining.stored import Result
from foils.reviewing import EXTRA, PACKAGES
from foils.reviewing.server import held, listening, serve

Folder = Annotated[Path, Parameter(help="Folder of a result.")]
DataOf = Annotated[Path | None, Parameter(help="The data that the result was mined from, for the texts.")]
Count = Annotated[
    Whole | None,
    Parameter(help=f"Labels of the design. [default: {DEFAULT_LABELS}]", validator=Number(gte=1, lte=100_000)),
]
Port = Annotated[
    Whole, Parameter(help="Of this machine alone; 0 = any that is free.", validator=Number(gte=0, lte=65535))
]
DrawSeed = Annotated[
    Whole | None, Parameter(help="Of the draw of the pairs. [default: 0]", validator=Number(gte=0, lt=2**63))
]
Scorer = Annotated[
    str | None,
    Parameter(help="Score that guides the draw. [default: p_positive where calibrated, else the last of relevance]"),
]
NoBrowser = Annotated[bool, Parameter(negative=(), show_default=False, help="Print the address and open nothing.")]
Export = Annotated[Path | None, Parameter(help="Write the labels to this .csv or .jsonl file, and end.")]
Import = Annotated[
    Path | None,
    Parameter(name="--import", help="Add the labels of this .csv or .jsonl file (anchor_id, item_id, label), and end."),
]
Status = Annotated[
    bool, Parameter(negative=(), show_default=False, help="Say how far it is and what the last look found, and end.")
]


def review(
    result: Folder,
    /,
    *,
    data: DataOf = None,
    labels: Count = None,
    port: Port = 0,
    seed: DrawSeed = None,
    scorer: Scorer = None,
    named: Columns = AS_THEY_ARE,
    no_browser: NoBrowser = False,
    export: Export = None,
    overwrite: Overwrite = False,
    import_: Import = None,
    status: Status = False,
    json: Json = False,
) -> None:
    """Label some negatives in the browser, and learn how many of all are really positives.

    Pairs are drawn with known chances, so that a few hundred labels speak
    for all negatives. The page shows anchor, known positives and candidate;
    keys give labels; the estimate is shown at looks fixed beforehand. Every
    label is stored at once beside the result; Ctrl-C ends.

    Examples:
        foils review runs/a --data scifact

        foils review runs/a --status

        foils review runs/a --export labels.csv
    """
    opened = Result(result)
    asked = [name for name, given in (("--export", export), ("--import", import_), ("--status", status)) if given]
    if len(asked) > 1:
        raise InputError(f"{' and '.join(asked)} are given; one of them is done at a time")
    if json and not status:
        raise InputError("--json is given without --status; there is nothing else to print as JSON")
    if overwrite and export is None:
        raise InputError("--overwrite is given without --export; nothing else is written to a file")
    if export is not None:
        check_new_file(export, "--export", overwrite=overwrite)
        count = export_labels(result, export)
        say(f"labels written to {export}: {count:,}")
    elif import_ is not None:
        _import(opened, import_)
    elif status:
        _status(opened, as_json=json)
    else:
        extras.require(EXTRA, PACKAGES)
        check_design(opened, n=labels, seed=seed, scorer=scorer)
        if data is None:
            raise InputError("the texts to read are in the data: give --data, as in foils mine")
        collection = read(data, named)
        _serve(Mined.open(result, collection), collection, labels, port, seed, scorer, no_browser=no_browser)


def _import(result: Result, path: Path) -> None:
    done = import_labels(result, path)
    say(f"labels added to {result.path / FILE}: {done.added:,}; there already: {done.known:,}")
    if done.elsewhere:
        note(
            f"of pairs that are no negatives of this result: {done.elsewhere:,}; they are kept for other results and "
            "for calibration"
        )
    if done.added and stored(LabelStore.of(result.path)) is None:
        note(
            f"next: foils review {result.path} --data DATA draws the pairs for a rate; those labelled here count in it"
        )


def _status(result: Result, *, as_json: bool) -> None:
    measured = measure(result)
    if measured is None:
        store = LabelStore.of(result.path)
        count = len(store.given()) if store.exists else 0
        what = (
            f"the {count:,} labels there belong to no design, so no rate follows"
            if count
            else "nothing is labelled there"
        )
        raise InputError(f"{result.path}: {what}; begin with: foils review {result.path} --data DATA")
    if as_json:
        say_json(measured.data())
    else:
        say("\n".join(measured_words(measured, str(result.path))))


def _serve(
    mined: Mined,
    collection: Collection,
    labels: int | None,
    port: int,
    seed: int | None,
    scorer: str | None,
    *,
    no_browser: bool,
) -> None:
    from foils.reviewing.app import Review

    with held(mined.path), listening(port) as opened:  # a port that cannot be had leaves no design behind
        drawn, negatives = stored_or_drawn(mined.result, n=labels, seed=seed, scorer=scorer, say=note)
        store, split = LabelStore.of(mined.path), mined.identity.split
        page = Review.of(store, drawn, negatives.population, (collection, split))

        def ready(address: str) -> None:
            say(f"label at: {address}")
            note(f"{store.labelled(drawn.pairs):,} of {len(drawn):,} are labelled")
            note("the address is a key: whoever has it can label; Ctrl-C ends, and every label is stored at once")
            if not no_browser:
                webbrowser.open(address)

        with until_interrupted():
            serve(page, opened, ready)
    note(f"{store.labelled(drawn.pairs):,} of {len(drawn):,} are labelled; the same command goes on")
