"""``foils audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foils.auditing import REPORT, Audit, audit, missing_extra
from foils.cli.console import note, progress_of_stages, say, say_json
from foils.cli.data import AS_THEY_ARE, Columns, Split, read
from foils.cli.options import Json
from foils.cli.out import check_place
from foils.cli.vectors import CorpusVectors, QueryVectors
from foils.collection import Collection
from foils.errors import InputError
from foils.mining import Mined
from foils.mining.folder import read_identity
from foils.reporting.files import PAGE, check_folder

Subject = Annotated[Path, Parameter(help="Folder of a result; with --file, the data that the file is about.")]
File = Annotated[
    Path | None,
    Parameter(help="Anybody's negatives: triplets, n-tuples, labelled rows, Tevatron or FlagEmbedding lines, a run."),
]
Truth = Annotated[Path | None, Parameter(help="Fuller judgements: a data set, or a file of judgements.")]
DataOf = Annotated[Path | None, Parameter(help="The data that the result was mined from, for texts and leakage.")]
Other = Annotated[Path | None, Parameter(help="Another result of the same data, to compare with.")]


def audit_negatives(
    subject: Subject,
    /,
    *,
    file: File = None,
    data: DataOf = None,
    truth: Truth = None,
    compare: Other = None,
    query_vectors: QueryVectors | None = None,
    corpus_vectors: CorpusVectors | None = None,
    split: Split = "train",
    named: Columns = AS_THEY_ARE,
    out: Annotated[Path, Parameter(help="Folder for report.html and report.json.")] = Path("audit-report"),
    json: Json = False,
) -> None:
    r"""Look at negatives from every side: a result of foils, or anybody's file.

    Hardness, ranks, coverage, duplicates, short units, rejected candidates,
    leakage into other splits, hidden positives where fuller judgements exist,
    how many are really positives where foils review was used, and examples
    worth reading, as a page to show and as numbers.

    Examples:
        foils audit runs/a --data scifact

        foils audit runs/b --data scifact --compare runs/a --out before-after

        foils audit scifact --file triplets.jsonl \
          --query-vectors q.npy --corpus-vectors c.npy
    """
    check_place(out)
    check_folder(out, REPORT)
    opened, other = _opened(subject, file, data, named), None
    if compare is not None:
        other = Mined.open(compare)
    if missing := missing_extra():
        note(
            f"{missing[0]} is not installed, so report.json is written alone; for the page: pip install 'foils[report]'"
        )
    with progress_of_stages() as report:
        finished: Audit = audit(
            opened, file, split=split, truth=truth, compare_with=other, query_vectors=query_vectors,
            item_vectors=corpus_vectors, out=out, progress=report,
        )  # fmt: skip
    if json:
        say_json(finished.data())
        return
    say(finished.summary())
    say(f"\nreport: {out / (PAGE if not missing else 'report.json')}")


def _opened(subject: Path, file: Path | None, data: Path | None, named: Columns) -> Mined | Collection:
    """Open what the arguments name.

    Raises:
        InputError: they do not fit together.
    """
    if file is not None:
        if data is not None:
            raise InputError(f"--data names the data of a result; with --file, the data is {subject}: leave --data out")
        return read(subject, named)
    if read_identity(subject) is None and subject.exists():
        raise InputError(
            f"{subject} is not a result of foils mine; to audit a file of negatives of this data, name it with --file"
        )
    return Mined.open(subject, None if data is None else read(data, named))
