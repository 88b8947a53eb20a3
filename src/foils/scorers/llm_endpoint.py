"""One call to an endpoint that speaks the OpenAI protocol, and what became of it.

Worth another try: 408, 409, 425, 429, every 5xx, a timeout, a connection that is refused or reset, a body that is cut
short or no JSON. Anything else that is no 200 (a wrong key, an unknown model, a redirect) would be the same next time,
and stops the run. No redirect is followed: the key goes to the place that was named, and nowhere else. The key is in no
message.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from foils import _extras as extras
from foils.errors import InputError, RecipeError, printable
from foils.scorers.llm_faults import NO_JSON, begin

if TYPE_CHECKING:
    import httpx

RETRIED = frozenset({408, 409, 425, 429})
MOST_BYTES = 4_000_000
"""Of an answer; more is no answer to any question."""
SHOWN = 300
"""Characters of a server's message that are shown."""
MOST_SAMPLED = 4_000
"""Bytes of a body that is no JSON that are looked at."""
UNSUPPORTED = ("response_format", "json_schema", "guided_json")
"""What a refusal names where the server knows no JSON schemas."""


@dataclass(frozen=True)
class Reply:
    """What became of a call.

    Attributes:
        completion: the decoded body; None = the call failed.
        failure: why, in a word or a status.
        sample: the beginning of a body that is no JSON.
        wait_seconds: how long the server asks to wait; 0 = it does not say.
    """

    completion: Any = None
    failure: str = ""
    wait_seconds: float = 0.0
    sample: str = ""


class SchemaRefusedError(Exception):
    """The server knows no JSON schemas."""


@dataclass(frozen=True)
class Place:
    """Where calls go.

    Attributes:
        url: base address.
        model: its name there.
        key_env: name of the environment variable that holds the key; "" = no key is needed.
        timeout: seconds of a whole call.
        concurrency: calls at the same time.
    """

    url: str
    model: str
    key_env: str
    timeout: float
    concurrency: int

    def check(self, column: str) -> None:
        """See that it is named and can be called, without calling it.

        Raises:
            RecipeError: url or model is missing, or the url is no base address.
            InputError: the environment variable is not set.
            MissingExtraError: httpx is not installed.
        """
        named = (("url", self.url, "http://127.0.0.1:8000/v1"), ("model", self.model, "NAME"))
        for name, value, example in named:
            if not value:
                raise RecipeError(
                    f"scorers.{column}: {name} is missing; name the endpoint and the model that judge, as in "
                    f"--set scorers.{column}.{name}={example}"
                )
        if not _is_base(self.url):
            raise RecipeError(
                f"scorers.{column}.url is {printable(_without_user(self.url))!r:.120}; expected the base address, as "
                "in http://127.0.0.1:8000/v1; a key goes into an environment variable that key_env names"
            )
        self.key()
        extras.require("llm", ["httpx"])

    def key(self) -> str:
        """Read the key.

        Raises:
            InputError: it is not set, or no text that a header can hold.
        """
        if not self.key_env:
            return ""
        key = os.environ.get(self.key_env, "").strip()
        if not key or not key.isascii() or not key.isprintable():
            found = "is not set" if not key else "holds characters that no key has"
            raise InputError(
                f"the environment variable {printable(self.key_env)}, which key_env names, {found}; set it to the key "
                f"of {self.url}"
            )
        return key


@dataclass(frozen=True, eq=False)
class Endpoint:
    """A place with open connections.

    Attributes:
        place: where.
        extra: further fields of a request; None leaves one out.
        client: of httpx; closed when the endpoint is no longer used.
        plain: set where the server knows no JSON schemas.
    """

    place: Place
    extra: Mapping[str, Any]
    client: httpx.Client
    plain: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def open(cls, place: Place, extra: Mapping[str, Any]) -> Endpoint:
        """Make ready to call."""
        import httpx

        key = place.key()
        client = httpx.Client(
            # What is not compressed cannot be small on the way and fill the memory here.
            headers={"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=httpx.Timeout(place.timeout),
            limits=httpx.Limits(max_connections=place.concurrency, max_keepalive_connections=place.concurrency),
            follow_redirects=False,
            verify=urlsplit(place.url).scheme == "https",  # reading all certificates takes a while, and http has none
        )
        endpoint = cls(place, extra, client)
        weakref.finalize(endpoint, client.close)
        return endpoint

    def call(self, body: Mapping[str, Any]) -> Reply:
        """Send a request.

        Raises:
            SchemaRefusedError: the server knows no JSON schemas; the next request does without.
            InputError: the server refuses it, and would again.
        """
        import httpx

        left_out = {"response_format"} if self.plain.is_set() else set()
        whole = {"model": self.place.model, **body, **self.extra}
        sent = {name: value for name, value in whole.items() if value is not None and name not in left_out}
        try:
            status, headers, content = self._posted(sent)
        except (httpx.TimeoutException, TimeoutError):
            return Reply(failure="timeout")
        except (httpx.InvalidURL, UnicodeError) as error:  # the latter of names that DNS cannot hold
            raise InputError(f"{self.place.url} is no address: {printable(str(error))}") from None
        except (httpx.HTTPError, OSError) as error:
            return Reply(failure=f"connection: {type(error).__name__}")
        if status in RETRIED or status >= 500:
            return Reply(failure=str(status), wait_seconds=asked_to_wait(headers.get("retry-after", "")))
        if content is None:
            return Reply(failure="answer too large")
        if status != 200:
            if (
                status in (400, 422)
                and "response_format" in sent
                and any(one.encode() in content for one in UNSUPPORTED)
            ):
                self.plain.set()
                raise SchemaRefusedError
            raise InputError(self._refusal(status, headers, content))
        try:
            return Reply(json.loads(content))
        except (ValueError, RecursionError):
            return Reply(
                failure=NO_JSON, sample=begin(self.without_key(content[:MOST_SAMPLED].decode(errors="replace")))
            )

    def _posted(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes | None]:
        """Give status, headers and content, which is None where there is too much of it."""
        deadline = time.monotonic() + self.place.timeout
        address = f"{self.place.url.rstrip('/')}/chat/completions"
        content = bytearray()
        with self.client.stream("POST", address, json=body) as response:
            for chunk in response.iter_raw():
                content += chunk
                if len(content) > MOST_BYTES:
                    return response.status_code, response.headers, None
                if time.monotonic() > deadline:
                    raise TimeoutError
        return response.status_code, response.headers, bytes(content)

    def _refusal(self, status: int, headers: Mapping[str, str], content: bytes) -> str:
        place = self.place
        said = f"{place.url} answers {status} for the model {printable(place.model)!r}"
        if 300 <= status < 400:
            there = printable(_without_user(headers.get("location", ""))[:SHOWN])
            return f"{said}, and points to {there}; redirects are not followed: if you trust it, give its base as url"
        if status in (401, 403):
            held = f"{place.key_env} holds a key that is not accepted" if place.key_env else "it wants a key"
            return f"{said}: {held}; name the environment variable with the right key, as in key_env=OPENAI_API_KEY"
        mend = {
            404: "check url (it ends where /chat/completions begins, often in /v1) and model",
            400: "check model, and what the server takes: body sets or (by null) leaves out fields of a request, and "
            "fewer pairs_per_call make it shorter",
        }.get(status, "mend that, and give the same command again: kept answers are not asked again")
        return f"{said}: {self._message(content)}; {mend}"

    def _message(self, content: bytes) -> str:
        """Show what the server said, without the key."""
        text = content.decode(errors="replace")
        with contextlib.suppress(ValueError, LookupError, TypeError, RecursionError):
            text = str(json.loads(text)["error"]["message"])
        return printable(self.without_key(text)[:SHOWN]) or "no reason is given"

    def without_key(self, text: str) -> str:
        """Leave the key out of what a server said."""
        key = self.place.key()
        return text.replace(key, "…") if key else text


def asked_to_wait(value: str, now: datetime | None = None) -> float:
    """Read Retry-After: seconds, or a date.

    >>> asked_to_wait("7"), asked_to_wait("soon"), asked_to_wait("-3")
    (7.0, 0.0, 0.0)
    >>> asked_to_wait("Wed, 21 Oct 2015 07:28:10 GMT", datetime(2015, 10, 21, 7, 28, tzinfo=UTC))
    10.0
    """
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, TypeError):
            return 0.0
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds()
    return max(seconds, 0.0) if seconds < float("inf") else 0.0


def _is_base(url: str) -> bool:
    """Tell whether a url can be a base address, and is read alike by all that read it: no user, query or space."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:  # an address or a port that is none
        return False
    return parts.scheme in ("http", "https") and named and url.isprintable() and not set(url) & set(" @?#\\")


def _without_user(url: str) -> str:
    """Leave out what may hold a password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
