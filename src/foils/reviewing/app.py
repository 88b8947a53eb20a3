"""The application: what is answered to whom the guard lets in.

Labels are taken in the order of the design, so that what is labelled is always a prefix of it. A form says which pair
it is about, what the pair's last event was when the page was made, and a token of its own: sent twice it counts once,
and what was said of the pair elsewhere in the meantime is not overruled unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from foils.collection import Collection
from foils.errors import FolderError
from foils.estimating import Population
from foils.labelling import LabelStore, Look, StoredDesign, last_look
from foils.labelling.drawn import prefix_labels
from foils.labelling.events import State
from foils.labelling.store import Outcome
from foils.reporting.page import STYLE
from foils.reviewing import pages
from foils.reviewing.forms import FormError, label_of, undo_of
from foils.reviewing.guard import HERE, Guard, Keys
from foils.reviewing.pairs import Pairs

Int8 = npt.NDArray[np.int8]

SEE_OTHER, BAD_REQUEST, NOT_FOUND, UNAVAILABLE = 303, 400, 404, 503


@dataclass(frozen=True, eq=False)
class Review:
    """What is labelled.

    Attributes:
        store: where labels go.
        drawn: the design.
        population: the negatives that it was drawn from.
        pairs: the texts of its pairs.
    """

    store: LabelStore
    drawn: StoredDesign
    population: Population
    pairs: Pairs = field(repr=False)

    @classmethod
    def of(cls, store: LabelStore, drawn: StoredDesign, population: Population, data: tuple[Collection, str]) -> Review:
        """Look the pairs' texts up.

        Args:
            store: where labels go.
            drawn: the design.
            population: the negatives.
            data: what was mined, and the split whose positives are known.
        """
        return cls(store, drawn, population, Pairs.of(*data, drawn.pairs))


@dataclass(frozen=True, eq=False)
class Answers:
    """What answers.

    Attributes:
        review: what is labelled.
        keys: the secrets.
        write: makes the page of what ``pages.facts`` tells.
        look: gives the last look that the labels of the design reach.
    """

    review: Review
    keys: Keys
    write: Callable[[Mapping[str, Any]], str]
    look: Callable[[Int8], Look | None]

    @property
    def home(self) -> str:
        """Address of the pair whose turn it is."""
        return f"/{self.keys.place}/"

    async def enter(self, _: Request) -> Response:
        """Take the token, give the cookie.

        Not by a redirect: a strict cookie is not sent on where a page of another site led here.
        """
        return HTMLResponse(pages.entry(self.home), headers={"set-cookie": self.keys.set_cookie})

    async def show(self, request: Request) -> Response:
        """Show a pair: the one whose turn it is, or an earlier one by its number."""
        states = self._states()
        first = _first_open(states)
        position = int(request.path_params.get("position", first + 1)) - 1
        if not 0 <= position <= first:
            return PlainTextResponse("There is no such pair, or its turn has not come yet.\n", NOT_FOUND)
        said, look = request.query_params.get("said", ""), self.look(prefix_labels(states))
        return HTMLResponse(self.write(pages.facts(self.review, self.keys.place, states, position, said, look)))

    async def label(self, request: Request) -> Response:
        """Take a label."""
        try:
            position, seen, event = label_of(self.review.drawn, await request.body())
        except FormError as error:
            return PlainTextResponse(f"{error}\n", BAD_REQUEST)
        if position > _first_open(self._states()):
            return PlainTextResponse("The turn of this pair has not come yet.\n", BAD_REQUEST)
        stale = self.review.store.record(event, seen) is Outcome.STALE
        return RedirectResponse(f"{self.home}pair/{position + 1}?said=stale" if stale else self.home, SEE_OTHER)

    async def undo(self, request: Request) -> Response:
        """Take the last label back."""
        try:
            outcome, undone = self.review.store.undo(*undo_of(await request.body()))
        except FormError as error:
            return PlainTextResponse(f"{error}\n", BAD_REQUEST)
        place = None if undone is None else self.review.drawn.places.get((undone.anchor_id, undone.item_id))
        if outcome is Outcome.STALE or place is None:
            return RedirectResponse(f"{self.home}?said=nothing", SEE_OTHER)
        return RedirectResponse(f"{self.home}pair/{place + 1}?said=undone", SEE_OTHER)

    def _states(self) -> list[State]:
        return self.review.store.states(self.review.drawn.pairs)


def make_app(review: Review, keys: Keys) -> Guard:
    """Make the application, with its guard in front."""
    answers = Answers(review, keys, pages.writer(), _looks(review))
    style = "\n".join(path.read_text(encoding="utf-8") for path in (STYLE, HERE / "review.css"))
    inside = [
        Route("/", answers.show),
        Route("/pair/{position:int}", answers.show),
        Route("/label", answers.label, methods=["POST"]),
        Route("/undo", answers.undo, methods=["POST"]),
        Route("/review.css", _file(style, "text/css")),
        Route("/keys.js", _file((HERE / "keys.js").read_text(encoding="utf-8"), "text/javascript")),
    ]
    routes = [Route("/", answers.enter), Mount(f"/{keys.place}", routes=inside)]
    return Guard(Starlette(routes=routes, exception_handlers={FolderError: _not_stored}), keys)


async def _not_stored(_: Request, error: Exception) -> Response:
    """Say that the file of labels cannot be used, as where the disk is full; the page that was sent is kept."""
    return PlainTextResponse(f"{error}\n\nGo back when it is mended, and give the label again.\n", UNAVAILABLE)


def _file(content: str, kind: str) -> Callable[[Request], Any]:
    async def give(_: Request) -> Response:
        return Response(content, media_type=kind)

    return give


def _looks(review: Review) -> Callable[[Int8], Look | None]:
    """Make what gives the last look, and remembers the last few: of many negatives one takes seconds."""

    @lru_cache(maxsize=4)
    def at(labels: bytes) -> Look | None:
        return last_look(review.population, review.drawn, np.frombuffer(labels, np.int8))

    def look(labels: Int8) -> Look | None:
        reached = max((number for number in review.drawn.facts.looks if number <= len(labels)), default=0)
        return at(labels[:reached].tobytes())

    return look


def _first_open(states: list[State]) -> int:
    """Find the first pair of the design without a label; their number where all have one."""
    return next((position for position, state in enumerate(states) if state.label is None), len(states))
