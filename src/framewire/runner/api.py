"""The direct methods over HTTP, and what is known of each pipeline."""

from __future__ import annotations

import hmac
import html
import ipaddress
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from framewire import __version__
from framewire.errors import ConfigurationError
from framewire.runner.answers import Answer, Code, Json, MethodError
from framewire.runner.inputs import Inputs
from framewire.runner.methods import METHODS, Methods
from framewire.runner.processes import Processes

try:
    from fastapi import Body, FastAPI, Path, Request, Response
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import HTMLResponse, JSONResponse
    from starlette.exceptions import HTTPException

    from framewire.pipeline.metrics import CONTENT_TYPE_LATEST, generate_latest, make_registry
except ImportError:
    raise ConfigurationError(
        "framewire runner needs FastAPI, which is not installed", remedy="pip install 'framewire[runner]'"
    ) from None

MOST_REQUEST_BYTES = 4 << 20

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": text}
    for status, text in (
        (400, "BadRequest: the request or a document is wrong"),
        (401, "the bearer token is missing or wrong"),
        (404, "NotFound: there is no such method, topology or pipeline"),
        (409, "Conflict: it is in use, or not in a state for that"),
    )
}


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Who may use the API.

    Args:
        host: Where it listens.
        port: Where it listens; 0 for any free port.
        token: Bearer token; None for none, and then only this machine may use it.

    Raises:
        ConfigurationError: It would be open to others without a token.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ConfigurationError(f"port is {self.port}", allowed="0 to 65535")
        if self.token is None and not _is_loopback(self.host):
            raise ConfigurationError(
                f"without a token the API does not listen on {self.host}",
                allowed="127.0.0.1, ::1 or localhost",
                remedy="set one with --token-file or FRAMEWIRE_TOKEN",
            )
        if self.token is not None and (not self.token.isascii() or not self.token.isprintable() or not self.token):
            raise ConfigurationError("the token is none", allowed="printable ASCII characters")


def make_api(methods: Methods, processes: Processes, options: ApiOptions) -> FastAPI:
    """The application that an ASGI server runs."""
    inputs = Inputs(processes)

    def report(pipeline: Json | None) -> Json:
        """What is known of a live pipeline, as a method answers it."""
        assert pipeline is not None
        name = pipeline["name"]
        found = {"name": name, **processes.report(name), "state": pipeline["properties"]["state"]}
        if (reason := methods.held_up(name)) is not None:
            found["last_error"] = reason
        return found

    api = FastAPI(
        title="framewire runner",
        version=__version__,
        description="Live pipelines: the direct methods of the retired edge module.",
        docs_url=None,  # its page wants the internet
        redoc_url=None,
    )

    @api.middleware("http")
    async def judge(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        refusal = _refusal(request, options.token)
        return await call(request) if refusal is None else refusal

    @api.post("/api/methods/{name}", responses={**_ERRORS, 201: {"description": "new"}, 204: {"description": "absent"}})
    async def method(
        request: Request,
        name: Annotated[str, Path(description=", ".join(METHODS))],
        document: Annotated[Json, Body(description="The request: @apiVersion, name and, to set, properties.")],
    ) -> Response:
        """Calls a direct method."""
        return _response(await methods.call(name, document))

    @api.post(
        "/api/inputs/{hub_input:path}",
        responses={**_ERRORS, 503: {"description": "ServerBusy: the pipelines that have the input cannot take it"}},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {}}}}},
    )
    async def input_message(request: Request, hub_input: str) -> Response:
        """A message from outside, for all active pipelines that have an IotHubMessageSource of this hubInputName."""
        return _response(inputs.post(hub_input, await request.body()))

    @api.get("/api/pipelines", responses=_ERRORS)
    async def pipelines() -> Json:
        """All live pipelines and their states."""
        answer = await methods.call("livePipelineList", {})
        assert answer.body is not None
        return {
            "pipelines": [
                {"name": one["name"], "topology": one["properties"]["topologyName"], **report(one)}
                for one in answer.body["value"]
            ]
        }

    @api.get("/api/pipelines/{name}", responses=_ERRORS)
    async def pipeline(name: str) -> Response:
        """One live pipeline: state, frames, drops by cause, and what went wrong last."""
        answer = await methods.call("livePipelineGet", {"name": name})
        if answer.is_error:
            return _response(answer)
        return JSONResponse(report(answer.body))

    registry = make_registry(processes.figures)

    @api.get("/metrics", responses=_ERRORS)
    async def metrics() -> Response:
        """The figures of the live pipelines, for Prometheus."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @api.get("/healthz")
    async def health() -> Json:
        """Whether the runner itself is at work."""
        return {"status": "ok"}

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(_page(api.openapi()))

    @api.exception_handler(RequestValidationError)
    async def unreadable(_: Request, error: RequestValidationError) -> Response:
        reasons = "; ".join(str(one.get("ctx", {}).get("error") or one["msg"]) for one in error.errors()[:3])
        return _response(MethodError("BadRequest", f"the request is no JSON object: {reasons}").answer())

    @api.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        code: Code = "NotFound" if error.status_code == 404 else "BadRequest"
        return JSONResponse({"error": {"code": code, "message": str(error.detail)}}, error.status_code)

    @api.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> Response:
        message = f"the runner failed; its log says why: {type(error).__name__}"
        return _response(MethodError("InternalServerError", message).answer())

    for operations in api.openapi()["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)  # FastAPI's own; ours is a 400
    return api


def _response(answer: Answer) -> Response:
    if answer.body is None:
        return Response(status_code=answer.status)
    return JSONResponse(answer.body, answer.status)


def _refusal(request: Request, token: str | None) -> Response | None:
    """Why a request is not answered; None when it is."""
    if token is not None:
        given = request.headers.get("authorization", "")
        if request.scope["path"] != "/healthz" and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            body = {"error": {"code": "Unauthorized", "message": "the bearer token is missing or wrong"}}
            return JSONResponse(body, 401, {"WWW-Authenticate": "Bearer"})
    elif not _is_loopback(request.url.hostname or ""):
        # A web page whose name was made to lead to this machine.
        return _refused(403, "without a token the API answers to localhost alone")
    if request.method == "POST":
        # A form on any web page can post anything but this type.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(415, "the request has no Content-Type application/json")
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MOST_REQUEST_BYTES:
            return _refused(413, f"the request has no Content-Length up to {MOST_REQUEST_BYTES}")
    return None


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"error": {"code": "BadRequest", "message": message}}, status)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _page(document: Json) -> str:
    """The OpenAPI document as a page without anything from elsewhere."""
    rows = []
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            answers = "".join(
                f"<li><b>{html.escape(status)}</b> {html.escape(answer['description'])}</li>"
                for status, answer in operation["responses"].items()
            )
            words = html.escape(operation.get("description") or operation.get("summary", ""))
            rows.append(f"<h2><code>{verb.upper()} {html.escape(path)}</code></h2><p>{words}</p><ul>{answers}</ul>")
    methods = "".join(f"<li><code>{name}</code></li>" for name in METHODS)
    title = html.escape(document["info"]["title"])
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        "<style>body{font:16px/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}</style>"
        f"<h1>{title}</h1><p>{html.escape(document['info']['description'])} "
        f"The document: <a href=openapi.json>openapi.json</a>.</p>{''.join(rows)}"
        f"<h2>Methods</h2><ul>{methods}</ul><h2>Document</h2><pre>{html.escape(json.dumps(document, indent=1))}</pre>"
    )
