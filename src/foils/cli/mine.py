"""``foils mine``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from foils import mining, recipes
from foils.cli.asked import AS_BY_DEFAULT, Asked, Negatives, Recipes
from foils.cli.calibrate import note_other_inputs, note_other_scores, note_reached
from foils.cli.console import note, progress, say, say_json, without_log
from foils.cli.data import Data, note_evaluation_split
from foils.cli.options import Json, encode
from foils.cli.out import Fresh, Out, check_result_folder, check_same_run
from foils.cli.usable import unusable
from foils.collection import Collection
from foils.encoders import Encoder
from foils.errors import FolderError
from foils.mining import Mined, asking
from foils.mining.extend import require_extendable
from foils.mining.identity import differences
from foils.mining.prepare import bind, check_window
from foils.mining.reach import beyond_reach
from foils.recipes import Recipe
from foils.search import MODEL

Extended = Annotated[
    Path,
    Parameter(help="Result to take up, of the same recipe and the first of these items; only new ones are searched."),
]


def mine(
    data: Data,
    /,
    *,
    recipe: Recipes,
    negatives: Negatives,
    out: Out,
    asked: Asked = AS_BY_DEFAULT,
    extend: Extended | None = None,
    fresh: Fresh = False,
    json: Json = False,
) -> None:
    r"""Mine hard negatives for every query that has a positive, and check them.

    The recipe says where candidates come from, which are rejected and which
    are drawn. Most recipes compare vectors: give a model, or two files of
    vectors. Only the positives of the split are known to the miner.

    Constraints decide which items a query may get at all, before anything is
    ranked: of the same tenant, published before the question was asked.

    An interrupted run goes on where it stopped when the same command is given
    again. Where items were appended to the data, --extend takes up the result
    of those before, and gives what mining all of them gives.

    Examples:
        foils mine scifact --recipe nv-retriever --model minilm \
          --negatives 8 --out runs/a

        foils mine scifact --recipe naive-top-k --negatives 8 --out runs/b \
          --query-vectors q.npy --corpus-vectors c.npy \
          --set source.dense.similarity=dot --set source.dense.k=200

        foils mine tickets --recipe nv-retriever --model minilm \
          --negatives 8 --out runs/c --same language --before date \
          --deny reviewed.tsv

        foils mine grown --recipe nv-retriever --model minilm \
          --negatives 8 --out runs/d --extend runs/a
    """
    execution, loaded = asked.execution(), asked.load(recipe)
    note_other_scores(asked.calibration, loaded)
    check_result_folder(out)
    kept = asked.kept()
    files, encoders = asked.open(loaded, kept)
    _note_loss(asked, recipe, loaded)
    collection = asked.read(data)
    note_evaluation_split(asked.split, "these negatives come")
    constraints = asked.limits.constraints()
    bound, whole = bind(constraints, collection), loaded.bound(len(collection.items))
    check_window(whole, negatives)
    chosen = {"negatives": negatives, "split": asked.split, "seed": asked.seed}
    if encoders and not fresh:
        digests = {"collection": collection.digest(asked.split), "constraints": bound.digests}
        check_same_run(out, {**chosen, "recipe": loaded.resolved(), **digests})
    earlier = None if extend is None else _earlier(extend, collection, loaded, chosen)
    for line in beyond_reach(whole):
        note(f"warning: {line}")
    for line in asking.before_start(collection, whole, negatives=negatives, split=asked.split):
        note(line)
    vectors = _encoded(encoders, collection, kept)
    mined, worked = _mined(
        earlier, collection, {"recipe": loaded, **chosen}, query_vectors=files[0], item_vectors=files[1],
        vectors=vectors, constraints=constraints, out=out, execution=execution, fresh=fresh, cache=kept or False,
    )  # fmt: skip
    note_other_inputs(asked.calibration, mined.identity.inputs)
    if not worked:
        note(f"{out} is finished already; nothing was mined again")
    if json:
        say_json({"out": str(out), "stats": mined.stats, "identity": mined.identity.data()})
        return
    say(f"{mined.summary()}\nwritten to {out}: negatives.parquet, and why each candidate was kept or rejected")
    note_reached(asked.calibration, mined)
    note(unusable(mined) or f"next: {_next_step(data, asked, collection, out)}")


def _note_loss(asked: Asked, name: str, recipe: Recipe) -> None:
    """Say that the loss is not used, where the user wrote the recipe or set its loss."""
    is_own = name not in recipes.names() or any(one.startswith("loss") for one in asked.settings or ())
    if recipe.loss is not None and is_own:
        note(f"the recipe's loss ({recipe.loss.name}) is for training; mining does not use it")


def _next_step(data: Path, asked: Asked, collection: Collection, out: Path) -> str:
    """Write the command that makes use of the result."""
    given, written = shlex.quote(str(data)) + asked.named.words(), shlex.quote(str(out))
    if collection.anchors.texts is None or collection.items.texts is None:
        return f"foils export {written} --columns id --format triplet --out FILE"
    of_split = "" if asked.split == "train" else f" --split {shlex.quote(asked.split)}"
    of_split += "" if asked.found is None else f" --found {shlex.quote(str(asked.found))}"
    return f"foils train {given} --mined {written}{of_split} --kind static --out MODEL"


def _encoded(encoders: dict[str, Encoder], collection: Collection, kept: Path | None) -> dict[str, tuple[Any, Any]]:
    """Encode by every model, and say where the vectors are kept."""
    if encoders and kept is not None:
        note(f"vectors are kept in {kept}; what is there is not encoded again")
    names = {name: "" if name == MODEL else name for name in encoders}
    return {name: encode(encoder, collection, kept, name=names[name]) for name, encoder in encoders.items()}


def _earlier(path: Path, collection: Collection, recipe: Recipe, chosen: Mapping[str, Any]) -> Mined:
    """Open a result that is to be extended.

    Raises:
        FolderError: it is no result, or was mined in another way than this run; says in what they differ.
        InputError: it cannot be extended.
    """
    mined = Mined.open(path)
    require_extendable(mined.result, collection)
    now = {"recipe": recipe.bound(len(collection.items)).resolved(), **chosen}
    there = mined.identity.data()
    changed = differences({name: there[name] for name in now}, now)
    if changed:
        listed = "\n  ".join(changed)
        raise FolderError(f"--extend {path} was mined otherwise:\n  {listed}\ngive the same, or leave --extend out")
    return mined


def _mined(
    earlier: Mined | None, collection: Collection, chosen: Mapping[str, Any], **options: Any
) -> tuple[Mined, bool]:
    """Mine or extend with progress, and tell whether there was anything left to do."""
    worked = False
    with progress("mining", before="finished before") as report, without_log(asking.LOGGER):  # it was said already

        def step(done: int, total: int) -> None:
            nonlocal worked
            worked = True
            report(done, total)

        if earlier is None:
            mined = mining.mine(collection, progress=step, **chosen, **options)
        else:
            mined = mining.extend(earlier, collection, progress=step, **options)
    return mined, worked
