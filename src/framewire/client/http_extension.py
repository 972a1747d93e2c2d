"""Extensions that take one image in a POST and answer with JSON (topologies, section 4)."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from framewire.client.packing import PackingError, unpacked
from framewire.client.trust import Trust
from framewire.client.unreachable import reason_of
from framewire.client.words import MOST_SHOWN, in_one_line
from framewire.errors import BusyError, ClosedError, ConfigurationError, InferenceError, PeerError
from framewire.model.inference import Inference
from framewire.model.publish_reader import read_document

try:
    import httpx

    from framewire.client.http_credentials import ChallengeError, HttpCredentials
except ImportError:
    raise ConfigurationError(
        "HTTP extensions need httpx, which is not installed", remedy="pip install 'framewire[pipeline]'"
    ) from None

DEFAULT_TIMEOUT_S = 10.0

_MIB = 1 << 20
_LONGEST_PAUSE_S = 300.0
"""A server that says it is busy for longer is asked again all the same."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What a header may be called (RFC 9110, section 5.6.2)."""

_OWN_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding"}
)


class Busy(BusyError):  # noqa: N818 - it is no error of anybody's
    """The extension asks for a pause (503).

    Args:
        address: The extension, without credentials.
        retry_after_s: How long, in seconds, 0 to 300; None when it did not say.
    """

    def __init__(self, address: str, retry_after_s: float | None) -> None:
        super().__init__(f"{address} is busy", remedy="send it less, or give it more to work with")
        self.retry_after_s = retry_after_s


class ExtensionError(PeerError):
    """The extension answered with something that is no result.

    Args:
        problem: What it was.
        status_code: The HTTP status.
        target: Its address, without credentials.
    """

    def __init__(self, problem: str, *, status_code: int, target: str) -> None:
        super().__init__(f"{target}: {problem}", status=str(status_code))
        self.status_code = status_code
        self.body: dict[str, Any] = {
            "code": str(status_code),
            "target": target,
            "details": [{"code": "HttpExtensionErrorResponse", "message": problem}],
            "protocol": "http",
        }
        """The body of the event `Diagnostics.ProtocolError`."""


class NetworkError(PeerError):
    """The extension cannot be reached, did not answer in time, or broke off."""

    def __init__(self, problem: str, remedy: str = "check the address, and that the extension is running") -> None:
        super().__init__(problem, status="UNAVAILABLE", remedy=remedy)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an extension found.

    Args:
        inferences: What was found; empty when nothing was.
        problems: What was wrong with inferences that are left out.
        request_id: What the request was called.
        latency_s: Seconds from the request to the end of the answer.
    """

    inferences: Sequence[Inference]
    problems: Sequence[str]
    request_id: str
    latency_s: float


class HttpExtensionClient:
    """Sends images to one extension, as an asynchronous context manager. Several may be under way.

    With a user, the first request goes without credentials; what the extension then asks for, Digest before Basic, is
    sent with this and all later ones. So a password never crosses the network in the clear when it need not.

    Args:
        url: `http://` or `https://`. User and password in it count when there are no others.
        user: User for Basic or Digest; None for nobody in particular.
        password: Its password.
        header: Name and value of a header that goes with each request.
        trust: How `https://` is checked.
        timeout_s: How long one image may take, from the connection to the end of the answer.
        max_answer_mib: Largest answer that is read, unpacked.
        wall_clock: Seconds since 1970, for answers that say when to come back.

    Raises:
        ConfigurationError: The address, the header or a certificate is none.
    """

    def __init__(
        self,
        url: str,
        *,
        user: str | None = None,
        password: str = "",
        header: tuple[str, str] | None = None,
        trust: Trust | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_answer_mib: float = 4.0,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._url, url_user, url_password = _checked_url(url)
        self.address = _public(self._url)
        """The extension as it may be shown: without credentials and query."""
        if not 0 < timeout_s < float("inf"):
            raise ConfigurationError(f"the timeout is {timeout_s} s", allowed="a number above 0")
        if not 0 < max_answer_mib <= 1024:
            raise ConfigurationError(f"the largest answer is {max_answer_mib} MiB", allowed="more than 0, up to 1024")
        self._timeout_s = timeout_s
        self._most_bytes = int(max_answer_mib * _MIB)
        self._wall_clock = wall_clock
        if user is None and url_user is not None:
            user, password = url_user, url_password
        self._credentials = None if user is None else HttpCredentials(user, password)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if header is not None:
            headers[_checked_name(header[0])] = _checked_value(*header)
        self._client = httpx.AsyncClient(
            headers=headers,
            auth=self._credentials,
            verify=(trust or Trust()).context() if self._url.scheme == "https" else False,
            timeout=timeout_s,
            follow_redirects=False,
            # Extensions are neighbours; proxies and .netrc are meant for the world outside.
            trust_env=False,
            limits=httpx.Limits(max_connections=32, max_keepalive_connections=4),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections. Closing twice is fine."""
        await self._client.aclose()

    async def post(self, image: bytes, content_type: str) -> Answer:
        """Sends one image and waits for what was found in it.

        Args:
            image: The encoded or raw image.
            content_type: `image/jpeg`, `image/png`, `image/bmp` or `image/x-raw`.

        Raises:
            Busy: The extension asks for a pause.
            ExtensionError: It answered with an error, or with no legal result.
            NetworkError: It cannot be reached, or did not answer in time.
            ClosedError: The client was closed.
        """
        if self._client.is_closed:
            raise ClosedError(f"the client of {self.address} is closed")
        request_id = str(uuid.uuid4())
        started_s = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                status_code, headers, content = await self._exchange(image, content_type, request_id)
        except TimeoutError:
            raise NetworkError(f"{self.address} did not answer within {self._timeout_s:g} s") from None
        except httpx.TimeoutException:
            raise NetworkError(f"{self.address} did not answer within {self._timeout_s:g} s") from None
        except httpx.TransportError as error:
            if (known := reason_of(str(error))) is not None:
                raise NetworkError(f"{self.address} cannot be reached ({known[0]})", known[1]) from None
            raise NetworkError(
                f"{self.address} cannot be reached ({in_one_line(str(error), MOST_SHOWN) or type(error).__name__})"
            ) from None
        finally:
            # Only a hostile extension sends cookies without end, and none needs one.
            self._client.cookies.clear()
        inferences, problems = self._read(status_code, headers, content)
        return Answer(inferences, problems, request_id, time.perf_counter() - started_s)

    async def _exchange(self, image: bytes, content_type: str, request_id: str) -> tuple[int, httpx.Headers, bytes]:
        headers = {"Content-Type": content_type, "x-ms-client-request-id": request_id}
        request = self._client.build_request("POST", self._url, content=image, headers=headers)
        try:
            response = await self._client.send(request, stream=True)
        except ChallengeError as error:
            raise self._error(401, str(error)) from None
        try:
            if response.status_code == 401 and self._credentials is not None:
                self._credentials.forget()
            content = await self._content(response)
        finally:
            await response.aclose()
        return response.status_code, response.headers, content

    async def _content(self, response: httpx.Response) -> bytes:
        """The body of an answer, unpacked, and never more of it than is allowed."""
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("identity", "", "gzip", "x-gzip", "deflate"):
            raise self._error(
                response.status_code,
                f"the answer is packed with {in_one_line(coding, MOST_SHOWN)!r}, which nobody asked for",
            )
        chunks: list[bytes] = []
        size_bytes = 0
        try:
            async for chunk in unpacked(response.aiter_raw(), coding, self._most_bytes):
                size_bytes += len(chunk)
                if size_bytes > self._most_bytes:
                    raise self._error(response.status_code, f"the answer is larger than {self._most_bytes} bytes")
                chunks.append(chunk)
        except PackingError:
            raise self._error(response.status_code, "the answer is not packed as it says") from None
        return b"".join(chunks)

    def _read(
        self, status_code: int, headers: httpx.Headers, content: bytes
    ) -> tuple[Sequence[Inference], Sequence[str]]:
        if status_code == 204:
            return (), ()
        if status_code == 503:
            raise Busy(self.address, _retry_after_s(headers.get("Retry-After", ""), self._wall_clock()))
        if 300 <= status_code < 400:
            raise self._error(status_code, "the extension sends us elsewhere, which is not followed")
        if status_code != 200:
            words = in_one_line(content[: 4 * MOST_SHOWN].decode("utf-8", "replace"), MOST_SHOWN)
            raise self._error(status_code, words or httpx.codes.get_reason_phrase(status_code) or "no reason was given")
        if not content.strip():
            return (), ("the answer is empty; 204 says that nothing was found",)
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            raise self._error(status_code, "the answer is not JSON") from None
        try:
            return read_document(document)
        except InferenceError as error:
            raise self._error(status_code, str(error)) from None

    def _error(self, status_code: int, problem: str) -> ExtensionError:
        return ExtensionError(problem, status_code=status_code, target=self.address)


def _checked_url(text: str) -> tuple[httpx.URL, str | None, str]:
    """The address without user and password, and these."""
    try:
        url = httpx.URL(text.strip())
        user, password = url.userinfo.decode("utf-8", "replace").partition(":")[::2]
        if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 1) <= 65_535:
            raise ValueError
    except (httpx.InvalidURL, ValueError):
        raise ConfigurationError(
            "the address of the HTTP extension is none", allowed="http://HOST[:PORT]/PATH"
        ) from None
    return url.copy_with(userinfo=b"", fragment=None), unquote(user) if user else None, unquote(password)


def _public(url: httpx.URL) -> str:
    return str(url.copy_with(query=None)) + ("?..." if url.query else "")


def _checked_name(name: str) -> str:
    if not _TOKEN.fullmatch(name) or name.lower() in _OWN_HEADERS:
        raise ConfigurationError(
            f"the header of the credentials cannot be called {name!r}", allowed="letters, digits and dashes"
        )
    return name


def _checked_value(name: str, value: str) -> str:
    # The value is a secret: it is not shown.
    if not value.isascii() or not value.isprintable():
        raise ConfigurationError(f"the value of the header {name} cannot be sent", allowed="printable ASCII characters")
    return value


def _retry_after_s(text: str, now_s: float) -> float | None:
    """Reads `Retry-After`: seconds or a date (RFC 9110, section 10.2.3); None when it is neither."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), _LONGEST_PAUSE_S)
    try:
        pause_s = parsedate_to_datetime(text).timestamp() - now_s
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(pause_s, 0.0), _LONGEST_PAUSE_S)
