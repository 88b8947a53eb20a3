"""A client of the page that has the token, and presses its buttons."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.testclient import TestClient

from foils.labelling import LabelStore, StoredDesign
from foils.reviewing.guard import Keys

PORT = 8123
OWN = f"http://127.0.0.1:{PORT}"


@dataclass
class Page:
    """A client of the page, and what it stands on."""

    client: TestClient
    keys: Keys
    store: LabelStore
    drawn: StoredDesign

    @property
    def home(self) -> str:
        return f"/{self.keys.place}/"

    def enter(self):
        return self.client.get("/", params={"token": self.keys.token})

    def get(self, path="", **options):
        return self.client.get(self.home + path, **options)

    def fields(self, html, form="verdict"):
        """Hidden fields of a form, as a browser sends them."""
        inside = html[html.index(f'<form id="{form}"') :].partition("</form>")[0]
        return dict(re.findall(r'name="(\w+)" value="([^"]*)"', inside))

    def label(self, word="negative", note="", html=None, **changed):
        """Press a button of a page; by default of the one whose turn it is."""
        fields = self.fields(self.get().text if html is None else html)
        return self.post("label", {**fields, "label": word, "note": note, **changed})

    def undo(self, html=None):
        return self.post("undo", self.fields(self.get().text if html is None else html, "undo"))

    def post(self, path, fields, headers=None):
        sent = {"origin": "null", "sec-fetch-site": "same-origin"} if headers is None else headers
        return self.client.post(self.home + path, data=fields, headers=sent, follow_redirects=False)

    def labels(self):
        """Labels of the design, None where there is none."""
        return [state.label for state in self.store.states(self.drawn.pairs)]
