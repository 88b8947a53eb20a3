"""Who may ask: a gate in front of every answer.

Only this machine reaches the socket; but any web page that is open in its browser can make the browser ask, too. So
each request must name the server by its own address (a page of ``evil.test`` whose name was pointed here names that
one), carry a secret that only whoever started the server knows, and, where it changes something, come from our own
page.

The secret is in the address that is opened first; from then on it is a cookie, another secret, that scripts cannot read
and other sites' requests do not carry. It is bound to a folder of random name, because cookies are shared by all ports
of a machine.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HERE = Path(__file__).parent

LARGEST_BODY = 64 * 1024
"""Bytes; a form with the longest note takes a quarter of it."""
LONGEST_PATH = 200
COOKIE = "foils_review"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True)
class Keys:
    """The secrets of one start of the server.

    Attributes:
        port: that it listens on.
        token: in the address that is opened first.
        cookie: what a browser that had the token shows from then on.
        place: first part of every other address.
    """

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    place: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)

    @property
    def address(self) -> str:
        """What to open in a browser."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names that the server goes by."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"

    @property
    def set_cookie(self) -> str:
        """The header that hands the cookie over."""
        return f"{COOKIE}={self.cookie}; Path=/{self.place}/; HttpOnly; SameSite=Strict"


@dataclass(frozen=True)
class Guard:
    """An ASGI application in front of another."""

    app: App
    keys: Keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] != "http":  # no WebSocket, no lifespan
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            return
        headers = _headers(scope)
        refusal = self._refusal(scope, headers)
        body = b""
        if refusal is None and scope["method"] == "POST":
            read = await _body(receive)
            if read is None:
                refusal = 413, f"The form is larger than {LARGEST_BODY} bytes."
            else:
                body = read
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        await self.app(scope, _replayed(body, receive), _hardened(send))

    def _refusal(self, scope: Scope, headers: dict[str, list[str]]) -> tuple[int, str] | None:
        """Give status and reason; None = it may pass."""
        method, path, hosts = scope["method"], scope["path"], headers.get("host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self.keys.hosts:
            return 403, "This server answers under its own address only."
        if method not in ("GET", "HEAD", "POST"):
            return 405, "There is nothing of this kind to do here."
        if len(path) > LONGEST_PATH or len(scope["query_string"]) > LONGEST_PATH:
            return 414, "The address is too long."
        if not self._known(scope, headers):
            return 403, "Open the address that foils review printed in the terminal; each start has another one."
        if method == "POST":
            return self._foreign(headers) or _too_large(headers)
        return None

    def _known(self, scope: Scope, headers: dict[str, list[str]]) -> bool:
        """Tell whether the request carries the cookie or, for the first page, the token."""
        if scope["path"] == "/":
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
            return scope["method"] == "GET" and len(given) == 1 and _same(given[0], self.keys.token)
        given = [value for line in headers.get("cookie", []) for value in _cookies(line)]
        return any(_same(value, self.keys.cookie) for value in given)

    def _foreign(self, headers: dict[str, list[str]]) -> tuple[int, str] | None:
        """Refuse what another page sends.

        Browsers say by ``Sec-Fetch-Site`` how the sender is related; under ``no-referrer`` they give ``Origin: null``
        for forms of ours. What does not say it must name us as its origin.
        """
        sites, origins = headers.get("sec-fetch-site", []), headers.get("origin", [])
        own = [f"http://{host}" for host in self.keys.hosts]
        if sites:
            trusted = sites == ["same-origin"] and (not origins or origins[0] in (*own, "null"))
        else:
            trusted = len(origins) == 1 and origins[0].lower() in own
        return None if trusted else (403, "Labels are taken from this server's own page only.")


def new_token() -> str:
    """Make the token of a form, by which it counts once."""
    return secrets.token_urlsafe(18)


def _too_large(headers: dict[str, list[str]]) -> tuple[int, str] | None:
    length = headers.get("content-length", ["0"])[0]
    if not length.isascii() or not length.isdigit() or int(length[:12]) > LARGEST_BODY:
        return 413, f"The form is larger than {LARGEST_BODY} bytes."
    if headers.get("content-type", [""])[0].partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        return 415, "Expected a form."
    return None


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _cookies(line: str) -> list[str]:
    """Read our cookie; those of other servers of this machine stand beside it, in whatever form."""
    named = (part.strip().partition("=") for part in line.split(";"))
    return [value for name, _, value in named if name == COOKIE]


def _same(given: str, secret: str) -> bool:
    """Compare in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())


async def _body(receive: Receive) -> bytes | None:
    """Read the whole body; None where it is too large."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LARGEST_BODY:
            return None
    return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Hand the body that was read on to the application."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return left.pop() if left else await receive()

    return replay


def _hardened(send: Send) -> Send:
    """Add the headers that every answer has."""

    async def harden(message: Message) -> None:
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", []), *added]}
        await send(message)

    return harden


async def _refuse(send: Send, status: int, reason: str) -> None:
    text = f"{reason}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
    sender = _hardened(send)
    await sender({"type": "http.response.start", "status": status, "headers": headers})
    await sender({"type": "http.response.body", "body": text})
