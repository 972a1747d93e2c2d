"""``framewire operations``: plays a published operations file against a runner."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from framewire.cli.output import emit, say
from framewire.cli.runner import read_token
from framewire.cli.validate import read_document
from framewire.errors import ConfigurationError, FramewireError

_MOST_BYTES = 4 << 20


@click.command()
@click.argument("file", metavar="OPERATIONS.json")
@click.option("--to", "address", default="http://127.0.0.1:8080", show_default=True, help="The runner.")
@click.option("--token-file", type=click.Path(dir_okay=False), help="Holds its bearer token; or FRAMEWIRE_TOKEN.")
@click.option("--yes", "is_unasked", is_flag=True, help="Do not wait at WaitForInput.")
def operations(*, file: str, address: str, token_file: str | None, is_unasked: bool) -> int:
    """Plays OPERATIONS.json, a file of the published console, and prints each answer as a JSON line.

    Ends with 1 at the first operation that fails.
    """
    try:
        import httpx
    except ImportError:
        raise ConfigurationError(
            "framewire operations needs httpx, which is not installed", remedy="pip install 'framewire[pipeline]'"
        ) from None

    token = read_token(token_file)
    steps = _steps(file)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        client = httpx.Client(base_url=address, headers=headers, timeout=60, trust_env=False)
    except (httpx.InvalidURL, ValueError):
        raise ConfigurationError(f"{_shown(address)!r} is no address", allowed="http://HOST:PORT") from None
    with client:
        for number, (name, parameters) in enumerate(steps, 1):
            if name.lower() == "waitforinput":
                _wait(str(parameters.get("message", "press Enter to go on")), is_unasked=is_unasked)
                continue
            request = _request(name, parameters, Path(file).parent)
            try:
                answer = client.post(f"/api/methods/{name}", json=request)
                body = answer.json() if answer.content else None
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                raise FramewireError(
                    f"{_shown(address)} does not answer as a runner ({type(error).__name__}: {error})",
                    remedy="start one with framewire runner, or name it with --to",
                ) from None
            emit(json.dumps({"operation": name, "status": answer.status_code, "answer": body}, ensure_ascii=False))
            if answer.is_error:
                say(f"framewire: operation {number}, {name}, failed with {answer.status_code}")
                return 1
    return 0


def _steps(file: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and parameters of each operation."""
    document = _json(read_document(file), file)
    found = document.get("operations") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise ConfigurationError(f"{file} has no list of operations", allowed='{"operations":[{"opName":..}]}')
    steps = []
    for index, step in enumerate(found):
        name = step.get("opName") if isinstance(step, dict) else None
        parameters = step.get("opParams", {}) if isinstance(step, dict) else None
        if not isinstance(name, str) or not name.isalnum() or not isinstance(parameters, dict):
            raise ConfigurationError(
                f"operation {index + 1} of {file} is none", allowed='{"opName":"..","opParams":{..}}'
            )
        steps.append((name, {"@apiVersion": str(document.get("apiVersion", "1.1")), **parameters}))
    return steps


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{what} is no JSON: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"{what} is nested too deeply") from None


def _request(name: str, parameters: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The request of an operation; a topology may lie in a file or behind a URL."""
    if name.lower() != "pipelinetopologyset":
        return parameters
    if isinstance(path := parameters.get("pipelineTopologyFile"), str):
        text = read_document(str(folder / path))
    elif isinstance(url := parameters.get("pipelineTopologyUrl"), str):
        text = _fetched(url)
    else:
        return parameters
    document = _json(text, f"the topology of operation {name}")
    if not isinstance(document, dict):
        raise ConfigurationError(f"the topology of operation {name} is no JSON object")
    return document


def _fetched(url: str) -> str:
    import httpx

    from framewire.topology import decode_document

    shown, data = _shown(url), bytearray()
    try:
        with httpx.stream("GET", url, timeout=30, follow_redirects=True) as answer:
            if answer.is_error:
                raise FramewireError(f"{shown} cannot be fetched (HTTP {answer.status_code})")
            for chunk in answer.iter_bytes():
                data += chunk
                if len(data) > _MOST_BYTES:
                    raise FramewireError(f"{shown} is larger than {_MOST_BYTES} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise FramewireError(f"{shown} cannot be fetched ({type(error).__name__})") from None
    return decode_document(bytes(data), shown)


def _shown(url: str) -> str:
    """An address as it may be printed: without user and password."""
    scheme, colon, rest = url.partition("://")
    return f"{scheme}{colon}{rest.rpartition('@')[2]}" if colon else url.rpartition("@")[2]


def _wait(message: str, *, is_unasked: bool) -> None:
    say(message)
    if not is_unasked and sys.stdin is not None and sys.stdin.isatty():
        sys.stdin.readline()
