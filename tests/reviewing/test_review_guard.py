"""Who is refused: by token, cookie, host, origin, size, method."""

import asyncio

import pytest
from review_world import OWN, PORT

from foils.reviewing.guard import COOKIE, LARGEST_BODY, Guard, Keys

FORM = {"content-type": "application/x-www-form-urlencoded"}


def refused(answer, status=403):
    assert answer.status_code == status
    assert answer.headers["content-security-policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self';"
    )
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "Title" not in answer.text
    return True


def test_the_token_opens_the_page_and_is_not_in_it(page):
    entered = page.enter()
    assert page.keys.token not in entered.text
    cookie = entered.headers["set-cookie"]
    assert cookie == f"{COOKIE}={page.keys.cookie}; Path=/{page.keys.place}/; HttpOnly; SameSite=Strict"
    assert page.keys.token not in page.get().text
    assert page.keys.cookie not in page.get().text


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token={token}&token={token}", "?token={token}x"])
def test_a_wrong_token(page, query):
    assert refused(page.client.get(f"/{query.format(token=page.keys.token)}"))


@pytest.mark.parametrize("cookie", ["", "wrong", "{token}", "{cookie}x", '"', "\xff"])
@pytest.mark.parametrize("path", ["", "pair/1", "review.css", "keys.js", "nothing"])
def test_a_wrong_cookie(page, cookie, path):
    page.client.cookies.clear()
    value = cookie.format(token=page.keys.token, cookie=page.keys.cookie)
    assert refused(page.get(path, headers={"cookie": f"{COOKIE}={value}".encode("latin-1")}))


@pytest.mark.parametrize("other", ['theme={"dark": true}', "flag", "a b=c d", "\xfc=\xff", "=", ""])
def test_cookies_of_other_servers_of_this_machine(page, other):
    page.client.cookies.clear()
    for line in (f"{other}; {COOKIE}={page.keys.cookie}", f"{COOKIE}={page.keys.cookie}; {other}"):
        assert page.get(headers={"cookie": line.encode("latin-1")}).status_code == 200


def test_a_post_without_the_cookie(page):
    fields = page.fields(page.get().text)
    page.client.cookies.clear()
    assert refused(page.post("label", {**fields, "label": "positive", "note": ""}))
    assert page.labels() == [None] * 70


@pytest.mark.parametrize(
    "host",
    ["evil.test", f"evil.test:{PORT}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1:{PORT}.evil.test", f"[::1]:{PORT}", ""],
)
def test_a_forged_host(page, host):
    assert refused(page.get(headers={"host": host}))
    assert refused(page.client.get("/", params={"token": page.keys.token}, headers={"host": host}))


def test_its_own_names(page):
    for host in (f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"LOCALHOST:{PORT}"):
        assert page.get(headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.test"},
        {"origin": f"{OWN}.evil.test"},
        {"origin": "http://127.0.0.1:9"},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"sec-fetch-site": "cross-site", "origin": OWN},
        {"sec-fetch-site": "same-site", "origin": OWN},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin", "origin": "http://evil.test"},
    ],
)
@pytest.mark.parametrize("path", ["label", "undo"])
def test_forms_of_others(page, headers, path):
    page.label("positive")
    html = page.get().text
    fields = {**page.fields(html), "label": "positive", "note": ""} if path == "label" else page.fields(html, "undo")
    assert refused(page.post(path, fields, headers=headers))
    assert page.labels()[:2] == [1, None]


@pytest.mark.parametrize("headers", [{"origin": OWN}, {"sec-fetch-site": "same-origin"}])
def test_forms_of_its_own(page, headers):
    fields = page.fields(page.get().text)
    assert page.post("label", {**fields, "label": "positive", "note": ""}, headers=headers).status_code == 303


def test_a_form_that_is_too_large(page):
    assert refused(page.post("label", {"note": "x" * LARGEST_BODY}), 413)


@pytest.mark.parametrize("declared", ["-1", "1e9", "9" * 30, "x"])
def test_a_length_that_is_none(page, declared):
    headers = {"origin": OWN, "content-length": declared, **FORM}
    assert refused(page.client.post(f"{page.home}label", content=b"a=b", headers=headers), 413)


def test_a_stream_without_length_that_is_too_large(page):
    def stream():
        for _ in range(100):
            yield b"x" * 1024

    assert refused(page.client.post(f"{page.home}label", content=stream(), headers={"origin": OWN, **FORM}), 413)


def test_other_content(page):
    headers = {"origin": OWN, "content-type": "text/plain"}
    assert refused(page.client.post(f"{page.home}label", content=b"label=positive", headers=headers), 415)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_other_methods(page, method):
    assert refused(page.client.request(method, page.home), 405)


def test_a_long_address(page):
    assert refused(page.get("x" * 500), 414)
    assert refused(page.client.get("/", params={"token": "x" * 500}), 414)


@pytest.mark.parametrize(
    "path", ["../", "..%2f", "static", "review.html.j2", "app.py", "labels.sqlite", ".", "//", "pair/x"]
)
def test_nothing_else_is_served(page, path):
    assert page.get(path).status_code in (403, 404)


def test_get_changes_nothing(page):
    page.label("positive")
    for path in ("label", "undo"):
        assert page.get(path).status_code == 405
    assert page.labels()[:2] == [1, None]


def test_what_every_answer_says(page):
    for answer in (page.enter(), page.get(), page.get("keys.js"), page.get("nothing")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


def test_a_websocket_is_closed():
    sent = []

    async def ask():
        async def send(message):
            sent.append(message)

        await Guard(None, Keys(PORT))({"type": "websocket"}, None, send)

    asyncio.run(ask())
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_secrets_differ_and_are_not_shown():
    one, other = Keys(PORT), Keys(PORT)
    secrets = {one.token, one.cookie, one.place, other.token, other.cookie, other.place}
    assert len(secrets) == 6
    assert len(one.token) >= 43
    assert not any(secret in repr(one) for secret in secrets)
