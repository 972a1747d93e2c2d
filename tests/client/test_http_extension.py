"""HTTP extensions: what is sent, what is made of each answer, and servers that mean no good."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
import re
import ssl
import subprocess
import tracemalloc
import uuid
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from framewire.client.http_extension import Busy, ExtensionError, HttpExtensionClient, NetworkError
from framewire.client.trust import Trust
from framewire.errors import ClosedError, ConfigurationError
from framewire.model.geometry import Rectangle
from framewire.model.inference import Entity, Tag

IMAGE = b"\xff\xd8 not really a picture"
FOUND = {
    "inferences": [
        {
            "type": "entity",
            "entity": {"tag": {"value": "car", "confidence": 0.9}, "box": {"l": 0.1, "t": 0.2, "w": 0.3, "h": 0.4}},
        }
    ]
}
CAR = Entity(Tag("car", 0.9), Rectangle(0.1, 0.2, 0.3, 0.4))


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


Answering = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Extension:
    """A web server that says what it is told to, byte by byte."""

    port: int
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/score"


@asynccontextmanager
async def extension(*answers: bytes | Answering, tls: ssl.SSLContext | None = None) -> AsyncIterator[Extension]:
    """Gives one answer after the other; the last one again and again."""
    remaining = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *rest = head.strip().split("\r\n")
                headers = {name.lower(): value for name, value in (item.split(": ", 1) for item in rest)}
                made.requests.append(
                    Request(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))
                )
                answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
                if callable(answer):
                    await answer(made.requests[-1], writer)
                else:
                    writer.write(answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    made = Extension(server.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        server.close()


def response(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ok(document: object = FOUND, *headers: str) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return response("200 OK", body, "Content-Type: application/json", *headers)


async def test_an_image_is_posted_and_what_was_found_comes_back() -> None:
    async with extension(ok()) as server, HttpExtensionClient(server.url) as client:
        first = await client.post(IMAGE, "image/jpeg")
        second = await client.post(b"BM", "image/bmp")
    assert first.inferences == (CAR,)
    assert first.problems == ()
    assert first.latency_s > 0
    request = server.requests[0]
    assert request.line == "POST /score HTTP/1.1"
    assert request.body == IMAGE
    assert request.headers["content-type"] == "image/jpeg"
    assert request.headers["accept"] == "application/json"
    assert request.headers["x-ms-client-request-id"] == first.request_id == str(uuid.UUID(first.request_id))
    assert "authorization" not in request.headers
    assert server.requests[1].headers["content-type"] == "image/bmp"
    assert server.requests[1].headers["x-ms-client-request-id"] == second.request_id != first.request_id
    assert server.connections == 1


@pytest.mark.parametrize(
    ("answer", "problems"),
    [
        (response("204 No Content"), ()),
        (ok({}), ()),
        (ok({"inferences": []}), ()),
        (ok(b""), ("the answer is empty; 204 says that nothing was found",)),
        (
            ok(b'{"inferences":[{"type":"entity","entity":{"tag":{"value":"x","confidence":NaN}}}]}'),
            ("inference 0: tag confidence nan is outside the range; allowed: 0 to 1",),
        ),
        (
            ok({"inferences": [{"type": "motion", "motion": {"box": {"l": 2, "t": 0, "w": 0, "h": 0}}}]}),
            ("inference 0: rectangle member l 2 is outside the range; allowed: 0 to 1",),
        ),
    ],
)
async def test_nothing_found(answer: bytes, problems: tuple[str, ...]) -> None:
    async with extension(answer) as server, HttpExtensionClient(server.url) as client:
        result = await client.post(IMAGE, "image/jpeg")
    assert (result.inferences, result.problems) == ((), problems)


@pytest.mark.parametrize(
    ("header", "retry_after_s"),
    [
        ([], None),
        (["Retry-After: 5"], 5.0),
        (["Retry-After: 0"], 0.0),
        (["Retry-After: " + "9" * 1000], 300.0),
        (["Retry-After: -1"], None),
        (["Retry-After: soon"], None),
        (["Retry-After: Mon, 23 Nov 2026 00:00:30 GMT"], 30.0),
        (["Retry-After: Mon, 23 Nov 2020 00:00:30 GMT"], 0.0),
        (["Retry-After: Mon, 23 Nov 2099 00:00:30 GMT"], 300.0),
        (["Retry-After: Mon, 99 Nov 2026 99:00:30 GMT"], None),
    ],
)
async def test_a_busy_extension_says_when_to_come_back(header: list[str], retry_after_s: float | None) -> None:
    now_s = 1_795_392_000  # 2026-11-23T00:00:00Z
    async with (
        extension(response("503 Service Unavailable", b"later", *header)) as server,
        HttpExtensionClient(server.url, wall_clock=lambda: now_s) as client,
    ):
        with pytest.raises(Busy) as busy:
            await client.post(IMAGE, "image/jpeg")
    assert busy.value.retry_after_s == retry_after_s
    assert str(busy.value) == f"{server.url} is busy; send it less, or give it more to work with"


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (response("400 Bad Request", b'{"error": "no\n  such model\x1b[2J"}'), "400", '{"error": "no such model [2J"}'),
        (response("404 Not Found"), "404", "Not Found"),
        (response("500 Internal Server Error", b"x" * 10_000), "500", "x" * 200 + "..."),
        (response("418 I am a teapot", b"\xff\xfe"), "418", "\ufffd\ufffd"),
        (response("599 Odd"), "599", "no reason was given"),
        (response("201 Created", b"{}"), "201", "{}"),
        (
            response("302 Found", b"", "Location: http://127.0.0.1:1/elsewhere"),
            "302",
            "the extension sends us elsewhere, which is not followed",
        ),
        (response("304 Not Modified"), "304", "the extension sends us elsewhere, which is not followed"),
        (response("401 Unauthorized", b"", "WWW-Authenticate: Basic"), "401", "Unauthorized"),
        (ok(b"<html>"), "200", "the answer is not JSON"),
        (ok(b"\xff\xfe\xfd"), "200", "the answer is not JSON"),
        (ok(b"[" * 100_000), "200", "the answer is not JSON"),
        (ok(b'{"inferences":' + b"9" * 10_000 + b"}"), "200", "the answer is not JSON"),
        (ok(b"[]"), "200", 'the document is a list; allowed: an object {"inferences":[..]}'),
        (ok({"inferences": "car"}), "200", "inferences is 'car'; allowed: a list"),
        (ok(b" " * 3_000_000), "200", "the answer is larger than 1048576 bytes"),
        (
            ok(gzip.compress(bytes(200 << 20)), "Content-Encoding: gzip"),
            "200",
            "the answer is larger than 1048576 bytes",
        ),
        (
            ok(gzip.compress(gzip.compress(bytes(50 << 20))), "Content-Encoding: gzip, gzip"),
            "200",
            "the answer is packed with 'gzip, gzip', which nobody asked for",
        ),
        (ok(b"not gzip", "Content-Encoding: gzip"), "200", "the answer is not packed as it says"),
        (ok(gzip.compress(b"{}" * 100)[:-9], "Content-Encoding: gzip"), "200", "the answer is not JSON"),
        (ok(b"x", "Content-Encoding: br"), "200", "the answer is packed with 'br', which nobody asked for"),
    ],
)
async def test_any_other_answer_becomes_the_body_of_an_event(answer: bytes, code: str, said: str) -> None:
    async with extension(answer) as server, HttpExtensionClient(server.url, max_answer_mib=1) as client:
        with pytest.raises(ExtensionError) as refused:
            await client.post(IMAGE, "image/jpeg")
    assert refused.value.body == {
        "code": code,
        "target": server.url,
        "details": [{"code": "HttpExtensionErrorResponse", "message": said}],
        "protocol": "http",
    }
    assert refused.value.status_code == int(code)
    assert str(refused.value) == f"{server.url}: {said}"
    assert len(server.requests) == 1


async def test_a_small_answer_that_becomes_a_huge_one_takes_no_memory() -> None:
    bomb = ok(gzip.compress(bytes(200 << 20)), "Content-Encoding: gzip")
    async with extension(bomb) as server, HttpExtensionClient(server.url, max_answer_mib=1) as client:
        tracemalloc.start()
        try:
            with pytest.raises(ExtensionError, match="larger than 1048576 bytes"):
                await client.post(IMAGE, "image/jpeg")
            _, most_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most_bytes < 8 << 20


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (gzip.compress(json.dumps(FOUND).encode()), "gzip"),
        (zlib.compress(json.dumps(FOUND).encode()), "deflate"),
        (json.dumps(FOUND).encode(), "identity"),
    ],
)
async def test_an_answer_may_be_packed_although_nobody_asked(packed: bytes, coding: str) -> None:
    async with (
        extension(ok(packed, f"Content-Encoding: {coding}")) as server,
        HttpExtensionClient(server.url) as client,
    ):
        assert (await client.post(IMAGE, "image/jpeg")).inferences == (CAR,)
    assert server.requests[0].headers["accept-encoding"] == "identity"


async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
    """Never ends, and never is silent for long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.001)


async def hang_up(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def half(request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(ok()[:-5])
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("answer", [hang, drip])
async def test_an_extension_that_does_not_finish_is_given_up(answer: Answering) -> None:
    async with extension(answer) as server, HttpExtensionClient(server.url, timeout_s=0.3) as client:
        with pytest.raises(NetworkError) as gone:
            await client.post(IMAGE, "image/jpeg")
    assert str(gone.value) == (
        f"{server.url} did not answer within 0.3 s; check the address, and that the extension is running"
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (hang_up, "Server disconnected without sending a response."),
        (half, "peer closed connection without sending complete message body"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "illegal status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, ""),
    ],
)
async def test_what_is_no_answer_is_a_network_error(answer: bytes | Answering, reason: str) -> None:
    async with extension(answer) as server, HttpExtensionClient(server.url, timeout_s=5) as client:
        with pytest.raises(NetworkError) as gone:
            await client.post(IMAGE, "image/jpeg")
    assert str(gone.value).startswith(f"{server.url} cannot be reached (")
    assert reason.lower() in str(gone.value).lower()
    assert gone.value.status == "UNAVAILABLE"


async def test_nobody_listens() -> None:
    async with extension(ok()) as server:
        pass
    async with HttpExtensionClient(server.url) as client:
        with pytest.raises(NetworkError, match="cannot be reached"):
            await client.post(IMAGE, "image/jpeg")


async def test_after_a_failure_the_next_image_is_a_new_try() -> None:
    async with (
        extension(hang_up, half, response("500 Oops"), ok()) as server,
        HttpExtensionClient(server.url) as client,
    ):
        for kind in (NetworkError, NetworkError, ExtensionError):
            with pytest.raises(kind):
                await client.post(IMAGE, "image/jpeg")
        assert (await client.post(IMAGE, "image/jpeg")).inferences == (CAR,)


async def test_a_closed_client_sends_nothing() -> None:
    async with extension(ok()) as server:
        client = HttpExtensionClient(server.url)
        await client.close()
        await client.close()
        with pytest.raises(ClosedError):
            await client.post(IMAGE, "image/jpeg")
    assert server.requests == []


async def test_cookies_are_not_collected() -> None:
    async with (
        extension(ok(FOUND, *(f"Set-Cookie: c{number}=x" for number in range(50)))) as server,
        HttpExtensionClient(server.url) as client,
    ):
        await client.post(IMAGE, "image/jpeg")
        await client.post(IMAGE, "image/jpeg")
    assert "cookie" not in server.requests[1].headers


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:1")
    async with extension(ok()) as server, HttpExtensionClient(server.url) as client:
        assert (await client.post(IMAGE, "image/jpeg")).inferences == (CAR,)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def basic_only(request: Request, writer: asyncio.StreamWriter) -> None:
    if request.headers.get("authorization") == basic("cam", "se:cret"):
        writer.write(ok())
    else:
        writer.write(response("401 Unauthorized", b"who?", 'WWW-Authenticate: Basic realm="x"'))


async def test_basic_is_sent_once_it_is_asked_for() -> None:
    async with (
        extension(basic_only) as server,
        HttpExtensionClient(server.url, user="cam", password="se:cret") as client,
    ):
        for _ in range(3):
            assert (await client.post(IMAGE, "image/jpeg")).inferences == (CAR,)
    assert ["authorization" in request.headers for request in server.requests] == [False, True, True, True]
    assert [request.body for request in server.requests] == [IMAGE] * 4


async def test_user_and_password_may_be_in_the_address() -> None:
    async with extension(basic_only) as server:
        url = f"http://cam:se%3Acret@127.0.0.1:{server.port}/score"
        async with HttpExtensionClient(url) as client:
            assert (await client.post(IMAGE, "image/jpeg")).inferences == (CAR,)
            assert client.address == server.url


async def test_wrong_credentials_are_an_error_and_shown_nowhere() -> None:
    async with extension(basic_only) as server, HttpExtensionClient(server.url, user="cam", password="wrong") as client:
        for _ in range(2):
            with pytest.raises(ExtensionError) as refused:
                await client.post(IMAGE, "image/jpeg")
            assert refused.value.body["code"] == "401"
            assert refused.value.body["details"][0]["message"] == "who?"
            assert "wrong" not in str(refused.value) + repr(refused.value) + json.dumps(refused.value.body)
    # Each time it is found out anew what is wanted.
    assert ["authorization" in request.headers for request in server.requests] == [False, True, False, True]


class Digest:
    """The server's side of RFC 7616, for one user."""

    def __init__(self, algorithm: str = "MD5") -> None:
        self._algorithm = algorithm
        self._hash = hashlib.sha256 if algorithm == "SHA-256" else hashlib.md5
        self.nonce = "n1"
        self.counts: list[str] = []

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', request.headers.get("authorization", "")))
        digest = lambda text: self._hash(text.encode()).hexdigest()  # noqa: E731
        first, second = digest("cam:here:secret"), digest("POST:/score")
        expected = digest(f"{first}:{self.nonce}:{given.get('nc')}:{given.get('cnonce')}:auth:{second}")
        if given.get("response") == expected and given.get("nonce") == self.nonce:
            self.counts.append(given["nc"])
            writer.write(ok())
            return
        challenge = f'Digest realm="here", qop="auth", nonce="{self.nonce}", algorithm={self._algorithm}'
        writer.write(
            response("401 Unauthorized", b"", 'WWW-Authenticate: Basic realm="x"', f"WWW-Authenticate: {challenge}")
        )


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_digest_goes_before_basic_and_the_password_stays_here(algorithm: str) -> None:
    digest = Digest(algorithm)
    async with extension(digest) as server, HttpExtensionClient(server.url, user="cam", password="secret") as client:
        for _ in range(3):
            assert (await client.post(IMAGE, "image/jpeg")).inferences == (CAR,)
        assert len(server.requests) == 4
        assert digest.counts == ["00000001", "00000002", "00000003"]
        digest.nonce = "n2"
        assert (await client.post(IMAGE, "image/jpeg")).inferences == (CAR,)
    sent = [request.headers.get("authorization", "") for request in server.requests]
    assert sent[0] == ""
    assert all(value.startswith("Digest ") and "secret" not in value for value in sent[1:])


@pytest.mark.parametrize(
    "challenge",
    [
        "Digest",
        'Digest realm="x"',
        'Digest realm="x", nonce="y", algorithm=ROT13',
        'Digest realm="x", nonce="y", qop="auth-int"',
        'Digest realm="x, nonce=',
        "Digest \x7f",
    ],
)
async def test_a_challenge_that_nobody_understands_is_an_error(challenge: str) -> None:
    answer = response("401 Unauthorized", b"", f"WWW-Authenticate: {challenge}")
    async with extension(answer) as server, HttpExtensionClient(server.url, user="u", password="secret") as client:
        with pytest.raises(ExtensionError) as refused:
            await client.post(IMAGE, "image/jpeg")
    assert refused.value.body["code"] == "401"
    assert "secret" not in str(refused.value)


async def test_a_header_goes_with_each_request() -> None:
    async with extension(ok()) as server, HttpExtensionClient(server.url, header=("X-Api-Key", "k 1")) as client:
        await client.post(IMAGE, "image/jpeg")
    assert server.requests[0].headers["x-api-key"] == "k 1"


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        (("", "x"), "the header of the credentials cannot be called ''"),
        (("X Y", "x"), "the header of the credentials cannot be called 'X Y'"),
        (("X\r\nEvil", "x"), "the header of the credentials cannot be called 'X\\r\\nEvil'"),
        (("Content-Length", "5"), "the header of the credentials cannot be called 'Content-Length'"),
        (("X-Key", "secret\r\nEvil: 1"), "the value of the header X-Key cannot be sent"),
        (("X-Key", "secret\u20ac"), "the value of the header X-Key cannot be sent"),
    ],
)
def test_a_header_that_cannot_be_sent(header: tuple[str, str], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        HttpExtensionClient("http://h/", header=header)
    assert refused.value.problem == complaint
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["", "h", "ftp://h/", "http://", "http://:80/", "http://u:secret@", "http://h:0x/", "http://h:99999/", "//h/"],
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        HttpExtensionClient(url)
    assert str(refused.value) == "the address of the HTTP extension is none; allowed: http://HOST[:PORT]/PATH"


@pytest.mark.parametrize(
    "arguments", [{"timeout_s": 0}, {"timeout_s": float("inf")}, {"timeout_s": float("nan")}, {"max_answer_mib": 0}]
)
def test_limits_that_are_none(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        HttpExtensionClient("http://h/", **arguments)


def test_what_is_shown_of_an_address_holds_no_secret() -> None:
    client = HttpExtensionClient("http://u:secret@h:81/a?code=secret")
    assert client.address == "http://h:81/a?..."


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of its own authority, for the name extension.local."""
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2"
    )
    subject = ["-subj", "/CN=extension.local", "-addext", "subjectAltName=DNS:extension.local"]
    try:
        subprocess.run([*command.split(), *subject], cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs openssl to make a certificate")
    return folder


@pytest.mark.parametrize(
    ("trust", "refusal"),
    [
        ({}, "its certificate is not signed by one that is trusted"),
        ({"ignore_hostname": True}, "its certificate is not signed by one that is trusted"),
        ({"is_ours": True}, "its certificate does not name this host"),
        ({"is_ours": True, "ignore_hostname": True}, None),
        ({"ignore_signature": True}, None),
    ],
)
async def test_an_encrypted_extension_is_checked(
    certificate: Path, trust: dict[str, bool], refusal: str | None
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    options = dict(trust)
    certificates = [(certificate / "cert.pem").read_text()] if options.pop("is_ours", False) else []
    async with extension(ok(), tls=tls) as server:
        url = server.url.replace("http:", "https:")
        async with HttpExtensionClient(url, trust=Trust(certificates, **options)) as client:
            if refusal is None:
                assert (await client.post(IMAGE, "image/jpeg")).inferences == (CAR,)
            else:
                with pytest.raises(NetworkError, match=refusal):
                    await client.post(IMAGE, "image/jpeg")


@pytest.mark.parametrize(
    "text", ["no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "é"]
)
def test_a_certificate_that_is_none(text: str) -> None:
    with pytest.raises(ConfigurationError, match="a trusted certificate is not legal"):
        HttpExtensionClient("https://h/", trust=Trust([text]))


async def test_many_at_once_are_kept_apart() -> None:
    async def echo(request: Request, writer: asyncio.StreamWriter) -> None:
        name = request.body.decode()
        await asyncio.sleep(0)
        writer.write(ok({"inferences": [{"type": "event", "event": {"name": name}}]}))

    async with extension(echo) as server, HttpExtensionClient(server.url) as client:
        answers = await asyncio.gather(*(client.post(b"%d" % number, "image/x-raw") for number in range(100)))
    assert [answer.inferences[0].name for answer in answers] == [str(number) for number in range(100)]  # type: ignore[union-attr]
