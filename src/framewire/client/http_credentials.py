"""User and password for an HTTP extension, in the way that it asks for."""

from __future__ import annotations

from collections.abc import Generator

import httpx

from framewire.client.words import MOST_SHOWN, in_one_line


class ChallengeError(Exception):
    """The extension asks for credentials in a way that is not known."""


class HttpCredentials(httpx.Auth):
    """Basic or Digest, whatever the extension asks for.

    The first request goes without credentials. Digest comes before Basic, and what was asked for goes with all later
    requests, until it is refused.

    Args:
        user: The user.
        password: Its password.
    """

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._chosen: httpx.Auth | None = None

    def forget(self) -> None:
        """They were refused: the next request is to find out once more what is wanted."""
        self._chosen = None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """What httpx sends, in turns with the answers.

        Raises:
            ChallengeError: The extension asks in an unknown way.
        """
        try:
            if self._chosen is not None:
                yield from self._chosen.auth_flow(request)
                return
            response = yield request
            if response.status_code != 401:
                return
            schemes = [
                value.split(None, 1)[0].lower() for value in response.headers.get_list("www-authenticate") if value
            ]
            if "digest" not in schemes:
                self._chosen = httpx.BasicAuth(self._user, self._password)
                yield from self._chosen.auth_flow(request)
                return
            digest = httpx.DigestAuth(self._user, self._password)
            flow = digest.auth_flow(request)
            # Its own first request has been sent already.
            next(flow)
            try:
                again = flow.send(response)
            except StopIteration:
                return
            self._chosen = digest
            yield again
        except (LookupError, NotImplementedError, ValueError, httpx.ProtocolError) as error:
            raise ChallengeError(
                f"the extension asks for credentials in an unknown way ({in_one_line(str(error), MOST_SHOWN)})"
            ) from None
