"""What the page's forms say, read strictly: each field once, nothing else, everything in its range."""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

from foils.errors import InputError
from foils.labelling import StoredDesign
from foils.labelling.events import BY_WORD, Event

LONGEST_NOTE = 2000
LONGEST_SECONDS = 600.0
"""Who takes longer was away; the time of such a label is not kept."""
FIELDS = ("position", "label", "note", "token", "seen", "since")


class FormError(InputError):
    """A form that no page of ours sends."""


def label_of(drawn: StoredDesign, body: bytes) -> tuple[int, int, Event]:
    """Read a label from a form.

    Returns:
        position of its pair, number of the pair's last event that its page knew, and the event.

    Raises:
        FormError: no page of ours sends such a form.
    """
    form = _form(body, FIELDS)
    position = _number(form, "position") - 1
    if not 0 <= position < len(drawn):
        raise FormError("There is no such pair.")
    if form["label"] not in BY_WORD:
        raise FormError("There is no such label.")
    if len(form["note"]) > LONGEST_NOTE:
        raise FormError(f"The note is longer than {LONGEST_NOTE} characters.")
    took = time.time() - _number(form, "since") / 1000
    event = Event(
        _token(form),
        *drawn.pairs[position],
        label=BY_WORD[form["label"]],
        note=form["note"].replace("\r\n", "\n").strip(),
        seconds=round(took, 2) if 0 <= took <= LONGEST_SECONDS else None,
    )
    return position, _number(form, "seen"), event


def undo_of(body: bytes) -> tuple[str, int]:
    """Read what asks for a label to be taken back: its token, and the number of the event that is meant.

    Raises:
        FormError: no page of ours sends such a form.
    """
    form = _form(body, ("token", "seen"))
    return _token(form), _number(form, "seen")


def _form(body: bytes, names: tuple[str, ...]) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=len(names),
        )
    except ValueError as error:  # of Unicode too
        raise FormError("The form cannot be read.") from error
    form = dict(pairs)
    if sorted(form) != sorted(names) or len(pairs) != len(names):
        raise FormError(f"The form should say {', '.join(names)}, each once.")
    return form


def _token(form: Mapping[str, str]) -> str:
    token = form["token"]
    if not (16 <= len(token) <= 64 and token.isascii() and token.replace("-", "").replace("_", "").isalnum()):
        raise FormError("The form's token is none.")
    return token


def _number(form: Mapping[str, str], name: str) -> int:
    text = form[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise FormError(f"The form's {name} is no number.")
    return int(text)
