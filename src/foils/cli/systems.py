"""What ``foils eval`` ranks by: a model, files of vectors, or an adapter behind either."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from foils.cli.options import encode
from foils.cli.vectors import VectorsOf, check_files, check_pairing
from foils.collection import Collection
from foils.encoders import Encoder
from foils.encoders.adapted import Adapter, is_adapter, load_adapter
from foils.errors import InputError
from foils.search import open_sides
from foils.search.vectors import Matrix

VECTORS = "vectors"
"""Names the files of vectors as they are, where an adapter is compared with them."""


@dataclass(frozen=True, eq=False)
class System:
    """What gives the vectors of both sides.

    Attributes:
        name: what the report calls it.
        source: an encoder, or the files of the queries' and of the corpus' vectors.
        adapter: what stands behind the files, if anything does.
        cache: folder of the cache of vectors; None = none.
    """

    name: str
    source: Encoder | tuple[Path, Path]
    adapter: Adapter | None = None
    cache: Path | None = None

    def vectors(self, collection: Collection) -> tuple[Matrix, Matrix]:
        """Give float[queries, d] and float[items, d]."""
        if not isinstance(self.source, tuple):
            return encode(self.source, collection, self.cache)
        queries, items = open_sides(*self.source, collection)
        if self.adapter is None:
            return queries, items
        return self.adapter.queries(queries), items if self.adapter.item is None else self.adapter.items(items)


def check_system(given: VectorsOf, cache: Path | None) -> System:
    """Choose what is evaluated, and open it, before the data is read.

    Raises:
        InputError: nothing is given, one of the two files is missing, or a model that is no adapter stands beside them.
    """
    model, (queries, corpus) = given.model, given.files
    check_pairing(None, queries, corpus)
    if queries is None or corpus is None:
        encoder = given.open(cache)
        if model is None or encoder is None:
            raise InputError("give what to rank by: --model, or --query-vectors and --corpus-vectors")
        return System(model, encoder, cache=cache)
    check_files(queries, corpus)
    if (given.prompts, given.precision) != ((None, None), "auto"):
        raise InputError(
            "--query-prompt, --corpus-prompt and --precision are for a model that reads texts, not for files of vectors"
        )
    if model is None or model == VECTORS:
        return System(f"{queries}, {corpus}" if model is None else VECTORS, (queries, corpus))
    if not is_adapter(Path(model)):
        raise InputError(
            f"{model!r:.200} is no adapter: only one goes with --query-vectors and --corpus-vectors; give either"
        )
    return System(model, (queries, corpus), load_adapter(Path(model))[0])
